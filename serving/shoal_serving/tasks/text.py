"""Text to rows of token ids, and rows to a padded batch: what every text task shares.

The model folder decides: its tokenizer, how long a sequence may be, what pads it; the graph decides
which tensors it gets. Rows are cut and framed here in NumPy and not by the tokenizer, whose own
truncation is state that requests on several threads would share.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from tokenizers import Encoding

from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import InvalidRequest, ModelUnsupported
from shoal_serving.backends import Backend
from shoal_serving.tasks import Feed
from shoal_serving.tasks.folder import ModelFolder
from shoal_serving.tasks.frame import Ids, Row, frame_of
from shoal_serving.tasks.graph import described
from shoal_serving.tasks.tokenizer import open_tokenizer
from shoal_serving.tensors import DTYPES, Array, Tensors

Side = Literal["right", "left"]

# Rows shorter than this cost about as much as each other, so they share a bucket.
_SHORTEST_BUCKET = 16
# Of a text longer than this for each token that is kept, only an end is tokenized at first.
_CHARACTERS_PER_TOKEN = 16


class TextEncoder:
    """A model's tokenizer and the text inputs of its graph. Nothing in it changes."""

    def __init__(self, folder: ModelFolder, backend: Backend) -> None:
        """Read the folder's tokenizer.

        Raises:
            ModelUnsupported: there is no tokenizer.json, nothing says how long a sequence may be,
                or the graph wants inputs that text does not give.
            ModelLoadFailed: a file cannot be read.
        """
        specs = _graph_inputs(backend)
        self._width = specs["input_ids"].shape[1]
        self._batches = backend.batches
        opened = open_tokenizer(folder, self._width)
        fills = {"input_ids": opened.pad}
        # By name: the datatype, and what pads it.
        self._inputs = {n: (DTYPES[s.datatype], fills.get(n, 0)) for n, s in specs.items()}
        self._tokenizer = opened.tokenizer
        self._vocabulary = opened.vocabulary
        self._side: Side = "left" if opened.cuts_left else "right"
        self.max_length = opened.max_length
        self.single = frame_of(self._tokenizer, 1)
        self.double = frame_of(self._tokenizer, 2)

    def one(self, text: str, side: Side | None = None) -> Row:
        """The row of one text, cut at its end (`left`: its beginning) to what the model reads."""
        ids, truncated = self.tokens(text, self.max_length - self.single.size, side)
        return self.single.around(ids, truncated=truncated)

    def ready(self, ids: Sequence[int], side: Side | None = None) -> Row:
        """The row of token ids that a client made, special ones included, cut as `one` is.

        Raises:
            InvalidRequest: an id that the model does not have.
        """
        if min(ids) < 0 or max(ids) >= self._vocabulary:
            raise InvalidRequest(f"token ids go from 0 to {self._vocabulary - 1}", "input")
        kept = _cut(np.array(ids, np.int64), self.max_length, side or self._side)
        types = np.full(len(kept), self.single.types[0])
        return Row(kept, types, truncated=len(kept) < len(ids))

    def two(self, first: str, second: str) -> Row:
        """The row of two texts; where both do not fit, the longer one is cut first."""
        return self.join(self.part(first), self.part(second))

    def part(self, text: str) -> tuple[Ids, bool]:
        """At least as much of a text as a row of two can hold, and whether there is more."""
        return self._enough(text, self.max_length - self.double.size, self._side)

    def join(self, first: tuple[Ids, bool], second: tuple[Ids, bool]) -> Row:
        """The row of two parts."""
        (head, head_cut), (tail, tail_cut) = first, second
        room = self.max_length - self.double.size
        over = len(head) + len(tail) > room
        if over:
            less = min(len(head), len(tail), room // 2)
            keep = less if len(head) <= len(tail) else room - less
            head = _cut(head, keep, self._side)
            tail = _cut(tail, room - keep, self._side)
        return self.double.around(head, tail, truncated=over or head_cut or tail_cut)

    def tokens(self, text: str, limit: int, side: Side | None = None) -> tuple[Ids, bool]:
        """The first `limit` token ids of a text (`left`: the last), and whether it has more."""
        side = side or self._side
        ids, more = self._enough(text, limit, side)
        return _cut(ids, limit, side), more or len(ids) > limit

    def _enough(self, text: str, limit: int, side: Side) -> tuple[Ids, bool]:
        """At least `limit` tokens of a text, if it has so many, and whether there are more.

        A very long text is tokenized only as far as is needed: where an end of it has more than
        twice the tokens that are kept, the rest does not change those.
        """
        size = _CHARACTERS_PER_TOKEN * (limit + 1)
        while size < len(text):
            ids = self.encoding(text[-size:] if side == "left" else text[:size]).ids
            if len(ids) > 2 * limit:
                return _cut(np.array(ids, np.int64), limit, side), True
            size *= 4
        return np.array(self.encoding(text).ids, np.int64), False

    def encoding(self, text: str) -> Encoding:
        """The tokens of a whole text, without special ones; offsets count characters of `text`."""
        try:
            # A batch of one, because only batches let other threads run meanwhile.
            return self._tokenizer.encode_batch([text], add_special_tokens=False)[0]
        except Exception as error:
            raise InvalidRequest(f"the tokenizer refused the text: {error}") from error

    def refuse_cut(self, rows: Sequence[Row]) -> None:
        """Refuse a request that wants no text cut, where one was."""
        if any(row.truncated for row in rows):
            raise InvalidRequest(
                f"a text has more than the {self.max_length} tokens that the model reads; "
                "shorten it, or set truncate to true",
                "truncate",
            )

    def feed(self, row: Row) -> Feed:
        """One row to run, beside others of about its length.

        Raises:
            InvalidRequest: it is of no tokens: an empty text, and a tokenizer that adds nothing.
        """
        length = len(row.ids)
        if not length:
            raise InvalidRequest("a text has no tokens, and this model reads one at least")
        ones = np.ones(length, np.int64)
        values = {"input_ids": row.ids, "token_type_ids": row.types, "attention_mask": ones}
        tensors: Tensors = {name: self._tensor(name, values[name]) for name in self._inputs}
        return Feed(tensors, 1, self._key(length) if self._batches else object())

    def _tensor(self, name: str, values: Ids) -> Array:
        dtype, fill = self._inputs[name]
        if len(values) < self._width:
            values = np.pad(values, (0, self._width - len(values)), constant_values=fill)
        return values.astype(dtype, copy=False)[None]

    def _key(self, length: int) -> int:
        if self._width > 0:
            return self._width
        if "attention_mask" not in self._inputs:
            return length  # padding would be read
        return max(_SHORTEST_BUCKET, 1 << (length - 1).bit_length())

    def collate(self, feeds: Sequence[Feed]) -> Tensors:
        """The graph's inputs for these feeds, padded on the right to the longest."""
        if len(feeds) == 1:
            return feeds[0].tensors
        lengths = np.array([feed.tensors["input_ids"].shape[1] for feed in feeds])
        mask = np.arange(lengths.max()) < lengths[:, None]
        batch: Tensors = {}
        for name, (dtype, fill) in self._inputs.items():
            padded = np.full(mask.shape, fill, dtype)
            padded[mask] = np.concatenate([feed.tensors[name][0] for feed in feeds])
            batch[name] = padded
        return batch


def _cut(ids: Ids, limit: int, side: Side) -> Ids:
    return ids[max(0, len(ids) - limit) :] if side == "left" else ids[:limit]


def _graph_inputs(backend: Backend) -> dict[str, TensorSpec]:
    inputs = {spec.name: spec for spec in backend.inputs}
    known = {"input_ids", "attention_mask", "token_type_ids"}
    whole = {Datatype.INT64, Datatype.INT32}
    sound = all(len(s.shape) == 2 and s.datatype in whole for s in backend.inputs)
    if "input_ids" not in inputs or not inputs.keys() <= known or not sound:
        raise ModelUnsupported(
            f"A text task gives a graph {', '.join(sorted(known))} as INT64 or INT32 of rank 2; "
            f"this one takes {described(backend.inputs)}.",
            "Export the model again with these inputs, or serve it with task: tensor.",
        )
    if inputs["input_ids"].shape[0] not in (-1, 1):
        raise ModelUnsupported(
            f"The graph takes exactly {inputs['input_ids'].shape[0]} texts at a time.",
            "Export it with a dynamic first dimension.",
        )
    return inputs
