"""Chat templates: messages → the prompt that a model was trained to answer.

As transformers renders them: https://huggingface.co/docs/transformers/chat_templating. A template
is the model owner's, and what is rendered the client's; so a template runs in Jinja's sandbox, and
what it writes is bounded.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError

from shoal.errors import InvalidRequest, ModelLoadFailed
from shoal_serving.generate.jinja import environment, loops_over_content
from shoal_serving.generate.messages import Message, prepared
from shoal_serving.tasks.folder import ModelFolder

MOST_CHARACTERS = 8_000_000

_SPECIALS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")
# What the server gives a template; a client's variables have other names.
_RESERVED = frozenset({*_SPECIALS, "messages", "tools", "add_generation_prompt"})
# Stands where the last message's own text ends, to find that place in the prompt.
_END = "\ue0f5\ue0f6\ue0f5"


class ChatTemplate:
    """A model's chat templates by name. Several threads may use it."""

    def __init__(self, sources: Mapping[str, str], specials: Mapping[str, str]) -> None:
        """Compile them; `specials` are the special tokens that a template may write.

        Raises:
            ModelLoadFailed: one of them is no Jinja template.
        """
        self._sources = sources
        self._specials = specials
        self._environment = environment()
        self._templates = {name: self._compile(name) for name in sources}
        self._lists = {
            name: loops_over_content(self._environment, sources[name]) for name in sources
        }

    def _compile(self, name: str) -> Template:
        try:
            return self._environment.from_string(self._sources[name])
        except TemplateSyntaxError as error:
            raise ModelLoadFailed(
                f"The chat template {name!r} cannot be used: line {error.lineno}: {error.message}.",
                "Repair it in tokenizer_config.json or chat_template.jinja.",
            ) from error

    def source(self, name: str | None = None, tools: bool = False) -> str:
        """The text of the template that `render` would take."""
        return self._sources[self._choose(name, tools)]

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        name: str | None = None,
        variables: Mapping[str, Any] = {},
    ) -> str:
        """The prompt of these messages, in OpenAI's shape; encode it without special tokens.

        `name` picks a template; without one it is "tool_use" if tools are given and there is one,
        else "default". `variables` are further ones that the template may know, such as
        `enable_thinking`. With `continue_final_message` the prompt ends within the last message,
        for the model to go on with.

        Raises:
            InvalidRequest: a message, a variable or a name is not as it should be, the template
                refuses them, or the prompt is too long.
        """
        chosen = self._choose(name, bool(tools))
        _check_variables(variables, self._environment.globals)
        ready = prepared(messages, lists=self._lists[chosen])
        if continue_final_message:
            ready[-1] = _marked(ready[-1], add_generation_prompt)
        text = _written(
            self._templates[chosen],
            {
                **self._specials,
                **variables,
                "messages": ready,
                "tools": tools or None,
                "add_generation_prompt": add_generation_prompt,
            },
        )
        return _until_mark(text) if continue_final_message else text

    def _choose(self, name: str | None, tools: bool) -> str:
        if name is None:
            name = "tool_use" if tools and "tool_use" in self._sources else "default"
        if name not in self._sources:
            known = ", ".join(sorted(self._sources))
            raise InvalidRequest(f"the model has no chat template {name!r}; it has {known}")
        return name


def open_chat_template(folder: ModelFolder) -> ChatTemplate | None:
    """The folder's chat templates; None where it has none.

    Raises:
        ModelLoadFailed: one of them cannot be used.
    """
    sources = _sources(folder)
    specials = {name: folder.special_token(name) for name in _SPECIALS}
    found = {name: text for name, text in specials.items() if text is not None}
    return ChatTemplate(sources, found) if sources else None


def _sources(folder: ModelFolder) -> dict[str, str]:
    """Files go before tokenizer_config.json."""
    sources = _configured(folder.tokenizer_config.get("chat_template"))
    for path in sorted((folder.path / "additional_chat_templates").glob("*.jinja")):
        sources[path.stem] = _read(path)
    main = folder.path / "chat_template.jinja"
    if main.is_file():
        sources["default"] = _read(main)
    return sources


def _configured(value: Any) -> dict[str, str]:
    """One template, or a list of named ones."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {"default": value}
    try:
        return {str(entry["name"]): str(entry["template"]) for entry in value}
    except (KeyError, TypeError) as error:
        raise _unusable("tokenizer_config.json", "is neither a text nor a list of them") from error


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise _unusable(path.name, str(error)) from error


def _unusable(name: str, problem: str) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"The chat template in {name} cannot be used: {problem}.", "Repair it in the source."
    )


def _check_variables(variables: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in variables:
        if name in _RESERVED or name in known:
            raise InvalidRequest(
                f"the chat template's variable {name!r} cannot be set by a request", name
            )


def _written(template: Template, context: Mapping[str, Any]) -> str:
    parts: list[str] = []
    size = 0
    try:
        for part in template.generate(context):
            parts.append(part)
            size += len(part)
            if size > MOST_CHARACTERS:
                break
    except TemplateError as error:
        raise InvalidRequest(
            f"the chat template refuses this: {error.message}", "messages"
        ) from error
    except Exception as error:
        # A template may do anything with what a client sent, such as add a number to a text.
        raise InvalidRequest(
            f"the chat template cannot write this: {type(error).__name__}: {error}", "messages"
        ) from error
    if size > MOST_CHARACTERS:
        raise InvalidRequest(
            f"messages: the prompt has more than {MOST_CHARACTERS} characters; send less",
            "messages",
        )
    return "".join(parts)


def _marked(message: Message, add_generation_prompt: bool) -> Message:
    if add_generation_prompt:
        raise InvalidRequest(
            "continue_final_message: set add_generation_prompt to false with it; "
            "the model goes on with the last message or begins a new one",
            "continue_final_message",
        )
    content = message.get("content")
    if not isinstance(content, str):
        raise InvalidRequest(
            "continue_final_message: the content of the last message must be a string",
            "continue_final_message",
        )
    return {**message, "content": content + _END}


def _until_mark(text: str) -> str:
    before, mark, _ = text.rpartition(_END)
    if not mark:
        raise InvalidRequest(
            "continue_final_message: the chat template does not write the last message's text",
            "continue_final_message",
        )
    return before
