"""The weights of a checkpoint: every tensor of its safetensors files, by name, read when written.

Pickled weights are refused, because unpickling runs whatever code the file carries.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from shoal.errors import ArtifactRefused, ModelLoadFailed, ModelUnsupported
from shoal_serving.artifacts.safetensors import FLOATS, StoredTensor, open_safetensors

_FILE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLES = ("pytorch_model*.bin", "model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Checkpoints from before 2020 call a layer norm's weight and bias so.
_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
_AGAIN = "Fetch or save the checkpoint again."


class Weights:
    """The stored tensors of one checkpoint."""

    def __init__(self, tensors: Mapping[str, StoredTensor]) -> None:
        self._tensors = tensors

    def find(self, name: str) -> StoredTensor | None:
        """The tensor of that name, or of its older spelling."""
        return self._tensors.get(name) or self._tensors.get(_old_name(name))

    def get(
        self, name: str, shape: tuple[int, ...], dtypes: Collection[str] = FLOATS.keys()
    ) -> StoredTensor:
        """The tensor of that name, which must have that shape and one of those dtypes.

        Raises:
            ModelLoadFailed: it is missing, or its shape is another.
            ModelUnsupported: it is of another dtype.
        """
        tensor = self.find(name)
        if tensor is None:
            raise ModelLoadFailed(
                f"The weight {name} {list(shape)} is missing.",
                "Save the checkpoint again from the class that config.json names.",
            )
        if tensor.shape != shape:
            raise ModelLoadFailed(
                f"The weight {name} has shape {list(tensor.shape)}; "
                f"config.json makes it {list(shape)}.",
                "Put the config.json and the weights of one checkpoint together.",
            )
        if tensor.dtype not in dtypes:
            raise ModelUnsupported(
                f"The weight {name} is stored as {tensor.dtype}; "
                f"the conversion reads {', '.join(dtypes)}.",
                "Save the checkpoint in float32, float16 or bfloat16, not quantized.",
            )
        return tensor


def open_weights(folder: Path) -> Weights:
    """Open `model.safetensors`, or the shards that `model.safetensors.index.json` lists.

    Raises:
        ArtifactRefused: there are only pickled weights.
        ModelUnsupported: there are no weights.
        ModelLoadFailed: a file is damaged, or a shard is missing.
    """
    if (folder / _FILE).is_file():
        return Weights(open_safetensors(folder / _FILE))
    if (folder / _INDEX).is_file():
        return Weights(_open_shards(folder))
    _refuse_pickles(folder)
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    raise ModelUnsupported(
        f"The folder has neither an ONNX graph nor {_FILE}; it has {found}.",
        "Export the model to ONNX, or save it with save_pretrained(safe_serialization=True).",
    )


def _open_shards(folder: Path) -> dict[str, StoredTensor]:
    tensors: dict[str, StoredTensor] = {}
    for name in _shard_names(folder / _INDEX):
        if not (folder / name).is_file():
            raise ModelLoadFailed(f"{_INDEX} lists {name}, which is not there.", _AGAIN)
        tensors |= open_safetensors(folder / name)
    return tensors


def _shard_names(path: Path) -> list[str]:
    try:
        index: Any = json.loads(path.read_bytes())
        names = sorted(set(index["weight_map"].values()))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadFailed(f"{_INDEX} has no readable weight_map: {error!r}.", _AGAIN) from error
    for name in names:
        if type(name) is not str or Path(name).name != name:
            raise ModelLoadFailed(f"{_INDEX} lists {name!r}, which is not a file name.", _AGAIN)
    return names


def _refuse_pickles(folder: Path) -> None:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise ArtifactRefused(
            f"{pickles[0]} is a pickle: loading it runs whatever code it carries.",
            "Save the model with save_pretrained(safe_serialization=True), "
            "or export it to ONNX, and remove the pickle.",
        )


def _old_name(name: str) -> str:
    for new, old in _OLD_NAMES.items():
        name = name.replace(new, old)
    return name
