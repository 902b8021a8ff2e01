"""Writes the checkpoint of the model of a real size: `python -m bench.llm.checkpoint FOLDER`.

A Llama of 79 tensors and 51.6 million random weights, tied, in float32; its tokenizer is that of
tiny-chat with words that no text has behind it. Runs in Shoal's own environment.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.llm.work import TINY

HIDDEN, LAYERS, HEADS, PAIRS, HEAD, INNER, VOCABULARY = 640, 12, 10, 2, 64, 1728, 32000
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": PAIRS,
    "head_dim": HEAD,
    "intermediate_size": INNER,
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
    "dtype": "float32",
}


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    shutil.copy(TINY / "tokenizer_config.json", folder / "tokenizer_config.json")
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    _write_tensors(folder / "model.safetensors")


def _tokenizer() -> dict[str, object]:
    tokenizer: dict[str, object] = json.loads((TINY / "tokenizer.json").read_text())
    model = tokenizer["model"]
    assert isinstance(model, dict)
    size = len(model["vocab"])
    model["vocab"] |= {f"word{number}": number for number in range(size, VOCABULARY)}
    return tokenizer


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for layer in range(LAYERS):
        start = f"model.layers.{layer}"
        yield f"{start}.input_layernorm.weight", (HIDDEN,)
        yield f"{start}.self_attn.q_proj.weight", (HEADS * HEAD, HIDDEN)
        yield f"{start}.self_attn.k_proj.weight", (PAIRS * HEAD, HIDDEN)
        yield f"{start}.self_attn.v_proj.weight", (PAIRS * HEAD, HIDDEN)
        yield f"{start}.self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD)
        yield f"{start}.post_attention_layernorm.weight", (HIDDEN,)
        yield f"{start}.mlp.gate_proj.weight", (INNER, HIDDEN)
        yield f"{start}.mlp.up_proj.weight", (INNER, HIDDEN)
        yield f"{start}.mlp.down_proj.weight", (HIDDEN, INNER)
    yield "model.norm.weight", (HIDDEN,)


def _write_tensors(path: Path) -> None:
    """Norms are ones, so that the numbers neither grow nor vanish."""
    random = np.random.default_rng(0)
    header, end = {}, 0
    for name, shape in _shapes():
        begin, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, shape in _shapes():
            ones = np.ones(shape, np.float32)
            file.write((ones if len(shape) == 1 else _matrix(random, shape)).tobytes())


def _matrix(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.standard_normal(shape, np.float32) * np.float32(0.03)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
