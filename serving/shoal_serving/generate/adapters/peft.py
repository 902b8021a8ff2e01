"""A LoRA adapter as PEFT saves it: adapter_config.json and adapter_model.safetensors.

The tensors say which modules it changes: for each two, `lora_A` [rank, inputs] and `lora_B`
[outputs, rank], under the module's name in the base.
"""

import re
from pathlib import Path

import numpy as np

from shoal.errors import ArtifactRefused, LoadError, ModelLoadFailed, ModelUnsupported
from shoal_serving.artifacts.safetensors import FLOATS, StoredTensor, open_safetensors
from shoal_serving.generate.adapters.adapter import Adapter, LowRank, Module
from shoal_serving.generate.adapters.config import MERGE, Scaling, read_scaling

MAX_RANK = 64
_FILE = "adapter_model.safetensors"
_PICKLE = "adapter_model.bin"
_NAME = re.compile(
    r"(?:base_model\.model\.)?"
    r"(?P<module>model\.layers\.(?:0|[1-9][0-9]{0,5})\."
    r"(?:self_attn\.(?:q|k|v|o|qkv)_proj|mlp\.(?:gate|up|down|gate_up)_proj))"
    r"\.lora_(?P<part>[AB])(?:\.default)?\.weight"
)
_AGAIN = "Save the adapter again with save_pretrained."
_Pairs = dict[str, dict[str, StoredTensor]]


def read_adapter(folder: Path, name: str, max_rank: int = MAX_RANK) -> Adapter:
    """The adapter in `folder`, whose base and its shapes are not known here.

    Raises:
        ModelUnsupported: another kind of adapter, a module that no adapter may change, or a rank
            above `max_rank`.
        ModelLoadFailed: damaged files, or tensors that do not fit each other.
        ArtifactRefused: the weights are pickled.
    """
    try:
        return Adapter(name, _modules(_pairs(folder), read_scaling(folder), max_rank))
    except LoadError as error:
        raise type(error)(f"Adapter {name}: {error.message}", error.action) from error


def _pairs(folder: Path) -> _Pairs:
    """A and B of every module."""
    pairs: _Pairs = {}
    for name, tensor in _open(folder).items():
        found = _NAME.fullmatch(name)
        if not found:
            raise ModelUnsupported(
                f"The tensor {name} is not supported; supported are lora_A and lora_B of the "
                "projections of attention and MLP.",
                MERGE,
            )
        if tensor.dtype not in FLOATS:
            raise ModelUnsupported(
                f"The tensor {name} is stored as {tensor.dtype}; "
                f"supported are {', '.join(FLOATS)}.",
                "Save the adapter in float32, float16 or bfloat16.",
            )
        if pairs.setdefault(found["module"], {}).setdefault(found["part"], tensor) is not tensor:
            raise ModelLoadFailed(f"The tensor {name} is there twice.", _AGAIN)
    if not pairs:
        raise ModelLoadFailed(f"{_FILE} is empty.", _AGAIN)
    return pairs


def _open(folder: Path) -> dict[str, StoredTensor]:
    if (folder / _FILE).is_file():
        return open_safetensors(folder / _FILE)
    if (folder / _PICKLE).is_file():
        raise ArtifactRefused(
            f"{_PICKLE} is a pickle: loading it runs whatever code it carries.",
            "Save the adapter with save_pretrained(safe_serialization=True) instead.",
        )
    raise ModelUnsupported(
        f"The adapter's folder has no {_FILE}.", "Save the adapter with PEFT's save_pretrained."
    )


def _modules(pairs: _Pairs, scaling: Scaling, max_rank: int) -> dict[Module, LowRank]:
    for name, pair in pairs.items():
        _check(name, pair, scaling.rank_of(name), max_rank)
    return {_module(name): _low_rank(pair, scaling.scale_of(name)) for name, pair in pairs.items()}


def _check(name: str, pair: dict[str, StoredTensor], rank: int, max_rank: int) -> None:
    for part, axis in (("A", 0), ("B", 1)):
        tensor = pair.get(part)
        if tensor is None:
            raise ModelLoadFailed(f"lora_{part} of {name} is missing.", _AGAIN)
        if len(tensor.shape) != 2 or tensor.shape[axis] != rank:
            expected = f"[{rank}, inputs]" if part == "A" else f"[outputs, {rank}]"
            raise ModelLoadFailed(
                f"lora_{part} of {name} has shape {list(tensor.shape)}; "
                f"its configuration makes it {expected}.",
                "Put the configuration and the weights of one adapter together.",
            )
    if rank > max_rank:
        raise ModelUnsupported(
            f"{name} has rank {rank}; the limit is {max_rank}.",
            "Train the adapter with a lower rank, or merge it into its base and serve that.",
        )


def _module(name: str) -> Module:
    _, _, layer, _, projection = name.split(".")
    return Module(int(layer), projection)


def _low_rank(pair: dict[str, StoredTensor], scale: float) -> LowRank:
    a, b = (pair[part].values().astype(np.float32) for part in "AB")
    return LowRank(a, np.ascontiguousarray(b.T) * np.float32(scale))
