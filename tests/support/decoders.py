"""Small decoders with random weights, as transformers would save them, and a way to run a graph."""

import json

import ml_dtypes
import numpy as np
import onnx
import onnxruntime

WORDS, HIDDEN, LAYERS, HEADS, KV_HEADS, INNER, POSITIONS = 61, 64, 3, 4, 2, 96, 128
STORED = {
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I32": np.int32,
    "I8": np.int8,
}
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": WORDS,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "intermediate_size": INNER,
    "max_position_embeddings": POSITIONS,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN_ROPE = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
# What sets decoders apart: the architecture, and changes of its configuration.
KINDS = {
    "Llama": ("Llama", {}),
    "Llama tied": ("Llama", {"tie_word_embeddings": True}),
    "Llama with biases": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "Llama with a wide head": ("Llama", {"head_dim": 32}),
    "Llama without groups": ("Llama", {"num_key_value_heads": 4}),
    "Llama 3": ("Llama", {"rope_scaling": LLAMA3_ROPE, "rope_theta": 500000.0}),
    "Llama of transformers 5": ("Llama", {"rope_parameters": {"rope_theta": 500.0}}),
    "Llama with linear scaling": ("Llama", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    "Mistral": ("Mistral", {"sliding_window": 5}),
    "Mistral without a window": ("Mistral", {"sliding_window": None}),
    "Qwen2": ("Qwen2", {"use_sliding_window": False, "sliding_window": 5}),
    "Qwen2 with a window": (
        "Qwen2",
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    ),
    "Qwen2 with yarn": ("Qwen2", {"rope_scaling": YARN_ROPE}),
    "Qwen3": ("Qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "Qwen3 with layer types": (
        "Qwen3",
        {
            "use_sliding_window": True,
            "sliding_window": 5,
            "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        },
    ),
    "Phi3": ("Phi3", {"sliding_window": 5}),
    "Phi3 partly rotated": ("Phi3", {"head_dim": 32, "partial_rotary_factor": 0.5}),
}


def decoder(architecture="Llama", **changes):
    """A configuration of that family."""
    return LLAMA | {"architectures": [f"{architecture}ForCausalLM"]} | changes


def random_weights(config, seed=11):
    """Every tensor of such a checkpoint, by the name that transformers gives it."""
    random, weights = np.random.default_rng(seed), {}
    family = config["architectures"][0].removesuffix("ForCausalLM")
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    wide, narrow = config["num_attention_heads"] * head, config["num_key_value_heads"] * head

    def linear(name, outputs, inputs, bias=False):
        weights[f"{name}.weight"] = random.normal(0, 2 * inputs**-0.5, (outputs, inputs))
        if bias:
            weights[f"{name}.bias"] = random.normal(0, 0.5, outputs)

    def norm(name, size):
        weights[f"{name}.weight"] = random.normal(1, 0.3, size)

    attention_bias, mlp_bias = config.get("attention_bias"), config.get("mlp_bias")
    weights["model.embed_tokens.weight"] = random.normal(0, 1, (config["vocab_size"], hidden))
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        norm(f"{layer}.input_layernorm", hidden)
        if family == "Phi3":
            linear(f"{layer}.self_attn.qkv_proj", wide + 2 * narrow, hidden)
            linear(f"{layer}.mlp.gate_up_proj", 2 * inner, hidden)
        else:
            for part, size in (("q", wide), ("k", narrow), ("v", narrow)):
                bias = attention_bias or family == "Qwen2"
                linear(f"{layer}.self_attn.{part}_proj", size, hidden, bias)
            for part in ("gate", "up"):
                linear(f"{layer}.mlp.{part}_proj", inner, hidden, mlp_bias)
        if family == "Qwen3":
            norm(f"{layer}.self_attn.q_norm", head)
            norm(f"{layer}.self_attn.k_norm", head)
        linear(f"{layer}.self_attn.o_proj", hidden, wide, attention_bias)
        norm(f"{layer}.post_attention_layernorm", hidden)
        linear(f"{layer}.mlp.down_proj", hidden, inner, mlp_bias)
    norm("model.norm", hidden)
    if not config["tie_word_embeddings"]:
        linear("lm_head", config["vocab_size"], hidden)
    return {name: values.astype(np.float32) for name, values in weights.items()}


def write_checkpoint(folder, config, weights, dtype="F32"):
    """config.json and model.safetensors; integers are stored as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", weights, dtype)


def write_safetensors(path, weights, dtype="F32"):
    """The format as its README has it: the length of a JSON header, the header, the data."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    kinds = {name: "I32" if w.dtype == np.int32 else dtype for name, w in weights.items()}
    for name, values in weights.items():
        begin, end = end, end + values.size * np.dtype(STORED[kinds[name]]).itemsize
        entry = {"dtype": kinds[name], "shape": values.shape, "data_offsets": [begin, end]}
        header[name] = entry
    encoded = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for name, values in weights.items():
            file.write(np.ascontiguousarray(values, STORED[kinds[name]]).tobytes())


class DecoderGraph:
    """A decoder's graph in ONNX Runtime, with the keys and values of the sequences it has seen."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.more = {}  # inputs that are the same in every run
        self._outputs = [spec.name for spec in self.session.get_outputs()]
        self._ragged = any(spec.name == "query_seqlens" for spec in self.session.get_inputs())
        self.forget()

    def forget(self):
        """Start with new sequences."""
        self.past = None
        self._lengths = None

    def run(self, rows, lengths, indices):
        """Logits at `indices` after these new tokens, of which rows end up that long."""
        rows = np.array(rows, np.int64)
        if self.past is None:
            self.past = dict(self._empty(len(rows)))
        feeds = {
            "input_ids": rows,
            "seqlens_k": np.array(lengths, np.int32) - 1,
            "total_sequence_length": np.array(max(lengths), np.int32),
            "logits_indices": np.array(indices, np.int64),
        }
        if self._ragged:
            feeds["query_seqlens"] = self._new(lengths, rows.shape[1])
        self._lengths = list(lengths)
        values = self.session.run(self._outputs, feeds | self.more | self.past)
        outputs = dict(zip(self._outputs, values, strict=True))
        self.past = {
            name: outputs[name.replace("past_key_values", "present")] for name in self.past
        }
        return outputs["logits"]

    def _new(self, lengths, most):
        before = self._lengths or [0] * len(lengths)
        new = [min(now - was, most) for now, was in zip(lengths, before, strict=True)]
        return np.array(new, np.int32)

    def _empty(self, batch):
        types = {
            "tensor(float)": np.float32,
            "tensor(float16)": np.float16,
            "tensor(int8)": np.int8,
        }
        for spec in self.session.get_inputs():
            if spec.name.startswith("past_key_values"):
                _, heads, _, head = spec.shape
                yield spec.name, np.zeros((batch, heads, 0, head), types[spec.type])

    def greedy(self, prompt, limit, stop=None):
        """What follows the prompt, the likeliest token each time."""
        self.forget()
        new, out, length = list(prompt), [], 0
        while len(out) < limit:
            length += len(new)
            token = int(self.run([new], [length], [len(new) - 1])[0].argmax())
            if token == stop:
                break
            out.append(token)
            new = [token]
        return out


def with_whole_inputs(path):
    """The graph, but for MatMulNBits' rounding of its inputs to 8 bits."""
    model = onnx.load(path)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 1
    onnx.save(model, path)
    return DecoderGraph(path)
