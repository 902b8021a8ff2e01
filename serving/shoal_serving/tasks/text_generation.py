"""`text-generation`: a text that a language model goes on with.

The wire side only: tensors as Triton's vLLM backend names them
(https://github.com/triton-inference-server/vllm_backend), and text-generation-inference's JSON.
Whoever has the engine starts what `encode` makes, collects it, and hands `decode` the texts.

    wire ── from_tensors / from_json ──▶ Query ── encode ──▶ Generations
                                                                  │ engine: start ▸ collect
    wire ◀── to_tensors / to_json ───── Answer ◀── decode ────────┘   (or events, as they come)
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Generation, Sampling, Stopping
from shoal_serving.generate.vocabulary import Vocabulary
from shoal_serving.tasks.generated import GeneratedText, GenerationAnswer, GenerationQuery
from shoal_serving.tasks.generation_parameters import read_parameters
from shoal_serving.tasks.reading import (
    Parameters,
    expected,
    expected_tensor,
    fields_of,
    tensors_named,
    texts_in,
    texts_of,
)
from shoal_serving.tasks.sampling_parameters import json_object, read_sampling
from shoal_serving.tasks.token_events import (
    TokenEvents,
    alternatives,
    finish_reason,
    token_json,
)
from shoal_serving.tensors import Tensors

_FLAGS = ("stream", "exclude_input_in_output")


class TextGeneration:
    """Decoders; the tokens are those of `vocabulary`."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return (
            TensorSpec(name="text_input", datatype=Datatype.BYTES, shape=(-1,)),
            _optional("sampling_parameters", Datatype.BYTES),
            *(_optional(name, Datatype.BOOL) for name in _FLAGS),
        )

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name="text_output", datatype=Datatype.BYTES, shape=(-1,)),)

    def example(self) -> GenerationQuery:
        greedy = Generation((), Sampling(temperature=0), Stopping(max_tokens=2))
        return GenerationQuery(texts=["Hello"], generation=greedy)

    def from_tensors(self, inputs: Tensors, parameters: Mapping[str, Any]) -> GenerationQuery:
        """Read `text_input` [n]; `sampling_parameters` [1] is vLLM's, as JSON.

        What is said in one of the other inputs may be said in the request's parameters instead. As
        with Triton's vLLM backend the output begins with the input, unless that is excluded or the
        output is a stream.
        """
        tensors_named(inputs, ["text_input"], [spec.name for spec in self.inputs[1:]])
        given = _joined(inputs, parameters)
        flags = Parameters({name: given.pop(name, None) for name in _FLAGS}, _FLAGS)
        stream, exclude = bool(flags.flag("stream")), flags.flag("exclude_input_in_output")
        if stream and exclude is False:
            raise expected("exclude_input_in_output", "true in a stream", "false")
        return GenerationQuery(
            texts=texts_in(inputs, "text_input"),
            generation=read_sampling(given, self._vocabulary.size),
            full_text=not (stream or exclude),
            stream=stream,
        )

    def to_tensors(self, answer: GenerationAnswer) -> Tensors:
        texts = [answer.written(i).encode() for i in range(len(answer.texts))]
        return {"text_output": np.array(texts, np.object_)}

    def from_json(self, body: Mapping[str, Any]) -> GenerationQuery:
        """Read `{"inputs": text or texts, "parameters": {...}, "stream": false}`."""
        body = fields_of(body, "the body", ["inputs"], ["parameters", "stream"])
        stream = bool(Parameters({"stream": body.get("stream")}, ["stream"]).flag("stream"))
        texts = texts_of(body["inputs"], "inputs")
        if stream and len(texts) != 1:
            raise expected("inputs", "one text in a stream", f"{len(texts)}")
        given = read_parameters(body.get("parameters"), stream)
        return GenerationQuery(
            texts=texts,
            generation=given.generation,
            full_text=given.full_text,
            details=given.details,
            stream=stream,
            truncate=given.truncate,
        )

    def to_json(self, answer: GenerationAnswer) -> list[dict[str, Any]]:
        """An object for each text, with `details` if they were asked for."""
        return [self._written(answer, i) for i in range(len(answer.texts))]

    def _written(self, answer: GenerationAnswer, index: int) -> dict[str, Any]:
        written: dict[str, Any] = {"generated_text": answer.written(index)}
        if answer.query.details:
            written["details"] = self._details(answer.query, answer.texts[index])
        return written

    def _details(self, query: GenerationQuery, text: GeneratedText) -> dict[str, Any]:
        details: dict[str, Any] = {
            "finish_reason": finish_reason(text.finish, text.stop),
            "generated_tokens": len(text.tokens),
            "seed": query.generation.sampling.seed,
            "prefill": self._prefill(text),
            "tokens": [token_json(e.token, e.logprob, self._vocabulary) for e in text.logprobs],
        }
        if query.generation.sampling.logprobs:
            details["top_tokens"] = [alternatives(e, self._vocabulary) for e in text.logprobs]
        return details

    def _prefill(self, text: GeneratedText) -> list[dict[str, Any]]:
        """The prompt's tokens; nothing says how likely the first one was."""
        pairs = zip(text.prompt, text.prompt_logprobs, strict=False)
        return [
            {
                "id": token,
                "text": self._vocabulary.token_text(token),
                "logprob": entry.logprob if entry else None,
            }
            for token, entry in pairs
        ]

    def encode(self, query: GenerationQuery) -> list[Generation]:
        """One generation for each text.

        Raises:
            InvalidRequest: a text has no tokens.
        """
        return [self._generation(query, text) for text in query.texts]

    def _generation(self, query: GenerationQuery, text: str) -> Generation:
        tokens = self._vocabulary.encode(text)
        if not tokens:
            raise InvalidRequest("a text has no tokens, and this model goes on from one at least")
        if query.truncate is not None:
            tokens = tokens[-query.truncate :]
        return replace(query.generation, prompt=tuple(tokens))

    def decode(self, query: GenerationQuery, texts: Sequence[GeneratedText]) -> GenerationAnswer:
        """The answer, of the texts that were generated."""
        return GenerationAnswer(query, texts)

    def events(self, query: GenerationQuery, prompt_tokens: int) -> TokenEvents:
        """Turns the deltas of a stream into Hugging Face's events."""
        return TokenEvents(query, self._vocabulary, prompt_tokens)


def _optional(name: str, datatype: Datatype) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=(1,), optional=True)


def _joined(inputs: Tensors, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """All that is said beside the texts, by name."""
    said: list[Mapping[str, Any]] = [parameters]
    if "sampling_parameters" in inputs:
        [text] = _one(inputs, "sampling_parameters", np.dtype(np.object_), "BYTES")
        said.append(json_object(text, "sampling_parameters"))
    for name in _FLAGS:
        if name in inputs:
            [value] = _one(inputs, name, np.dtype(np.bool_), "BOOL")
            said.append({name: value})
    joined: dict[str, Any] = {}
    for some in said:
        if twice := joined.keys() & some.keys():
            name = min(twice)
            raise expected(name, "to be said once", "a parameter and an input", name)
        joined |= some
    return joined


def _one(inputs: Tensors, name: str, dtype: np.dtype[Any], datatype: str) -> list[Any]:
    array = inputs[name]
    if array.dtype != dtype or array.shape != (1,):
        raise expected_tensor(name, f"{datatype} of shape [1]", array)
    values: list[Any] = array.tolist()
    return values
