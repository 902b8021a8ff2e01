"""llama.cpp: `llama_decode` on batches of sequences, one token of each that is unfinished a step.

This is the library below its server: prompts together, then rows that leave as they end.
"""

import ctypes
import time
from collections.abc import Sequence

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from bench.llm.engines.worker import Calls, Tokens, serve

MOST, CONTEXT = 2048, 192


@llama_cpp.llama_log_callback
def _silent(level: int, text: bytes, data: ctypes.c_void_p) -> None:
    """Nobody reads it."""


class LlamaCpp:
    def __init__(self, path: str, threads: str) -> None:
        llama_cpp.llama_backend_init()
        llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
        parameters = llama_cpp.llama_model_default_params()
        self._model = llama_cpp.llama_model_load_from_file(path.encode(), parameters)
        if not self._model:
            raise RuntimeError(f"llama.cpp does not load {path}")
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self._threads = int(threads)
        self._contexts: dict[int, object] = {}
        self._batch = llama_cpp.llama_batch_init(MOST, 0, 1)
        self.calls: Calls = {}

    def batch(self, prompts: Sequence[Tokens], new: Sequence[int]) -> list[list[tuple[float, int]]]:
        context = self._context(len(prompts))
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        texts: list[list[tuple[float, int]]] = [[] for _ in prompts]
        places = [len(prompt) for prompt in prompts]
        entries = [
            (token, place, row, place == len(prompt) - 1)
            for row, prompt in enumerate(prompts)
            for place, token in enumerate(prompt)
        ]
        while entries:
            picked = self._decode(context, entries)
            now = time.perf_counter()
            rows = [row for _, _, row, last in entries if last]
            for row, token in zip(rows, picked, strict=True):
                texts[row].append((now, token))
            left = [row for row in rows if len(texts[row]) < new[row]]
            entries = [(texts[row][-1][1], places[row], row, True) for row in left]
            for row in left:
                places[row] += 1
        return texts

    def _context(self, rows: int) -> object:
        if rows not in self._contexts:
            parameters = llama_cpp.llama_context_default_params()
            parameters.n_ctx = CONTEXT * rows
            parameters.n_batch, parameters.n_ubatch = MOST, 512
            parameters.n_seq_max = rows
            parameters.n_threads = parameters.n_threads_batch = self._threads
            for context in self._contexts.values():
                llama_cpp.llama_free(context)
            self._contexts = {rows: llama_cpp.llama_init_from_model(self._model, parameters)}
        return self._contexts[rows]

    def _decode(self, context: object, entries: list[tuple[int, int, int, bool]]) -> list[int]:
        batch = self._batch
        for i, (token, place, row, last) in enumerate(entries):
            batch.token[i], batch.pos[i], batch.logits[i] = token, place, last
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = row
        batch.n_tokens = len(entries)
        if failed := llama_cpp.llama_decode(context, batch):
            raise RuntimeError(f"llama_decode: {failed}")
        wanted = sum(last for *_, last in entries)
        logits = llama_cpp.llama_get_logits(context)
        rows: NDArray[np.float32] = np.ctypeslib.as_array(logits, (wanted, self._vocabulary))
        picked: list[int] = rows.argmax(-1).tolist()
        return picked


if __name__ == "__main__":
    serve(LlamaCpp)
