"""`config.json` as Hugging Face writes it: typed values, and refusals that name the field."""

import json
import math
from pathlib import Path
from typing import Any

from shoal.errors import ModelLoadFailed, ModelUnsupported

EXPORT = "Export the model to ONNX and put model.onnx in the folder instead."
_CORRECT = "Correct config.json, or take it from the checkpoint's origin again."
_FILE = "config.json"


class Config:
    """One checkpoint's configuration, or a section of it."""

    def __init__(self, values: dict[str, Any], prefix: str = "") -> None:
        self._values = values
        self._prefix = prefix

    def integer(self, key: str, default: int | None = None) -> int:
        """A count of 1 or more."""
        value = self._get(key, default)
        if type(value) is not int or value < 1:
            raise self._wrong(key, value, "a positive integer")
        return value

    def index(self, key: str, default: int) -> int:
        """An id of 0 or more."""
        value = self._get(key, default)
        if type(value) is not int or value < 0:
            raise self._wrong(key, value, "an integer of 0 or more")
        return value

    def fraction(self, key: str, default: float) -> float:
        """A number between 0 and 1."""
        value = self.value(key, default)
        if type(value) not in (int, float) or not 0 < value < 1:
            raise self._wrong(key, value, "a number between 0 and 1")
        return float(value)

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number above 0."""
        value = self._get(key, default)
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise self._wrong(key, value, "a positive number")
        return float(value)

    def text(self, key: str, default: str) -> str:
        value = self.value(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a string")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of strings, or None if there is none."""
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, value, "a list of strings")
        return tuple(value)

    def section(self, key: str) -> "Config | None":
        """The object of that name, or None if there is none."""
        value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(key, value, "an object")
        return Config(value, f"{self._prefix}{key}.")

    def value(self, key: str, default: Any = None) -> Any:
        """Whatever is there."""
        return self._values.get(key, default)

    @property
    def architecture(self) -> str | None:
        """The class that the checkpoint was saved from."""
        names = self._values.get("architectures")
        return names[0] if isinstance(names, list) and names and type(names[0]) is str else None

    @property
    def labels(self) -> int:
        """How many labels a classifier has; transformers writes none when there are two."""
        names = self._values.get("id2label")
        if isinstance(names, dict) and names:
            return len(names)
        return self.integer("num_labels", 2)

    def unsupported(self, key: str, supported: str) -> ModelUnsupported:
        """The refusal of what a field says."""
        found = json.dumps(self.value(key))
        return self.refusal(f"{self._prefix}{key} {found[:200]}", supported)

    def refusal(self, found: str, supported: str) -> ModelUnsupported:
        return ModelUnsupported(
            f"{_FILE} says {found}; the conversion supports {supported}.", EXPORT
        )

    def _get(self, key: str, default: Any) -> Any:
        """What transformers takes: null is as good as nothing where there is a default."""
        value = self._values.get(key)
        return default if value is None else value

    def _wrong(self, key: str, value: Any, expected: str) -> ModelLoadFailed:
        found = "is missing" if value is None else f"is {value!r}"
        name = f"{self._prefix}{key}"
        return ModelLoadFailed(f"{_FILE}: {name} {found}; expected {expected}.", _CORRECT)


def read_config(folder: Path) -> Config:
    """The configuration of the checkpoint in `folder`.

    Raises:
        ModelUnsupported: it has none.
        ModelLoadFailed: it is not a JSON object.
    """
    try:
        values = json.loads((folder / _FILE).read_bytes())
    except FileNotFoundError:
        raise ModelUnsupported(
            "The folder has weights but no config.json, which says what they mean.",
            "Add the checkpoint's config.json, or export the model to ONNX.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ModelLoadFailed(f"config.json is not JSON: {error}.", _CORRECT) from error
    if not isinstance(values, dict):
        raise ModelLoadFailed("config.json is not a JSON object.", _CORRECT)
    return Config(values)
