"""How far back each layer looks: sliding windows, as Mistral and Qwen have them."""

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.decoder.family import Family

_FULL, _SLIDING = "full_attention", "sliding_attention"


def read_windows(config: Config, family: Family, layers: int) -> tuple[int | None, ...]:
    """For each layer how many tokens a token sees, itself among them; None if all before it.

    Raises:
        ModelUnsupported: layers of another kind.
    """
    if not family.window or config.value("sliding_window") is None:
        return (None,) * layers
    if family.window_switch and not config.flag("use_sliding_window"):
        return (None,) * layers
    window = config.integer("sliding_window")
    return tuple(window if slides else None for slides in _sliding(config, family, layers))


def _sliding(config: Config, family: Family, layers: int) -> list[bool]:
    kinds = config.texts("layer_types")
    if kinds is not None:
        if len(kinds) != layers or not set(kinds) <= {_FULL, _SLIDING}:
            raise config.unsupported("layer_types", f"{_FULL} and {_SLIDING}, one for each layer")
        return [kind == _SLIDING for kind in kinds]
    first = config.index("max_window_layers", 28) if family.window_switch else 0
    return [layer >= first for layer in range(layers)]
