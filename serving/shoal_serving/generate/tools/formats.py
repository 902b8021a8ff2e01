"""The ways in which model families write a call."""

from enum import StrEnum


class ToolFormat(StrEnum):
    r"""How a model writes a call to a tool.

    HERMES (Qwen 2.5, Qwen 3, Hermes): anywhere in the text,
    `<tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>`.
    LLAMA (Llama 3.1, 3.2, 3.3): `{"name": ..., "parameters": {...}}` and nothing else, perhaps
    behind `<|python_tag|>`; several with "; " between them.
    """

    HERMES = "hermes"
    LLAMA = "llama"


def tool_format(template: str) -> ToolFormat | None:
    """The format that a chat template tells its model to write; None where that is not known."""
    if "<tool_call>" in template and "<function=" not in template:
        return ToolFormat.HERMES
    if "<|start_header_id|>" in template and '"parameters"' in template:
        return ToolFormat.LLAMA
    return None
