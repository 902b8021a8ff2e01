"""`adapter_config.json` as PEFT writes it: which kind of adapter it is, and how it is scaled.

Field by field as in `peft.LoraConfig`, https://huggingface.co/docs/peft/package_reference/lora.
Fields that only say how the adapter was trained are not read.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from shoal.errors import ModelLoadFailed, ModelUnsupported

FILE = "adapter_config.json"
MERGE = "Merge the adapter into its base with merge_and_unload(), and serve the merged checkpoint."
_CORRECT = f"Correct {FILE}, or save the adapter again with save_pretrained."
# What makes another computation of LoRA, or changes more than its projections.
_EMPTY = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "fan_in_fan_out",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
)
# Other ways to begin, such as pissa and loftq, change the base's own weights.
_BEGINNINGS = (None, True, False, "gaussian", "eva", "orthogonal")
_Value = TypeVar("_Value", int, float)
_NAME = re.compile(r"\^?[\w.]+")


@dataclass(frozen=True, slots=True)
class Scaling:
    """The rank and scale of every module; `ranks` and `alphas` are the exceptions, by its name."""

    rank: int
    alpha: float
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    rslora: bool

    def rank_of(self, module: str) -> int:
        return _of(module, self.ranks, self.rank)

    def scale_of(self, module: str) -> float:
        """What B is multiplied by: alpha / r, or alpha / sqrt(r) with `rslora`, as in
        Kalajdzievski 2023, https://arxiv.org/abs/2312.03732.
        """
        rank = self.rank_of(module)
        return _of(module, self.alphas, self.alpha) / (math.sqrt(rank) if self.rslora else rank)


def read_scaling(folder: Path) -> Scaling:
    """What the adapter in `folder` says of itself.

    Raises:
        ModelUnsupported: there is no such file, or it is another kind of adapter.
        ModelLoadFailed: the file is damaged.
    """
    values = _read(folder)
    _refuse_others(values)
    return Scaling(
        rank=_count("r", values.get("r")),
        alpha=_number("lora_alpha", values.get("lora_alpha")),
        ranks={name: _count("rank_pattern", v) for name, v in _pattern(values, "rank_pattern")},
        alphas={name: _number("alpha_pattern", v) for name, v in _pattern(values, "alpha_pattern")},
        rslora=values.get("use_rslora") is True,
    )


def _read(folder: Path) -> dict[str, Any]:
    try:
        values = json.loads((folder / FILE).read_bytes())
    except FileNotFoundError:
        raise ModelUnsupported(
            f"The adapter's folder has no {FILE}.", "Save the adapter with PEFT's save_pretrained."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ModelLoadFailed(f"{FILE} is not JSON: {error}.", _CORRECT) from error
    if not isinstance(values, dict):
        raise ModelLoadFailed(f"{FILE} is not a JSON object.", _CORRECT)
    return values


def _refuse_others(values: dict[str, Any]) -> None:
    if values.get("peft_type") != "LORA":
        raise _unsupported(values, "peft_type", "LORA")
    if values.get("bias", "none") != "none":
        raise _unsupported(values, "bias", "none")
    if values.get("init_lora_weights") not in _BEGINNINGS:
        raise _unsupported(values, "init_lora_weights", "what leaves the base as it was")
    for key in _EMPTY:
        if values.get(key):
            raise _unsupported(values, key, "adapters without it")


def _unsupported(values: dict[str, Any], key: str, supported: str) -> ModelUnsupported:
    found = json.dumps(values.get(key))[:200]
    return ModelUnsupported(f"{FILE} says {key} {found}; supported is {supported}.", MERGE)


def _pattern(values: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    """Exceptions by name. PEFT takes regular expressions: a stranger's are not run."""
    pattern = values.get(key) or {}
    if not isinstance(pattern, dict):
        raise _wrong(key, pattern, "an object")
    for name in pattern:
        if not _NAME.fullmatch(name):
            raise ModelUnsupported(
                f"{FILE} says {key} {name!r}; supported are names, such as q_proj or "
                "model.layers.0.self_attn.q_proj.",
                f"Name the modules one by one in {key}.",
            )
    return list(pattern.items())


def _of(module: str, exceptions: Mapping[str, _Value], default: _Value) -> _Value:
    """As PEFT looks it up: the first that is the module's name, or the end of it."""
    for name, value in exceptions.items():
        if module == name.removeprefix("^") or module.endswith(f".{name}"):
            return value
    return default


def _count(key: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise _wrong(key, value, "a positive integer")
    return value


def _number(key: str, value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _wrong(key, value, "a number")
    return float(value)


def _wrong(key: str, value: Any, expected: str) -> ModelLoadFailed:
    found = "is missing" if value is None else f"is {value!r}"
    return ModelLoadFailed(f"{FILE}: {key} {found}; expected {expected}.", _CORRECT)
