"""The fields of a request to generate: by name and type, and those that are refused by name."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.tasks.reading import Parameters, expected, kind

# What nothing depends on: OpenAI's clients send them, and no answer is another for them.
_HARMLESS = ("user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention")
# What may be said, because it is so anyway.
_ONLY: Mapping[str, tuple[Any, ...]] = {
    "modalities": (["text"],),
    "store": (False,),
    "service_tier": ("auto", "default"),
    "use_beam_search": (False,),
    "best_of": (1,),
    "length_penalty": (1, 1.0),
    "spaces_between_special_tokens": (True,),
    "include_reasoning": (True,),
    "return_token_ids": (False,),
    "return_tokens_as_token_ids": (False,),
}
# What is not there, and what to do instead.
_REFUSED = {
    "audio": "answers are text",
    "prediction": "leave it out; answers are the same without",
    "web_search_options": "the model cannot search; give it a tool that can",
    "functions": "it was replaced by tools",
    "function_call": "it was replaced by tool_choice",
    "reasoning_effort": "say what the chat template knows in chat_template_kwargs",
    "verbosity": "say it in a message",
    "suffix": "the model only goes on from a prompt",
    "chat_template": "the model's own is used; its variables are chat_template_kwargs",
    "documents": "put them into a message",
    "prompt_logprobs": "ask /v1/completions for echo and logprobs",
    "truncate_prompt_tokens": "send a shorter prompt",
    "allowed_token_ids": "use logit_bias or structured_outputs",
    "bad_words": "use logit_bias",
    "logits_processors": "use logit_bias or structured_outputs",
    "structural_tag": "use structured_outputs with json, regex, choice or grammar",
    "guided_decoding_backend": "there is one; leave it out",
    "guided_whitespace_pattern": "use guided_regex or guided_grammar",
    "mm_processor_kwargs": "prompts are text",
    "prompt_embeds": "prompts are text or token ids",
}


class Fields(Parameters):
    """A request's fields, of which none that is not supported was given."""

    def __init__(self, body: Mapping[str, Any], known: Sequence[str]) -> None:
        """Raises `InvalidRequest` for a field that is not one of `known`, or harmless."""
        given = {name: value for name, value in body.items() if value is not None}
        for name, value in list(given.items()):
            if name not in known and _means_nothing(name, value):
                del given[name]
        super().__init__(given, known)

    def has(self, name: str) -> bool:
        return name in self._given

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        value = self._given.get(name)
        if value is not None and not isinstance(value, dict):
            raise expected(name, "an object", kind(value))
        return value

    def items(self, name: str, most: int) -> list[Any] | None:
        """An array, which may be empty."""
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise expected(name, "an array", kind(value))
        if len(value) > most:
            raise expected(name, f"at most {most} elements", f"{len(value)}")
        return value


def tokens_of(value: Sequence[Any], field: str, size: int) -> list[int]:
    """`value`, where every item of it is a token id below `size`."""
    for i, token in enumerate(value):
        if type(token) is not int:
            raise expected(f"{field}[{i}]", "a token id", kind(token), field)
        if not 0 <= token < size:
            raise expected(f"{field}[{i}]", f"a token id below {size}", str(token), field)
    return list(value)


def only_one(given: Collection[str]) -> None:
    """Refuse fields that say the same in different ways."""
    if len(given) > 1:
        names = " and ".join(given)
        raise InvalidRequest(f"expected one of {names}, got {len(given)}", next(iter(given)))


def _means_nothing(name: str, value: Any) -> bool:
    if name in _HARMLESS:
        return True
    if name in _REFUSED:
        raise InvalidRequest(f"{name} is not supported: {_REFUSED[name]}", name)
    if name not in _ONLY:
        return False
    if not any(type(value) is type(one) and value == one for one in _ONLY[name]):
        choices = " or ".join(_shown(one) for one in _ONLY[name])
        raise InvalidRequest(f"{name}: only {choices} is supported", name)
    return True


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace("'", '"')
