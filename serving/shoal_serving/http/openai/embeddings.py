"""`/v1/embeddings`: vectors of texts."""

import base64
from typing import Any

import numpy as np

from shoal_serving.batched_model import BatchedModel
from shoal_serving.http.message import Request, Response
from shoal_serving.http.openai.asked import asked_for, wrong_task
from shoal_serving.tasks.embeddings import Embeddings
from shoal_serving.tasks.feature_extraction import FeatureExtraction
from shoal_serving.tasks.reading import Parameters

_FIELDS = ("model", "input", "encoding_format", "dimensions", "user")


async def embeddings(request: Request, revision: str | None) -> Response:
    """Vectors, as numbers or as base64 of little-endian float32."""
    body = await request.json()
    given = Parameters(body, _FIELDS)
    model = asked_for(request, body)
    if not isinstance(model, BatchedModel) or not isinstance(model.task, FeatureExtraction):
        raise wrong_task(model, "feature-extraction")
    form = given.choice("encoding_format", ["float", "base64"])
    query = model.task.from_openai(body.get("input"), body.get("dimensions"))
    answer: Embeddings = await request.answer(model, query)
    vectors = answer.vectors
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector, form)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens}
    return Response.json({"object": "list", "data": data, "model": model.name, "usage": usage})


def _written(vector: np.ndarray[Any, np.dtype[np.float32]], form: str | None) -> Any:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return np.ascontiguousarray(vector)
