"""`/tokenize` and `/detokenize`, as vLLM has them."""

from collections.abc import Mapping
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.http.message import Request, Response
from shoal_serving.http.openai.asked import Asked, asked_to_generate
from shoal_serving.http.openai.chat_request import PROMPT_FIELDS, prompt_of, template_of
from shoal_serving.http.openai.fields import Fields, tokens_of
from shoal_serving.http.openai.messages import messages_of, tools_of
from shoal_serving.tasks.reading import expected, kind, text_of

_FIELDS = ("model", "prompt", "add_special_tokens", "return_token_strs", "tools", *PROMPT_FIELDS)
_MOST_TOKENS = 1_000_000


async def tokenize(request: Request, revision: str | None) -> Response:
    """The tokens of a `prompt`, or of `messages` as chat would send them to the model."""
    body = await request.json()
    asked = asked_to_generate(request, body)
    return Response.json(await request.aside(_tokenized, asked, body))


async def detokenize(request: Request, revision: str | None) -> Response:
    """The text of `tokens`, special tokens included."""
    body = await request.json()
    asked = asked_to_generate(request, body)
    return Response.json({"prompt": await request.aside(_detokenized, asked, body)})


def _tokenized(asked: Asked, body: Mapping[str, Any]) -> dict[str, Any]:
    fields = Fields(body, _FIELDS)
    vocabulary = asked.model.vocabulary
    tokens = list(_conversation(asked, fields) if fields.has("messages") else _text(asked, fields))
    texts = fields.flag("return_token_strs")
    return {
        "count": len(tokens),
        "max_model_len": asked.model.context,
        "tokens": tokens,
        "token_strs": [vocabulary.token_text(token) for token in tokens] if texts else None,
    }


def _conversation(asked: Asked, fields: Fields) -> Any:
    if fields.has("prompt"):
        raise InvalidRequest("expected either prompt or messages, got both", "prompt")
    messages, tools = messages_of(fields.value("messages")), tools_of(fields.value("tools"))
    return prompt_of(fields, asked.model.vocabulary, template_of(asked), messages, tools)


def _text(asked: Asked, fields: Fields) -> Any:
    if not fields.has("prompt"):
        raise InvalidRequest("prompt: expected a text, or messages", "prompt")
    text = text_of(fields.value("prompt"), "prompt")
    return asked.model.vocabulary.encode(text, fields.flag("add_special_tokens") is not False)


def _detokenized(asked: Asked, body: Mapping[str, Any]) -> str:
    fields = Fields(body, ("model", "tokens"))
    given = fields.items("tokens", _MOST_TOKENS)
    if given is None:
        raise expected("tokens", "an array of token ids", kind(None))
    vocabulary = asked.model.vocabulary
    return vocabulary.decode(tokens_of(given, "tokens", vocabulary.size), skip_special_tokens=False)
