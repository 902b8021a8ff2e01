"""vLLM's sampling parameters → what is asked of the engine.

Names and defaults are those of `SamplingParams`
(https://docs.vllm.ai/en/latest/api/vllm/sampling_params.html), and `lora_name` as Triton's vLLM
backend has it.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Generation, Grammar, GrammarKind, Sampling, Stopping
from shoal_serving.tasks.reading import Parameters, expected, fields_of, items_of, kind, text_of

DEFAULT_MAX_TOKENS = 16
MOST_STOPS = 64
# Of all stop strings together: what watches for them takes memory for each.
MOST_STOP_CHARACTERS = 4096
MOST_BIASES = 4096
LARGEST_SEED = 2**63 - 1
_LARGEST = 1000

NAMES = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "max_tokens",
    "min_tokens",
    "stop",
    "stop_token_ids",
    "ignore_eos",
    "include_stop_str_in_output",
    "skip_special_tokens",
    "structured_outputs",
    "lora_name",
)

_GRAMMARS: Mapping[str, GrammarKind] = {
    "json": GrammarKind.JSON_SCHEMA,
    "json_object": GrammarKind.JSON_OBJECT,
    "regex": GrammarKind.REGEX,
    "choice": GrammarKind.CHOICE,
    "grammar": GrammarKind.LARK,
}


def read_sampling(given: Mapping[str, Any], vocabulary: int) -> Generation:
    """A generation without a prompt; token ids are below `vocabulary`.

    Raises:
        InvalidRequest: an unknown name, or a value that is not as it should be.
    """
    parameters = Parameters(given, NAMES)
    return Generation(
        prompt=(),
        sampling=_sampling(parameters, vocabulary),
        stopping=_stopping(parameters, vocabulary),
        grammar=structured_outputs(parameters.value("structured_outputs")),
        adapter=parameters.text("lora_name"),
        skip_special_tokens=parameters.flag("skip_special_tokens") is not False,
    )


def _sampling(parameters: Parameters, vocabulary: int) -> Sampling:
    temperature = parameters.number("temperature", 0, _LARGEST)
    top_p = parameters.number("top_p", 0, 1, above=True)
    return Sampling(
        temperature=1.0 if temperature is None else temperature,
        top_k=max(0, parameters.integer("top_k", -1) or 0),
        top_p=1.0 if top_p is None else top_p,
        min_p=parameters.number("min_p", 0, 1) or 0.0,
        repetition_penalty=parameters.number("repetition_penalty", 0, _LARGEST, above=True) or 1.0,
        presence_penalty=parameters.number("presence_penalty", -2, 2) or 0.0,
        frequency_penalty=parameters.number("frequency_penalty", -2, 2) or 0.0,
        logit_bias=logit_biases(parameters.value("logit_bias"), vocabulary),
        seed=parameters.integer("seed", 0, LARGEST_SEED),
    )


def _stopping(parameters: Parameters, vocabulary: int) -> Stopping:
    most = parameters.integer("max_tokens", 1) or DEFAULT_MAX_TOKENS
    return Stopping(
        max_tokens=most,
        min_tokens=parameters.integer("min_tokens", 0, most) or 0,
        strings=stop_strings(parameters),
        tokens=stop_tokens(parameters.value("stop_token_ids"), vocabulary),
        ignore_eos=bool(parameters.flag("ignore_eos")),
        include=bool(parameters.flag("include_stop_str_in_output")),
    )


def stop_strings(parameters: Parameters) -> tuple[str, ...]:
    """`stop`: a text or an array of texts."""
    strings = parameters.texts("stop", MOST_STOPS)
    size = sum(map(len, strings))
    if size > MOST_STOP_CHARACTERS:
        raise expected("stop", f"at most {MOST_STOP_CHARACTERS} characters together", str(size))
    return strings


def stop_tokens(value: Any, vocabulary: int) -> frozenset[int]:
    """`stop_token_ids`: token ids below `vocabulary`."""
    tokens = [] if value is None or value == [] else items_of(value, "stop_token_ids")
    for token in tokens:
        if type(token) is not int or not 0 <= token < vocabulary:
            raise expected("stop_token_ids", f"token ids below {vocabulary}", repr(token)[:40])
    return frozenset(tokens)


def logit_biases(value: Any, vocabulary: int) -> dict[int, float]:
    """`logit_bias`: a number from -100 to 100 for token ids below `vocabulary`.

    Token ids are the keys of a JSON object, and so strings.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise expected("logit_bias", "an object", kind(value))
    if len(value) > MOST_BIASES:
        raise expected("logit_bias", f"at most {MOST_BIASES} token ids", str(len(value)))
    named = {f"logit_bias.{key}": bias for key, bias in value.items()}
    biases = Parameters(named, named)
    return {
        _token(key, vocabulary): biases.number(f"logit_bias.{key}", -100, 100) or 0.0
        for key in value
    }


def _token(key: str, vocabulary: int) -> int:
    if not (key.isascii() and key.isdigit() and len(key) < 10 and int(key) < vocabulary):
        raise expected("logit_bias", f"token ids below {vocabulary} as keys", repr(key)[:40])
    return int(key)


def structured_outputs(value: Any) -> Grammar | None:
    """`StructuredOutputsParams` of vLLM, as an object or as its JSON in a string."""
    if value is None:
        return None
    if isinstance(value, str):
        value = json_object(value, "structured_outputs")
    given = fields_of(value, "structured_outputs", (), _GRAMMARS)
    if len(given) != 1:
        raise expected("structured_outputs", f"one of {', '.join(_GRAMMARS)}", f"{len(given)}")
    [(name, content)] = given.items()
    return output_grammar(name, content, f"structured_outputs.{name}")


def output_grammar(name: str, content: Any, field: str) -> Grammar:
    """One kind of structured output, by vLLM's name; `field` is where it was said."""
    return Grammar(_GRAMMARS[name], _content(name, content, field))


def _content(name: str, content: Any, field: str) -> Any:
    match name:
        case "json":
            return json_object(content, field) if isinstance(content, str) else content
        case "json_object":
            if content is not True:
                raise expected(field, "true", kind(content))
            return None
        case "choice":
            choices = enumerate(items_of(content, field))
            return [text_of(choice, f"{field}[{i}]") for i, choice in choices]
        case _:
            return text_of(content, field)


def json_object(text: str | bytes, field: str) -> dict[str, Any]:
    """The JSON object that a text holds.

    Raises:
        InvalidRequest: it holds none.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{field}: expected a JSON object, got {error}", field) from error
    if not isinstance(value, dict):
        raise expected(field, "a JSON object", kind(value))
    return value
