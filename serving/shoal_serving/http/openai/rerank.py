"""`/v1/rerank`: the call that TEI, Jina and Cohere share.

Source: text-embeddings-inference, Jina and Cohere (`texts` or `documents`, `top_n`,
`return_documents` or `return_text`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.errors import InvalidRequest
from shoal_serving.batched_model import BatchedModel
from shoal_serving.http.message import Request, Response
from shoal_serving.http.openai.asked import asked_for, wrong_task
from shoal_serving.tasks.reading import Parameters
from shoal_serving.tasks.text_ranking import Ranking, TextRanking

_FIELDS = (
    "model",
    "query",
    "documents",
    "texts",
    "top_n",
    "top_k",
    "return_documents",
    "return_text",
    "raw_scores",
    "truncate",
)


async def rerank(request: Request, revision: str | None) -> Response:
    """Documents by how well they fit the query, the best first.

    Who sends `texts` gets the list that TEI answers, who sends `documents` the object that Jina and
    Cohere answer.
    """
    body = await request.json()
    given = Parameters(body, _FIELDS)
    model = asked_for(request, body)
    if not isinstance(model, BatchedModel) or not isinstance(model.task, TextRanking):
        raise wrong_task(model, "text-ranking")
    top = given.integer("top_n", least=1) or given.integer("top_k", least=1)
    with_text = bool(given.flag("return_documents") or given.flag("return_text"))
    field = _texts_field(body)
    query = model.task.from_rerank(
        body.get("query"), body.get(field), body.get("raw_scores"), body.get("truncate"), field
    )
    answer: Ranking = await request.answer(model, query)
    order = np.argsort(-answer.scores, kind="stable")[:top]
    write = _tei_rank if field == "texts" else _ranked
    ranks = [write(i, float(answer.scores[i]), query.texts, with_text) for i in order.tolist()]
    if field == "texts":
        return Response.json(ranks)
    usage = {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens}
    return Response.json({"model": model.name, "results": ranks, "usage": usage})


def _texts_field(body: dict[str, Any]) -> str:
    if "texts" in body and "documents" in body:
        raise InvalidRequest("expected either documents or texts, got both", "documents")
    return "texts" if "texts" in body else "documents"


def _ranked(index: int, score: float, texts: Sequence[str], with_text: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"index": index, "relevance_score": score}
    if with_text:
        result["document"] = {"text": texts[index]}
    return result


def _tei_rank(index: int, score: float, texts: Sequence[str], with_text: bool) -> dict[str, Any]:
    rank: dict[str, Any] = {"index": index, "score": score}
    if with_text:
        rank["text"] = texts[index]
    return rank
