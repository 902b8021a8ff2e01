"""ONNX Runtime GenAI's Generator: one static batch of prompts of one length.

Shorter prompts are filled up by repeating them: what padding costs, without its arithmetic. Every
row runs until the longest one has ended, which is what this API offers.
"""

import json
import time
from collections.abc import Sequence

import numpy as np
import onnxruntime_genai as og

from bench.llm.engines.worker import Calls, Tokens, serve


class GenAi:
    def __init__(self, folder: str, threads: str) -> None:
        config = og.Config(folder)
        options = {"intra_op_num_threads": int(threads)}
        # No token of the vocabulary ends a text before its length.
        decoder = {"session_options": options}
        config.overlay(json.dumps({"model": {"decoder": decoder}}))
        self._model = og.Model(config)
        self.calls: Calls = {}

    def batch(self, prompts: Sequence[Tokens], new: Sequence[int]) -> list[list[tuple[float, int]]]:
        width, steps = max(map(len, prompts)), max(new)
        generator = self._generator(len(prompts), width + steps)
        filled = [(list(prompt) * width)[:width] for prompt in prompts]
        tokens = np.array(filled, np.int32)
        generator.append_tokens(tokens[0] if len(prompts) == 1 else og.Tensor(tokens))
        texts: list[list[tuple[float, int]]] = [[] for _ in prompts]
        for step in range(steps):
            generator.generate_next_token()
            now = time.perf_counter()
            for text, token, wanted in zip(texts, generator.get_next_tokens(), new, strict=True):
                if step < wanted:
                    text.append((now, int(token)))
        return texts

    def _generator(self, rows: int, length: int) -> og.Generator:
        params = og.GeneratorParams(self._model)
        params.set_search_options(
            max_length=length, min_length=length, batch_size=rows, do_sample=False
        )
        return og.Generator(self._model, params)


if __name__ == "__main__":
    serve(GenAi)
