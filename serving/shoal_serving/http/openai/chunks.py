"""Chunks of a stream as bytes. What chunks have in common is written once for all of them."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson


class Chunks:
    """Writes the chunks of one stream. `field` is where a choice has its content.

    A stream that `ends` with a usage says in every chunk before that it comes later, or how it
    stands if it is `continuous`.
    """

    def __init__(
        self,
        head: Mapping[str, Any],
        field: str,
        usage: Callable[[], Mapping[str, Any]],
        ends: bool,
        continuous: bool,
    ) -> None:
        self._head = b"data: %b," % orjson.dumps(head)[:-1]
        self._field = field.encode()
        self._usage = usage
        self._ends = ends
        self._continuous = continuous
        self._opened: dict[int, bytes] = {}
        self._plain = b',"logprobs":null,"finish_reason":null}]%b}\n\n' % self._standing()

    def plain(self, choice: int, content: bytes) -> bytes:
        """A chunk such as most are: content, which is JSON, and nothing else."""
        opened = self._opened.get(choice) or self._open(choice)
        if self._continuous:
            return self.full(choice, content)
        return opened + content + self._plain

    def full(
        self,
        choice: int,
        content: bytes,
        logprobs: Mapping[str, Any] | None = None,
        finish: str | None = None,
        stop: str | int | None = None,
    ) -> bytes:
        """A chunk with all that it may have. `stop` is what vLLM calls the stop reason."""
        rest: dict[str, Any] = {"logprobs": logprobs, "finish_reason": finish}
        if finish is not None:
            rest["stop_reason"] = stop
        opened = self._opened.get(choice) or self._open(choice)
        return b"%b%b,%b]%b}\n\n" % (opened, content, orjson.dumps(rest)[1:], self._standing())

    def end(self) -> bytes:
        """The usage, if it was asked for, and the end of the stream."""
        usage = b""
        if self._ends:
            usage = b'%b"choices":[],"usage":%b}\n\n' % (self._head, orjson.dumps(self._usage()))
        return usage + b"data: [DONE]\n\n"

    def _open(self, choice: int) -> bytes:
        opened = b'%b"choices":[{"index":%d,"%b":' % (self._head, choice, self._field)
        self._opened[choice] = opened
        return opened

    def _standing(self) -> bytes:
        if self._continuous:
            return b',"usage":%b' % orjson.dumps(self._usage())
        return b',"usage":null' if self._ends else b""
