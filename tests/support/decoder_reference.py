"""Decoders of the Llama family in numpy: one sequence at a time, all of it, without a cache.

Written from the papers and from transformers' modelling code, and sharing nothing with the
converter: weights are transformers', angles are computed by position, attention is a loop.
"""

import math

import numpy as np


class Reference:
    """A decoder of `config` and `weights` by transformers' names, in float64."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = {name: np.asarray(w, np.float64) for name, w in weights.items()}
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads") or self.heads
        self.head = config.get("head_dim") or config["hidden_size"] // self.heads

    def logits(self, ids):
        """[tokens, vocabulary]."""
        hidden = self.weights["model.embed_tokens.weight"][np.asarray(ids)]
        for number in range(self.config["num_hidden_layers"]):
            layer = f"model.layers.{number}"
            normed = self.norm(hidden, f"{layer}.input_layernorm")
            hidden = hidden + self.attention(normed, number)
            normed = self.norm(hidden, f"{layer}.post_attention_layernorm")
            hidden = hidden + self.mlp(normed, f"{layer}.mlp")
        tied = self.config.get("tie_word_embeddings")
        head = self.weights["model.embed_tokens.weight" if tied else "lm_head.weight"]
        return self.norm(hidden, "model.norm") @ head.T

    def greedy(self, ids, count):
        """The `count` most likely tokens, one after the other."""
        ids = list(ids)
        for _ in range(count):
            ids.append(int(self.logits(ids)[-1].argmax()))
        return ids[-count:]

    def norm(self, x, name):
        variance = (x**2).mean(-1, keepdims=True)
        epsilon = self.config.get("rms_norm_eps", 1e-6)
        return self.weights[f"{name}.weight"] * x / np.sqrt(variance + epsilon)

    def linear(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", 0)

    def mlp(self, x, name):
        if f"{name}.gate_up_proj.weight" in self.weights:
            gate, up = np.split(self.linear(x, f"{name}.gate_up_proj"), 2, -1)
        else:
            gate, up = self.linear(x, f"{name}.gate_proj"), self.linear(x, f"{name}.up_proj")
        return self.linear(gate / (1 + np.exp(-gate)) * up, f"{name}.down_proj")

    def attention(self, x, number):
        name, length = f"model.layers.{number}.self_attn", len(x)
        queries, keys, values = self.queries_keys_values(x, name)
        window = self.window(number) or length
        out = np.zeros((length, self.heads, self.head))
        for head in range(self.heads):
            shared = head * self.kv_heads // self.heads
            for place in range(length):
                seen = slice(max(0, place - window + 1), place + 1)
                scores = keys[seen, shared] @ queries[place, head] / math.sqrt(self.head)
                shares = np.exp(scores - scores.max())
                out[place, head] = shares / shares.sum() @ values[seen, shared]
        return self.linear(out.reshape(length, -1), f"{name}.o_proj")

    def queries_keys_values(self, x, name):
        wide, narrow = self.heads * self.head, self.kv_heads * self.head
        if f"{name}.qkv_proj.weight" in self.weights:
            q, k, v = np.split(self.linear(x, f"{name}.qkv_proj"), [wide, wide + narrow], -1)
        else:
            q, k, v = (self.linear(x, f"{name}.{part}_proj") for part in "qkv")
        q, k, v = (each.reshape(len(x), -1, self.head) for each in (q, k, v))
        if f"{name}.q_norm.weight" in self.weights:
            q, k = self.norm(q, f"{name}.q_norm"), self.norm(k, f"{name}.k_norm")
        return self.rotated(q), self.rotated(k), v

    def rotated(self, x):
        frequencies, magnitude = self.frequencies()
        angles = np.arange(len(x))[:, None, None] * frequencies
        cos, sin, pairs = np.cos(angles) * magnitude, np.sin(angles) * magnitude, len(frequencies)
        low, high, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
        return np.concatenate([low * cos - high * sin, high * cos + low * sin, rest], -1)

    def frequencies(self):
        """Radians per position of every rotated pair, and the factor of cosine and sine."""
        rope = self.config.get("rope_parameters") or self.config.get("rope_scaling") or {}
        share = rope.get("partial_rotary_factor") or self.config.get("partial_rotary_factor") or 1
        base = rope.get("rope_theta") or self.config.get("rope_theta", 10000.0)
        size = int(self.head * share)
        plain = np.array([base ** (-2 * pair / size) for pair in range(size // 2)])
        kind = rope.get("rope_type") or rope.get("type") or "default"
        return getattr(self, f"{kind}_rope")(plain, rope, base, size)

    def default_rope(self, plain, rope, base, size):
        return plain, 1.0

    def linear_rope(self, plain, rope, base, size):
        return plain / rope["factor"], 1.0

    def llama3_rope(self, plain, rope, base, size):
        old, low, high = (
            rope[key]
            for key in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor")
        )

        def scaled(frequency):
            wavelength = 2 * math.pi / frequency
            if wavelength < old / high:
                return frequency
            if wavelength > old / low:
                return frequency / rope["factor"]
            smooth = (old / wavelength - low) / (high - low)
            return (1 - smooth) * frequency / rope["factor"] + smooth * frequency

        return np.array([scaled(frequency) for frequency in plain]), 1.0

    def yarn_rope(self, plain, rope, base, size):
        old, factor = rope["original_max_position_embeddings"], rope["factor"]

        def dimension(turns):
            return size * math.log(old / (turns * 2 * math.pi)) / (2 * math.log(base))

        low = max(math.floor(dimension(rope.get("beta_fast", 32))), 0)
        high = min(math.ceil(dimension(rope.get("beta_slow", 1))), size - 1)
        high = high + 0.001 if low == high else high
        mask = [1 - min(max((pair - low) / (high - low), 0), 1) for pair in range(size // 2)]
        mixed = [f / factor * (1 - keep) + f * keep for f, keep in zip(plain, mask, strict=True)]
        return np.array(mixed), rope.get("attention_factor") or 0.1 * math.log(factor) + 1

    def window(self, number):
        config = self.config
        if not config.get("sliding_window") or config.get("use_sliding_window") is False:
            return None
        if "layer_types" in config:
            slides = config["layer_types"][number] == "sliding_attention"
        else:
            slides = number >= config.get("max_window_layers", 0)
        return config["sliding_window"] if slides else None


class RoundedReference(Reference):
    """Keys and values are multiples of `scales`, by the names of the past, of 8 bits."""

    def __init__(self, config, weights, scales):
        super().__init__(config, weights)
        self.scales = scales

    def queries_keys_values(self, x, name):
        queries, keys, values = super().queries_keys_values(x, name)
        layer = f"past_key_values.{name.split('.')[2]}"
        return queries, self.kept(keys, f"{layer}.key"), self.kept(values, f"{layer}.value")

    def kept(self, numbers, name):
        scale = self.scales[name][0, :, 0]
        return np.clip(np.rint(numbers / scale), -128, 127) * scale
