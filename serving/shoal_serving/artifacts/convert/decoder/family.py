"""What sets one class of decoders in transformers apart from Llama."""

from dataclasses import dataclass

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.config import EXPORT, Config


@dataclass(frozen=True, slots=True)
class Family:
    """How a class of transformers differs.

    `fused`: one weight is query, key and value, another is gate and up. `qkv_bias`: query, key
    and value have biases, whatever config.json says. `attention_bias`, `mlp_bias`: config.json
    says whether there are biases. `qk_norm`: every head of query and key is normalised.
    `window_switch`: sliding_window counts only with use_sliding_window, from layer
    max_window_layers on.
    """

    architecture: str
    fused: bool = False
    qkv_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    window: bool = False
    window_switch: bool = False


_FAMILIES = {
    family.architecture: family
    for family in (
        Family("LlamaForCausalLM", attention_bias=True, mlp_bias=True),
        Family("MistralForCausalLM", window=True),
        Family("Qwen2ForCausalLM", qkv_bias=True, window=True, window_switch=True),
        Family(
            "Qwen3ForCausalLM", attention_bias=True, qk_norm=True, window=True, window_switch=True
        ),
        Family("Phi3ForCausalLM", fused=True, window=True),
    )
}


def read_family(config: Config) -> Family:
    """The family of the class that the checkpoint was saved from.

    Raises:
        ModelUnsupported: it is another.
    """
    name = config.architecture
    if name not in _FAMILIES:
        raise ModelUnsupported(
            f"config.json names {name or 'no architecture'}; the conversion for text-generation "
            f"supports {', '.join(_FAMILIES)}.",
            EXPORT,
        )
    return _FAMILIES[name]
