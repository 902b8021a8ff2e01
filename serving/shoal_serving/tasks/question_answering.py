"""`question-answering`: a question and a context to the spans of the context that answer it.

As Hugging Face's pipeline does it, but for three things, so that a score stays a probability: it is
the model's own, over all positions (theirs leaves out the question and so is a little higher);
answers of one wording are one answer with its best score (theirs: the sum); and the windows of a
long context have one distribution (`windows`; theirs: one for each).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from tokenizers import Encoding

from shoal.api.tensors import Datatype, TensorSpec
from shoal_serving.backends import Backend
from shoal_serving.tasks import Encoded, Feed
from shoal_serving.tasks.answers import (
    NO_ANSWER,
    Answer,
    Answers,
    answers_to_json,
    answers_to_tensors,
    distinct,
)
from shoal_serving.tasks.folder import ModelFolder
from shoal_serving.tasks.frame import Ids, Row, counted
from shoal_serving.tasks.graph import output_of
from shoal_serving.tasks.questions import (
    Options,
    QuestionQuery,
    defaults_of,
    query_in,
    query_of,
)
from shoal_serving.tasks.reading import expected
from shoal_serving.tasks.spans import Floats, Span, best_spans
from shoal_serving.tasks.text import TextEncoder
from shoal_serving.tasks.windows import Windows
from shoal_serving.tensors import Tensors


@dataclass(frozen=True, slots=True)
class _Read:
    """One context as it was read: its windows, and which characters its tokens are."""

    windows: Windows
    encoding: Encoding


class QuestionAnswering:
    """Extractive question answering over contexts of any length."""

    def __init__(self, folder: ModelFolder, backend: Backend) -> None:
        self._starts = output_of(backend, 2, ["start_logits"], "question-answering").name
        self._ends = output_of(backend, 2, ["end_logits"], "question-answering").name
        self._text = TextEncoder(folder, backend)
        self._defaults = defaults_of(folder)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return (
            TensorSpec(name="question", datatype=Datatype.BYTES, shape=(-1,)),
            TensorSpec(name="context", datatype=Datatype.BYTES, shape=(-1,)),
        )

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (
            TensorSpec(name="answer", datatype=Datatype.BYTES, shape=(-1, -1)),
            TensorSpec(name="score", datatype=Datatype.FP32, shape=(-1, -1)),
            TensorSpec(name="start", datatype=Datatype.INT64, shape=(-1, -1)),
            TensorSpec(name="end", datatype=Datatype.INT64, shape=(-1, -1)),
        )

    def example(self) -> QuestionQuery:
        return QuestionQuery([("What is this?", "This is an example.")], self._defaults, one=True)

    def from_tensors(self, inputs: Tensors, parameters: Mapping[str, Any]) -> QuestionQuery:
        return query_in(inputs, parameters, self._defaults)

    def to_tensors(self, answer: Answers) -> Tensors:
        return answers_to_tensors(answer)

    def from_json(self, body: Mapping[str, Any]) -> QuestionQuery:
        return query_of(body, self._defaults)

    def to_json(self, answer: Answers) -> Any:
        return answers_to_json(answer)

    def encode(self, query: QuestionQuery) -> Encoded[QuestionQuery]:
        """Make a feed of each window of each context."""
        reads: list[_Read] = []
        rows: list[Row] = []
        truncated = 0
        for question, context in query.pairs:
            head, cut = self._text.tokens(question, query.options.max_question_len)
            read, windows = self._read(head, context, query.options)
            reads.append(read)
            rows += windows
            truncated += cut
        feeds = [self._text.feed(row) for row in rows]
        return Encoded(query, feeds, (reads, counted(rows)[0], truncated))

    def _read(self, question: Ids, context: str, options: Options) -> tuple[_Read, list[Row]]:
        encoding = self._text.encoding(context)
        ids = np.array(encoding.ids, np.int64)
        if not len(ids):
            raise expected("context", "text", "nothing but white space and control characters")
        windows = self._windows(len(question), len(ids), options)
        rows = [
            self._text.double.around(question, ids[begin : begin + windows.room], truncated=False)
            for begin in windows.begins
        ]
        return _Read(windows, encoding), rows

    def _windows(self, question: int, context: int, options: Options) -> Windows:
        longest = min(options.max_seq_len, self._text.max_length)
        size = question + self._text.double.size
        room = longest - size
        if room < 1:
            raise expected("max_seq_len", f"more than the question's {size} tokens", str(longest))
        stride = options.doc_stride
        if stride is None:
            stride = min(longest // 2, 128, room // 2)
        if stride >= room:
            wanted = f"less than the {room} tokens of context in a window"
            raise expected("doc_stride", wanted, str(stride))
        return Windows(context, room, stride, size - len(self._text.double.specials[2]), size)

    def collate(self, feeds: Sequence[Feed]) -> Tensors:
        return self._text.collate(feeds)

    def decode(self, encoded: Encoded[QuestionQuery], rows: Sequence[Tensors]) -> Answers:
        query = encoded.query
        reads, tokens, truncated = encoded.context
        found = []
        for (_, context), read in zip(query.pairs, reads, strict=True):
            own, rows = rows[: len(read.windows.begins)], rows[len(read.windows.begins) :]
            found.append(self._answers(context, read, own, query.options))
        return Answers(
            tokens=tokens,
            truncated=truncated,
            found=found,
            top_k=query.options.top_k,
            one=query.one,
        )

    def _answers(
        self, context: str, read: _Read, rows: Sequence[Tensors], options: Options
    ) -> list[Answer]:
        windows = read.windows
        starts, no_start = windows.log_probabilities([row[self._starts][0] for row in rows])
        ends, no_end = windows.log_probabilities([row[self._ends][0] for row in rows])
        # One wording may be found in many places, so look at more spans than answers are wanted.
        count = 1 if options.top_k == 1 else 4 * options.top_k + 16
        spans = _best_of_windows(windows.begins, starts, ends, options.max_answer_len, count)
        wordings = distinct(context, read.encoding, spans, options.align_to_words)
        answers = list(islice(wordings, options.top_k))
        if options.handle_impossible_answer:
            answers.append(Answer("", float(np.exp(no_start + no_end)), 0, 0))
            answers.sort(key=lambda answer: -answer.score)
        return answers[: options.top_k] or [NO_ANSWER]


def _best_of_windows(
    begins: Sequence[int],
    starts: Sequence[Floats],
    ends: Sequence[Floats],
    longest: int,
    count: int,
) -> list[Span]:
    """The best spans of all windows, of which several may be one span; tokens as in the text."""
    found = [
        (begin + first, begin + last, score)
        for begin, start, end in zip(begins, starts, ends, strict=True)
        for first, last, score in best_spans(np.exp(start), np.exp(end), longest, count)
    ]
    found.sort(key=lambda span: -span[2])
    return found
