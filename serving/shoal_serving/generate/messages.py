"""A client's messages as chat templates expect them: OpenAI's shape, with a few things set right.

Content that is absent is empty text. Parts of text become one string, unless the template reads
parts. A tool call's arguments are an object: OpenAI's clients send them as JSON in a string.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.errors import InvalidRequest

Message = dict[str, Any]

MOST_MESSAGES = 4096


def prepared(messages: Sequence[Mapping[str, Any]], lists: bool) -> list[Message]:
    """Copies of the messages; `lists` is whether the template reads content part by part.

    Raises:
        InvalidRequest: there is none, or there are too many; one is not as it should be, or has a
            part that is no text.
    """
    if not 0 < len(messages) <= MOST_MESSAGES:
        raise _refused("messages", f"1 to {MOST_MESSAGES} messages", str(len(messages)))
    return [_prepared(message, f"messages[{i}]", lists) for i, message in enumerate(messages)]


def _prepared(message: Mapping[str, Any], field: str, lists: bool) -> Message:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise _refused(field, "an object with a role", json.dumps(message, default=str)[:100])
    ready = dict(message)
    ready["content"] = _content(message.get("content"), f"{field}.content", lists)
    if message.get("tool_calls") is None:
        ready.pop("tool_calls", None)
    else:
        ready["tool_calls"] = _calls(message["tool_calls"], f"{field}.tool_calls")
    return ready


def _content(value: Any, field: str, lists: bool) -> str | list[dict[str, str]]:
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        raise _refused(field, "a string or an array of parts", type(value).__name__)
    texts = [_text(part, f"{field}[{i}]") for i, part in enumerate(value)]
    return [{"type": "text", "text": text} for text in texts] if lists else "\n".join(texts)


def _text(part: Any, field: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("type") != "text":
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        raise _refused(
            field, 'a part of the type "text", which is all that this model reads', repr(kind)
        )
    if not isinstance(part.get("text"), str):
        raise _refused(f"{field}.text", "a string", type(part.get("text")).__name__)
    return str(part["text"])


def _calls(calls: Any, field: str) -> list[dict[str, Any]]:
    if not isinstance(calls, list):
        raise _refused(field, "an array", type(calls).__name__)
    return [_call(call, f"{field}[{i}]") for i, call in enumerate(calls)]


def _call(call: Any, field: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise _refused(field, "an object with a function that has a name", repr(call)[:100])
    arguments = _arguments(function.get("arguments"), f"{field}.function.arguments")
    return {**call, "function": {**function, "arguments": arguments}}


def _arguments(value: Any, field: str) -> Mapping[str, Any]:
    try:
        read = json.loads(value) if isinstance(value, str) and value else value or {}
    except (ValueError, RecursionError) as error:
        raise _refused(field, "a JSON object in a string", str(error)) from error
    if not isinstance(read, Mapping):
        raise _refused(field, "a JSON object in a string", repr(value)[:100])
    return read


def _refused(field: str, wanted: str, got: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: expected {wanted}, got {got}", field)
