"""Hugging Face's generation parameters → what is asked of the engine.

Names, and what is taken where they are absent, are those of text-generation-inference:
https://huggingface.co/docs/inference-providers/tasks/text-generation. Without `do_sample` a text is
sampled where `temperature`, `top_k` or `top_p` is given, and is the likeliest one where none is. A
stop string stays in the text.
"""

from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Generation, Grammar, GrammarKind, Sampling, Stopping
from shoal_serving.tasks.reading import Parameters, expected, fields_of, text_of
from shoal_serving.tasks.sampling_parameters import LARGEST_SEED, json_object, stop_strings

DEFAULT_MAX_NEW_TOKENS = 100
MOST_ALTERNATIVES = 20
_LARGEST = 1000

NAMES = (
    "max_new_tokens",
    "do_sample",
    "temperature",
    "top_k",
    "top_p",
    "repetition_penalty",
    "frequency_penalty",
    "seed",
    "stop",
    "return_full_text",
    "truncate",
    "grammar",
    "adapter_id",
    "details",
    "decoder_input_details",
    "top_n_tokens",
    "best_of",
    "typical_p",
    "watermark",
)
_GRAMMARS = {"json": GrammarKind.JSON_SCHEMA, "regex": GrammarKind.REGEX}


@dataclass(frozen=True, slots=True)
class HuggingFaceParameters:
    """A generation without a prompt, and what the answer holds beside the text."""

    generation: Generation
    full_text: bool
    details: bool
    truncate: int | None


def read_parameters(given: Any, stream: bool) -> HuggingFaceParameters:
    """Read them; a stream reports every token's probability.

    Raises:
        InvalidRequest: an unknown name, one that is not offered, or a value that is not as it
            should be.
    """
    parameters = Parameters(given, NAMES)
    _refuse_others(parameters)
    details = bool(parameters.flag("details"))
    generation = Generation(
        prompt=(),
        sampling=_sampling(parameters, details or stream),
        stopping=Stopping(
            max_tokens=parameters.integer("max_new_tokens", 1) or DEFAULT_MAX_NEW_TOKENS,
            strings=stop_strings(parameters),
            include=True,
        ),
        grammar=_grammar(parameters.value("grammar")),
        adapter=parameters.text("adapter_id"),
        prompt_logprobs=0 if _wants_prefill(parameters, details, stream) else None,
    )
    full_text = bool(parameters.flag("return_full_text"))
    return HuggingFaceParameters(generation, full_text, details, parameters.integer("truncate", 1))


def _sampling(parameters: Parameters, reports: bool) -> Sampling:
    temperature = parameters.number("temperature", 0, _LARGEST)
    top_k, top_p = parameters.integer("top_k", 0), parameters.number("top_p", 0, 1, above=True)
    sampled = parameters.flag("do_sample")
    if sampled is None:
        sampled = any(value is not None for value in (temperature, top_k, top_p))
    if not sampled:
        temperature = 0.0
    alternatives = parameters.integer("top_n_tokens", 0, MOST_ALTERNATIVES) or 0
    return Sampling(
        temperature=1.0 if temperature is None else temperature,
        top_k=top_k or 0,
        top_p=top_p or 1.0,
        repetition_penalty=parameters.number("repetition_penalty", 0, _LARGEST, above=True) or 1.0,
        frequency_penalty=parameters.number("frequency_penalty", -2, 2) or 0.0,
        seed=parameters.integer("seed", 0, LARGEST_SEED),
        logprobs=alternatives if reports else None,
    )


def _wants_prefill(parameters: Parameters, details: bool, stream: bool) -> bool:
    wanted = bool(parameters.flag("decoder_input_details"))
    if wanted and (stream or not details):
        raise InvalidRequest(
            "decoder_input_details: expected it with details, and not in a stream",
            "decoder_input_details",
        )
    return wanted


def _grammar(value: Any) -> Grammar | None:
    if value is None:
        return None
    given = fields_of(value, "grammar", ["type", "value"])
    form, content = Parameters(given, ["type", "value"]).choice("type", _GRAMMARS), given["value"]
    if form is None:
        raise expected("grammar.type", f"one of {', '.join(_GRAMMARS)}", "null")
    if form == "regex":
        content = text_of(content, "grammar.value")
    elif isinstance(content, str):
        content = json_object(content, "grammar.value")
    return Grammar(_GRAMMARS[form], content)


def _refuse_others(parameters: Parameters) -> None:
    best_of = parameters.integer("best_of", 1)
    given = {
        "best_of": best_of is not None and best_of > 1,
        "typical_p": parameters.number("typical_p", 0, 1) not in (None, 1.0),
        "watermark": bool(parameters.flag("watermark")),
    }
    for name, asked in given.items():
        if asked:
            raise InvalidRequest(f"{name}: not offered here; leave it out", name)
