"""The numbers of a decoder, in one vocabulary for all families."""

from dataclasses import dataclass

from shoal.errors import ModelLoadFailed
from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.decoder.family import Family
from shoal_serving.artifacts.convert.decoder.rope import Rope, read_rope
from shoal_serving.artifacts.convert.decoder.window import read_windows

# GroupQueryAttention rotates heads of this many numbers, or multiples of it.
_HEAD_UNIT = 16


@dataclass(frozen=True, slots=True)
class Sizes:
    """A decoder's sizes. `windows`: how many tokens each layer sees back, None if all."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    intermediate: int
    epsilon: float
    tied: bool
    fused: bool
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    qk_norm: bool
    windows: tuple[int | None, ...]
    rope: Rope

    @property
    def query(self) -> int:
        return self.heads * self.head

    @property
    def kv(self) -> int:
        return self.kv_heads * self.head


def read_sizes(config: Config, family: Family) -> Sizes:
    """What config.json says.

    Raises:
        ModelUnsupported: a variant that the graph cannot compute.
        ModelLoadFailed: a number is missing or impossible.
    """
    if config.text("hidden_act", "silu") != "silu":
        raise config.unsupported("hidden_act", "'silu'")
    hidden, layers = config.integer("hidden_size"), config.integer("num_hidden_layers")
    heads, kv_heads, head = _heads(config, hidden)
    attention_bias = family.attention_bias and config.flag("attention_bias")
    return Sizes(
        vocabulary=config.integer("vocab_size"),
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head=head,
        intermediate=config.integer("intermediate_size"),
        epsilon=config.fraction("rms_norm_eps", 1e-6),
        tied=config.flag("tie_word_embeddings"),
        fused=family.fused,
        qkv_bias=family.qkv_bias or attention_bias,
        output_bias=attention_bias,
        mlp_bias=family.mlp_bias and config.flag("mlp_bias"),
        qk_norm=family.qk_norm,
        windows=read_windows(config, family, layers),
        rope=read_rope(config, head),
    )


def _heads(config: Config, hidden: int) -> tuple[int, int, int]:
    """How many heads there are, how many of keys and values, and the size of one."""
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", heads)
    if heads % kv_heads:
        raise _impossible(f"{kv_heads} key-value heads do not divide {heads} attention heads")
    if config.value("head_dim") is None and hidden % heads:
        raise _impossible(f"{heads} attention heads do not divide a hidden size of {hidden}")
    head = config.integer("head_dim", hidden // heads)
    if head % _HEAD_UNIT:
        raise config.refusal(f"a head_dim of {head}", f"multiples of {_HEAD_UNIT}")
    return heads, kv_heads, head


def _impossible(what: str) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"config.json: {what}.", "Put the config.json and the weights of one checkpoint together."
    )
