"""`feature-extraction`: texts to vectors.

The folder's sentence-transformers files say how token vectors become one (the mean where they say
nothing), whether it is normalised, and which prompts there are. A graph that gives a vector for a
text already (`sentence_embedding`) is not pooled again. An embedder also answers Hugging Face's
sentence similarity.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import ModelUnsupported
from shoal_serving.backends import Backend
from shoal_serving.tasks import Encoded, Feed
from shoal_serving.tasks.embeddings import (
    EmbeddingOptions,
    EmbeddingQuery,
    Embeddings,
    embeddings_to_json,
    normalized,
    options_of,
    query_of,
    texts_or_ids,
)
from shoal_serving.tasks.folder import ModelFolder
from shoal_serving.tasks.frame import Row, counted
from shoal_serving.tasks.graph import output_of
from shoal_serving.tasks.pooling import Pooling
from shoal_serving.tasks.prompts import Prompts
from shoal_serving.tasks.reading import expected, tensors_named, texts_in
from shoal_serving.tasks.text import Side, TextEncoder
from shoal_serving.tensors import Tensors

_TASK = "feature-extraction"


class FeatureExtraction:
    """Embedding models."""

    def __init__(self, folder: ModelFolder, backend: Backend) -> None:
        modules = folder.array("modules.json") or []
        kinds = {str(module["type"]).rpartition(".")[2]: str(module["path"]) for module in modules}
        self._pooling = _pooling(folder, backend, kinds)
        self._output = _output(backend, self._pooling)
        self._normalize = "Normalize" in kinds
        self._lower = bool(folder.sentence_config.get("do_lower_case"))
        self._prompts = Prompts(folder)
        self._text = TextEncoder(folder, backend)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name="text", datatype=Datatype.BYTES, shape=(-1,)),)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name="embedding", datatype=Datatype.FP32, shape=(-1, self.dimensions)),)

    @property
    def dimensions(self) -> int:
        """How long a vector is; -1 where the graph does not say."""
        size = self._output.shape[-1]
        return size if size == -1 or self._pooling is None else size * self._pooling.parts

    def example(self) -> EmbeddingQuery:
        return EmbeddingQuery(["An example."], EmbeddingOptions())

    def from_tensors(self, inputs: Tensors, parameters: Mapping[str, Any]) -> EmbeddingQuery:
        tensors_named(inputs, ["text"])
        return EmbeddingQuery(texts_in(inputs, "text"), options_of(parameters))

    def to_tensors(self, answer: Embeddings) -> Tensors:
        return {"embedding": answer.vectors}

    def from_json(self, body: Mapping[str, Any]) -> EmbeddingQuery:
        return query_of(body)

    def from_openai(self, value: Any, dimensions: Any = None) -> EmbeddingQuery:
        """Read the `input` and `dimensions` of an OpenAI embeddings request.

        Token ids run as they are, so special ones must be among them.

        Raises:
            InvalidRequest: one of them is something else; it is named.
        """
        return EmbeddingQuery(texts_or_ids(value, "input"), options_of({"dimensions": dimensions}))

    def to_json(self, answer: Embeddings) -> Any:
        return embeddings_to_json(answer)

    def encode(self, query: EmbeddingQuery) -> Encoded[EmbeddingQuery]:
        options = query.options
        prompt = self._prompts.find(options.prompt_name)
        rows = [self._row(text, prompt, options.side) for text in query.texts]
        if not options.truncate:
            self._text.refuse_cut(rows)
        unread = self._unread(prompt)
        pooled = [
            slice(min(unread, len(row.ids) - 1) if isinstance(text, str) else 0, len(row.ids))
            for text, row in zip(query.texts, rows, strict=True)
        ]
        return Encoded(query, [self._text.feed(row) for row in rows], (pooled, counted(rows)))

    def _row(self, text: str | list[int], prompt: str, side: Side | None) -> Row:
        if not isinstance(text, str):
            return self._text.ready(text, side)
        text = prompt + text
        return self._text.one(text.lower() if self._lower else text, side)

    def _unread(self, prompt: str) -> int:
        """How many tokens at the beginning the pooling leaves out, where more of them follow."""
        if self._pooling is None or self._pooling.reads_prompt or not prompt:
            return 0
        tokens, _ = self._text.tokens(prompt, self._text.max_length - self._text.single.size)
        return len(self._text.single.specials[0]) + len(tokens)

    def collate(self, feeds: Sequence[Feed]) -> Tensors:
        return self._text.collate(feeds)

    def decode(self, encoded: Encoded[EmbeddingQuery], rows: Sequence[Tensors]) -> Embeddings:
        query = encoded.query
        pooled, (tokens, truncated) = encoded.context
        vectors = np.stack(
            [
                self._pooled(row[self._output.name][0], part)
                for row, part in zip(rows, pooled, strict=True)
            ]
        )
        return Embeddings(
            tokens=tokens,
            truncated=truncated,
            vectors=self._finished(vectors, query.options),
            one=query.one,
            similar=query.similar,
        )

    def _pooled(self, values: NDArray[np.generic], part: slice) -> NDArray[np.float32]:
        floats = values.astype(np.float32, copy=False)
        return floats if self._pooling is None else self._pooling(floats[part])

    def _finished(
        self, vectors: NDArray[np.float32], options: EmbeddingOptions
    ) -> NDArray[np.float32]:
        """Shortened vectors are normalised again, as `dimensions` of OpenAI's API has it."""
        size, wanted = options.dimensions, options.normalize
        if size is not None and size > vectors.shape[1]:
            raise expected("dimensions", f"at most {vectors.shape[1]}", str(size))
        if wanted is None:
            wanted = self._normalize or size is not None
        vectors = np.ascontiguousarray(vectors[:, :size])
        return normalized(vectors) if wanted else vectors


def _pooling(folder: ModelFolder, backend: Backend, kinds: Mapping[str, str]) -> Pooling | None:
    """None where the graph pools."""
    ranks = {spec.name: len(spec.shape) for spec in backend.outputs}
    if ranks.get("sentence_embedding") == 2 or 3 not in ranks.values():
        return None
    other = kinds.keys() - {"Transformer", "Pooling", "Normalize"}
    if other:
        raise ModelUnsupported(
            f"modules.json has {', '.join(sorted(other))}, which is not in the graph.",
            "Export the model with all of its modules, as output sentence_embedding.",
        )
    return Pooling(folder.object(f"{kinds.get('Pooling', '1_Pooling')}/config.json"))


def _output(backend: Backend, pooling: Pooling | None) -> TensorSpec:
    if pooling is None:
        return output_of(backend, 2, ["sentence_embedding"], _TASK)
    return output_of(backend, 3, ["token_embeddings", "last_hidden_state"], _TASK)
