"""A client's messages and tools, checked for what OpenAI's reference says of them.

What a template needs of them is set right where it is rendered.
"""

from collections.abc import Mapping
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.tasks.reading import expected, fields_of, kind, text_of

# Templates know only the older name of a developer's message.
_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
# The parts of OpenAI's content that no text stands for, by how one would call them.
_NO_TEXT = {
    "image_url": "images",
    "input_audio": "audio",
    "audio_url": "audio",
    "video_url": "videos",
    "file": "files",
}
_MOST_NAME = 128


def messages_of(value: Any) -> list[dict[str, Any]]:
    """Messages with a role that templates know, and without fields that are null.

    Raises:
        InvalidRequest: one is not as it should be.
    """
    if not isinstance(value, list):
        raise expected("messages", "an array of messages", kind(value))
    if not value:
        raise expected("messages", "at least one message", "an empty array")
    return [_message(message, f"messages[{i}]") for i, message in enumerate(value)]


def _message(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise expected(field, "an object with role and content", kind(value), "messages")
    message = {name: item for name, item in value.items() if item is not None}
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        got = repr(role[:60]) if isinstance(role, str) else kind(role)
        raise expected(f"{field}.role", f"one of {', '.join(_ROLES)}", got, "messages")
    if "content" not in message and not (role == "assistant" and message.get("tool_calls")):
        raise expected(f"{field}.content", "a string or an array of parts", "nothing", "messages")
    if message.get("audio"):
        raise _not_text("audio", f"{field}.audio")
    _check_parts(message.get("content"), f"{field}.content")
    return {**message, "role": _ROLES[role]}


def _check_parts(content: Any, field: str) -> None:
    for i, part in enumerate(content if isinstance(content, list) else ()):
        form = part.get("type") if isinstance(part, dict) else None
        if isinstance(form, str) and form in _NO_TEXT:
            raise _not_text(_NO_TEXT[form], f"{field}[{i}]")


def _not_text(what: str, field: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {what} are not supported; send text", "messages")


def tools_of(value: Any) -> list[dict[str, Any]]:
    """Tools, each a function with a name of its own; none for null.

    Raises:
        InvalidRequest: one is not as it should be.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise expected("tools", "an array of tools", kind(value))
    tools = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(value)]
    names = set[str]()
    for tool in tools:
        name = tool["function"]["name"]
        if name in names:
            raise InvalidRequest(f"tools: there are several with the name {name!r}", "tools")
        names.add(name)
    return tools


def _tool(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("type") != "function":
        form = value.get("type") if isinstance(value, dict) else value
        got = repr(form) if isinstance(form, str) else kind(form)
        raise expected(f"{field}.type", '"function"', got, "tools")
    optional = ("description", "parameters", "strict")
    function = fields_of(value.get("function"), f"{field}.function", ("name",), optional)
    name = text_of(function["name"], f"{field}.function.name")
    if not 0 < len(name) <= _MOST_NAME:
        raise expected(f"{field}.function.name", f"1 to {_MOST_NAME} characters", str(len(name)))
    if not isinstance(function.get("parameters") or {}, dict):
        got = kind(function["parameters"])
        raise expected(f"{field}.function.parameters", "a JSON schema", got, "tools")
    return {"type": "function", "function": _without_nulls(function)}


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if item is not None}
