"""Writes the checkpoint of a model of a real size: `python -m bench.llm.checkpoint FOLDER [NAME]`.

A Llama with random weights, tied: `llama-72m` of 72 million in float32, or `llama-1b` of 1.0
billion in float16, for a GPU. Its tokenizer is that of tiny-chat with words that no text has behind
it. Runs in Shoal's own environment.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.llm.work import TINY

VOCABULARY = 32000


@dataclass(frozen=True)
class Sizes:
    """A Llama's."""

    hidden: int
    layers: int
    heads: int
    pairs: int
    head: int
    inner: int
    dtype: str

    @property
    def config(self) -> dict[str, object]:
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.pairs,
            "head_dim": self.head,
            "intermediate_size": self.inner,
            "vocab_size": VOCABULARY,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "hidden_act": "silu",
            "tie_word_embeddings": True,
            "attention_bias": False,
            "mlp_bias": False,
            "bos_token_id": None,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "dtype": self.dtype,
        }


SMALL = "llama-72m"
SIZES = {
    SMALL: Sizes(640, 12, 10, 2, 64, 1728, "float32"),
    "llama-1b": Sizes(2048, 22, 32, 4, 64, 5632, "float16"),
}
_KINDS = {"float32": "F32", "float16": "F16"}


def write(folder: Path, name: str = SMALL) -> None:
    sizes = SIZES[name]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(sizes.config))
    shutil.copy(TINY / "tokenizer_config.json", folder / "tokenizer_config.json")
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    _write_tensors(folder / "model.safetensors", sizes)


def _tokenizer() -> dict[str, object]:
    tokenizer: dict[str, object] = json.loads((TINY / "tokenizer.json").read_text())
    model = tokenizer["model"]
    assert isinstance(model, dict)
    size = len(model["vocab"])
    model["vocab"] |= {f"word{number}": number for number in range(size, VOCABULARY)}
    return tokenizer


def _shapes(sizes: Sizes) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, inner = sizes.hidden, sizes.inner
    queries, keys = sizes.heads * sizes.head, sizes.pairs * sizes.head
    yield "model.embed_tokens.weight", (VOCABULARY, hidden)
    for layer in range(sizes.layers):
        start = f"model.layers.{layer}"
        yield f"{start}.input_layernorm.weight", (hidden,)
        yield f"{start}.self_attn.q_proj.weight", (queries, hidden)
        yield f"{start}.self_attn.k_proj.weight", (keys, hidden)
        yield f"{start}.self_attn.v_proj.weight", (keys, hidden)
        yield f"{start}.self_attn.o_proj.weight", (hidden, queries)
        yield f"{start}.post_attention_layernorm.weight", (hidden,)
        yield f"{start}.mlp.gate_proj.weight", (inner, hidden)
        yield f"{start}.mlp.up_proj.weight", (inner, hidden)
        yield f"{start}.mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)


def _write_tensors(path: Path, sizes: Sizes) -> None:
    """Norms are ones, so that the numbers neither grow nor vanish."""
    random, dtype = np.random.default_rng(0), np.dtype(sizes.dtype)
    header, end = {}, 0
    for name, shape in _shapes(sizes):
        begin, end = end, end + dtype.itemsize * int(np.prod(shape))
        header[name] = {
            "dtype": _KINDS[sizes.dtype],
            "shape": shape,
            "data_offsets": [begin, end],
        }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, shape in _shapes(sizes):
            ones = np.ones(shape, np.float32)
            values = ones if len(shape) == 1 else _matrix(random, shape)
            file.write(values.astype(dtype).tobytes())


def _matrix(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.standard_normal(shape, np.float32) * np.float32(0.03)


if __name__ == "__main__":
    write(Path(sys.argv[1]), *sys.argv[2:])
