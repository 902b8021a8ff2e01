"""A Llama checkpoint as llama.cpp reads it: `python -m bench.llm.engines.gguf_of FOLDER FILE TYPE`.

TYPE is F32 or Q4_0; norms stay in float32. There is no tokenizer in the file, since tokens go in
and come out. llama.cpp rotates neighbouring numbers where transformers rotates the halves of a
head, so queries and keys have their rows in another order.
"""

import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write(folder: Path, target: Path, kind: gguf.GGMLQuantizationType) -> None:
    config = json.loads((folder / "config.json").read_text())
    heads, pairs = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(target, "llama")
    _describe(writer, config)
    for name, values in _tensors(folder / "model.safetensors").items():
        layer, _, part = name.removeprefix("model.layers.").partition(".")
        part = part.removesuffix(".weight")
        if part == "self_attn.q_proj":
            values = _interleaved(values, heads)
        if part == "self_attn.k_proj":
            values = _interleaved(values, pairs)
        known = {"model.embed_tokens.weight": "token_embd", "model.norm.weight": "output_norm"}
        called = known.get(name) or f"blk.{layer}.{_LAYER[part]}"
        if values.ndim == 1:
            writer.add_tensor(f"{called}.weight", values)
        else:
            writer.add_tensor(
                f"{called}.weight", gguf.quants.quantize(values, kind), raw_dtype=kind
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")


def _tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Of a safetensors file of float32."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        found[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    return found


def _interleaved(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    outputs, inputs = rows.shape
    halves = rows.reshape(heads, 2, outputs // heads // 2, inputs)
    return halves.swapaxes(1, 2).reshape(outputs, inputs)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), gguf.GGMLQuantizationType[sys.argv[3]])
