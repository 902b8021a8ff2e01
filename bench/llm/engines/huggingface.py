"""transformers' `generate` on PyTorch: one static batch, padded on the left."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, StoppingCriteria

from bench.llm.engines.worker import Calls, Tokens, serve


class Watch(StoppingCriteria):
    """Sees every step, and stops none."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, list[int]]] = []

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self.seen.append((time.perf_counter(), input_ids[:, -1].tolist()))
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


class HuggingFace:
    def __init__(self, folder: str, threads: str, device: str = "cpu") -> None:
        """On a GPU in float16."""
        torch.set_num_threads(int(threads))
        self._device = device
        dtype = torch.float16 if device == "cuda" else "auto"
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        self._model = model.to(device).eval()
        self._model.generation_config.eos_token_id = None
        self._model.generation_config.pad_token_id = 0
        self.calls: Calls = {}

    def batch(self, prompts: Sequence[Tokens], new: Sequence[int]) -> list[list[tuple[float, int]]]:
        width, steps = max(map(len, prompts)), max(new)
        tokens = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.zeros_like(tokens)
        for row, prompt in enumerate(prompts):
            tokens[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        watch = Watch()
        with torch.inference_mode():
            self._model.generate(
                tokens.to(self._device),
                attention_mask=mask.to(self._device),
                max_new_tokens=steps,
                min_new_tokens=steps,
                do_sample=False,
                stopping_criteria=[watch],
            )
        return [
            [(when, ids[row]) for when, ids in watch.seen[:wanted]]
            for row, wanted in enumerate(new)
        ]


if __name__ == "__main__":
    serve(HuggingFace)
