"""Runs the decoder over rows of the cache: tokens in, logits out, keys and values where they are.

Past and present are the same memory, by IOBinding. What is bound for a range of rows is kept,
because binding costs more than a small model's step. Where the session does not read the
processor's memory, it copies what is new to a run when it is bound, so that is bound for every run;
logits are copied back to the processor's memory either way.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InferenceFailed
from shoal_serving.artifacts.decoders import Lengths
from shoal_serving.backends.exhaustion import exhaustion
from shoal_serving.generate.adapters import AdapterStacks
from shoal_serving.generate.cache import KeyValues, Placed
from shoal_serving.generate.decoder import Decoder
from shoal_serving.generate.scheduler import Run

Logits = NDArray[np.float32]
# Ranges of rows whose bindings are kept.
_KEPT = 256


class Runner:
    """Owned by the engine's thread."""

    def __init__(
        self, decoder: Decoder, cache: KeyValues, stacks: AdapterStacks | None = None
    ) -> None:
        self.decoder = decoder
        self.cache = cache
        self.stacks = stacks
        # The adapter of each row, by its id in the stacks.
        self.adapters = np.zeros(cache.rows, np.int64)
        self._bindings: OrderedDict[tuple[int, int], _Binding] = OrderedDict()
        self._placed: dict[str, tuple[NDArray[Any], Placed]] = {}
        self._placed_version: int | None = None
        self._logits: NDArray[Any] = np.empty(0, decoder.logits)

    def logits(self, rows: int) -> NDArray[Any]:
        """[rows, vocabulary] of the memory that all runs share."""
        vocabulary = self.decoder.vocabulary
        if self._logits.size < rows * vocabulary:
            self._bindings.clear()  # they hold the old memory
            self._logits = np.empty(rows * vocabulary, self.decoder.logits)
        return self._logits[: rows * vocabulary].reshape(rows, vocabulary)

    def placed_adapters(self, stacks: AdapterStacks) -> dict[str, tuple[NDArray[Any], Placed]]:
        """What `stacks` feed, and where the session reads it; put there once for each version."""
        if self._placed_version != stacks.version:
            self._placed = {}  # first, so that there is room
            self._placed = {n: (v, self.cache.place(v)) for n, v in stacks.feeds().items()}
            self._placed_version = stacks.version
        return self._placed

    def run(
        self,
        run: Run,
        tokens: Sequence[Sequence[int]],
        cached: Sequence[int],
        wanted: Sequence[tuple[int, int]],
    ) -> Logits:
        """Compute the new `tokens` of each row, of which `cached` are there already.

        The logits [len(wanted), vocabulary] are those behind the tokens that `wanted` names by
        row of the run and place among its new tokens. They are valid until the next run.

        Raises:
            InferenceFailed: ONNX Runtime failed; what the rows hold is undefined.
        """
        binding = self._binding(run.first, len(run.counts))
        try:
            return binding.run(run, tokens, cached, wanted)
        except Exception as error:
            self._bindings.clear()
            said = str(error).strip().splitlines() or [type(error).__name__]
            failed = exhaustion(said[0])
            raise failed or InferenceFailed(f"ONNX Runtime failed: {said[0][:500]}") from error

    def close(self) -> None:
        """Give back the session, the cache and the adapters, whoever still holds this."""
        self._bindings.clear()
        self._logits = np.empty(0, self.decoder.logits)
        self.decoder = replace(self.decoder, session=None)
        self.cache.close()
        if self.stacks is not None:
            self.stacks.close()

    def _binding(self, first: int, rows: int) -> "_Binding":
        key = (first, rows)
        binding = self._bindings.get(key)
        if binding is None:
            binding = self._bindings[key] = _Binding(self, first, rows)
            if len(self._bindings) > _KEPT:
                self._bindings.popitem(last=False)
        self._bindings.move_to_end(key)
        return binding


class _Binding:
    """A range of rows, bound."""

    def __init__(self, runner: Runner, first: int, rows: int) -> None:
        self._runner = runner
        self._decoder = runner.decoder
        self._first, self._rows = first, rows
        self._device, self._shared = runner.cache.device, runner.cache.shared
        self._binding: Any = self._decoder.session.io_binding()
        self._shapes: tuple[int, ...] | None = None
        self._stacked: object = None
        self._feeds: dict[str, NDArray[Any]] = {}
        self._logits: NDArray[Any] = np.empty(0)
        self._bind_cache(runner.cache)

    def run(
        self,
        run: Run,
        tokens: Sequence[Sequence[int]],
        cached: Sequence[int],
        wanted: Sequence[tuple[int, int]],
    ) -> Logits:
        width = run.width
        picked = len(wanted) if self._decoder.picks else self._rows * width
        total = max(have + width for have in cached) if self._masked else 0
        self._shape(width, picked, total)
        self._fill(run, tokens, cached, wanted)
        if not self._shared:
            self._bind_feeds()
        self._decoder.session.run_with_iobinding(self._binding)
        if self._decoder.picks:
            return self._logits
        places = [row * width + place for row, place in wanted]
        logits: Logits = self._logits[places].astype(np.float32, copy=False)
        return logits

    @property
    def _masked(self) -> bool:
        return self._decoder.lengths is Lengths.ATTENTION_MASK

    def _bind_cache(self, cache: KeyValues) -> None:
        device, dtype = self._device, cache.layout.dtype
        for name, shape, address in cache.views(self._first, self._rows):
            present = name.replace("past_key_values", "present")
            self._binding.bind_input(name, device, 0, dtype, shape, address)
            self._binding.bind_output(present, device, 0, dtype, shape, address)

    def _shape(self, width: int, picked: int, total: int) -> None:
        """Bind arrays of these sizes, unless they are bound."""
        self._bind_adapters()
        if self._shapes == (width, picked, total):
            return
        self._shapes = (width, picked, total)
        rows, decoder = self._rows, self._decoder
        feeds: dict[str, NDArray[Any]] = {"input_ids": np.zeros((rows, width), np.int64)}
        if self._masked:
            feeds["attention_mask"] = np.zeros((rows, total), np.int64)
        else:
            feeds["seqlens_k"] = np.zeros(rows, np.int32)
            feeds["total_sequence_length"] = np.zeros((), np.int32)
        if decoder.ragged:
            feeds["query_seqlens"] = np.zeros(rows, np.int32)
        if decoder.positions:
            feeds["position_ids"] = np.zeros((rows, width), np.int64)
        if decoder.picks:
            feeds["logits_indices"] = np.zeros(picked, np.int64)
        if decoder.adapted:
            feeds["adapter_ids"] = np.zeros(rows, np.int64)
        self._feeds = feeds
        self._bind_feeds()
        self._bind_logits(width, picked)

    def _bind_feeds(self) -> None:
        for name, values in self._feeds.items():
            address = values.ctypes.data
            self._binding.bind_input(name, "cpu", 0, values.dtype, values.shape, address)

    def _bind_logits(self, width: int, picked: int) -> None:
        decoder = self._decoder
        self._logits = self._runner.logits(picked)
        shape = self._logits.shape if decoder.picks else (self._rows, width, decoder.vocabulary)
        address = self._logits.ctypes.data
        self._binding.bind_output("logits", "cpu", 0, decoder.logits, shape, address)

    def _bind_adapters(self) -> None:
        stacks = self._runner.stacks
        if stacks is not None and stacks.version != self._stacked:
            self._stacked = stacks.version
            for name, (values, placed) in self._runner.placed_adapters(stacks).items():
                self._binding.bind_input(
                    name, self._device, 0, values.dtype, values.shape, placed.address
                )

    def _fill(
        self,
        run: Run,
        tokens: Sequence[Sequence[int]],
        cached: Sequence[int],
        wanted: Sequence[tuple[int, int]],
    ) -> None:
        feeds, width = self._feeds, run.width
        ids = feeds["input_ids"]
        if width == 1:
            ids[:, 0] = [new[0] if new else 0 for new in tokens]
        else:
            for row, new in enumerate(tokens):
                ids[row, : len(new)] = new
        self._fill_lengths(run.counts, cached, width)
        if self._decoder.picks:
            feeds["logits_indices"][:] = [row * width + place for row, place in wanted]
        if self._decoder.adapted:
            last = self._first + self._rows
            feeds["adapter_ids"][:] = self._runner.adapters[self._first : last]

    def _fill_lengths(self, counts: Sequence[int], cached: Sequence[int], width: int) -> None:
        feeds, decoder = self._feeds, self._decoder
        have = np.array(cached, np.int32)
        new = np.array(counts, np.int32)
        if not decoder.ragged:
            # A row that idles computes a token that its next one will overwrite.
            new = np.maximum(new, 1)
        if decoder.ragged:
            feeds["query_seqlens"][:] = new
        if decoder.positions:
            feeds["position_ids"][:] = have[:, None] + np.arange(width)
        if self._masked:
            mask = feeds["attention_mask"]
            mask[:] = np.arange(mask.shape[1]) < (have + new)[:, None]
        else:
            # A row without any token at all cannot be said; it idles with one that nobody reads.
            feeds["seqlens_k"][:] = np.maximum(have + new - 1, 0)
            feeds["total_sequence_length"][...] = max(int((have + new).max()), width)
