"""What a request for a chat asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.generate.chat import ChatTemplate
from shoal_serving.generate.request import Generation
from shoal_serving.generate.vocabulary import Vocabulary
from shoal_serving.http.openai.asked import Asked
from shoal_serving.http.openai.common import COMMON_FIELDS, Common, common_of
from shoal_serving.http.openai.fields import Fields
from shoal_serving.http.openai.messages import messages_of
from shoal_serving.http.openai.sampling import MOST_ALTERNATIVES, MOST_TOKENS, for_choice
from shoal_serving.http.openai.tool_choice import TOOL_FIELDS, Tools, tool_choice
from shoal_serving.tasks.reading import expected

PROMPT_FIELDS = (
    "messages",
    "add_generation_prompt",
    "continue_final_message",
    "chat_template_kwargs",
)
_FIELDS = (
    *PROMPT_FIELDS,
    *COMMON_FIELDS,
    *TOOL_FIELDS,
    "max_completion_tokens",
    "top_logprobs",
)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation and how it shall go on. `begun` is what an echoing answer begins with."""

    asked: Asked
    common: Common
    tools: Tools
    prompt: tuple[int, ...]
    begun: str

    def generations(self) -> list[Generation]:
        """One for each choice. What marks a tool's call may be special tokens, so all are kept."""
        common = self.common
        return [
            Generation(
                prompt=self.prompt,
                sampling=for_choice(common.sampling, i),
                stopping=common.stopping,
                grammar=self.tools.grammar,
                adapter=self.asked.adapter,
                priority=common.priority,
                skip_special_tokens=common.skip_special_tokens and self.tools.form is None,
            )
            for i in range(common.choices)
        ]


def chat_request(asked: Asked, body: Mapping[str, Any]) -> ChatRequest:
    """Read a request.

    Raises:
        InvalidRequest: a field is not as it should be, or the model has no chat template.
    """
    fields = Fields(body, _FIELDS)
    model, template = asked.model, template_of(asked)
    common = common_of(fields, model, _most_tokens(fields), _alternatives(fields))
    tools = tool_choice(fields, template, common.grammar)
    messages = messages_of(fields.value("messages"))
    prompt = prompt_of(fields, model.vocabulary, template, messages, tools.offered)
    return ChatRequest(
        asked=asked,
        common=common,
        tools=tools,
        prompt=tuple(prompt),
        begun=_begun(messages) if common.echo else "",
    )


def template_of(asked: Asked) -> ChatTemplate:
    """The model's chat template.

    Raises:
        InvalidRequest: there is none.
    """
    template = asked.model.template
    if template is None:
        raise InvalidRequest(
            f"{asked.model.name} has no chat template; ask /v1/completions with a prompt",
            "messages",
        )
    return template


def prompt_of(
    fields: Fields,
    vocabulary: Vocabulary,
    template: ChatTemplate,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
) -> Sequence[int]:
    """The tokens of a conversation. The template writes special tokens itself."""
    goes_on = bool(fields.flag("continue_final_message"))
    prompted = fields.flag("add_generation_prompt")
    text = template.render(
        messages,
        tools=tools or None,
        add_generation_prompt=not goes_on if prompted is None else prompted,
        continue_final_message=goes_on,
        variables=fields.mapping("chat_template_kwargs") or {},
    )
    return vocabulary.encode(text, special=bool(fields.flag("add_special_tokens")))


def _most_tokens(fields: Fields) -> int | None:
    """The newer name and the older one of the same."""
    newer = fields.integer("max_completion_tokens", 1, MOST_TOKENS)
    older = fields.integer("max_tokens", 1, MOST_TOKENS)
    if newer is not None and older is not None and newer != older:
        raise expected("max_tokens", f"the same as max_completion_tokens, {newer}", str(older))
    return newer if older is None else older


def _alternatives(fields: Fields) -> int | None:
    logprobs, top = fields.flag("logprobs"), fields.integer("top_logprobs", 0, MOST_ALTERNATIVES)
    if top is not None and not logprobs:
        raise InvalidRequest("top_logprobs: only with logprobs true", "top_logprobs")
    return (top or 0) if logprobs else None


def _begun(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the assistant has said already, which an echo repeats."""
    last = messages[-1]
    content = last.get("content")
    return content if last["role"] == "assistant" and isinstance(content, str) else ""
