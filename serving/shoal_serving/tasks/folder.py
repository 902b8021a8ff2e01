"""A model's folder, as Hugging Face and sentence-transformers lay it out: JSON beside a graph.

It reads configuration and says which labels, lengths and ids follow from it. It never opens weights
or graphs, and an absent file is an empty one: what is needed is asked for by whoever needs it.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from shoal.errors import ModelLoadFailed

# Position ids of these begin after the padding id, so that many positions are never used
# (`create_position_ids_from_input_ids` in transformers).
_POSITIONS_AFTER_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
_UNLIMITED = 1_000_000  # transformers writes 1e30 for "no limit"


class ModelFolder:
    """The configuration files of one model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def config(self) -> dict[str, Any]:
        return self.object("config.json")

    @cached_property
    def tokenizer_config(self) -> dict[str, Any]:
        return self.object("tokenizer_config.json")

    @cached_property
    def sentence_config(self) -> dict[str, Any]:
        return self.object("sentence_bert_config.json")

    @cached_property
    def genai(self) -> dict[str, Any]:
        """What ONNX Runtime GenAI's builder says of the model, in place of config.json."""
        model = self.object("genai_config.json").get("model", {})
        return model if isinstance(model, dict) else {}

    def object(self, name: str) -> dict[str, Any]:
        """The JSON object in the file `name`; empty where there is no such file.

        Raises:
            ModelLoadFailed: the file holds something else.
        """
        value = self._json(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise _unreadable(name, "it does not hold a JSON object")
        return value

    def array(self, name: str) -> list[Any] | None:
        """The JSON array in the file `name`; None where there is no such file.

        Raises:
            ModelLoadFailed: the file holds something else.
        """
        value = self._json(name)
        if value is not None and not isinstance(value, list):
            raise _unreadable(name, "it does not hold a JSON array")
        return value

    def _json(self, name: str) -> Any:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise _unreadable(name, "it lies outside of the model's folder")
        try:
            return json.loads((self.path / name).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise _unreadable(name, str(error)) from error

    def labels(self) -> list[str]:
        """`id2label` of config.json in order of the ids; empty where it is not given."""
        named = self.config.get("id2label") or {}
        if sorted(named) != sorted(map(str, range(len(named)))):
            raise _unreadable("config.json", f"id2label has gaps: {', '.join(sorted(named))}")
        return [str(named[str(index)]) for index in range(len(named))]

    def max_length(self) -> int | None:
        """The longest sequence in tokens, special ones included; None where no file says."""
        limits = [
            self.tokenizer_config.get("model_max_length"),
            self.sentence_config.get("max_seq_length"),
            self._positions(),
            self.genai.get("context_length"),
        ]
        known = [int(limit) for limit in limits if limit and 0 < limit < _UNLIMITED]
        return min(known, default=None)

    def _positions(self) -> int | None:
        positions = self.config.get("max_position_embeddings") or self.config.get("n_positions")
        if positions is None or self.config.get("model_type") not in _POSITIONS_AFTER_PADDING:
            return positions
        return int(positions) - self.pad_token_id - 1

    @property
    def pad_token_id(self) -> int:
        """The padding id of config.json, which may leave out what transformers takes as given."""
        after = self.config.get("model_type") in _POSITIONS_AFTER_PADDING
        stated = self.config.get("pad_token_id")
        return int(after) if stated is None else int(stated)

    def pad_token(self) -> str | None:
        """The padding token as the tokenizer's files name it."""
        return self.special_token("pad_token")

    def special_token(self, name: str) -> str | None:
        """The text of a token that the tokenizer's files name, such as `bos_token`."""
        files = (self.tokenizer_config, self.object("special_tokens_map.json"))
        for token in (file.get(name) for file in files):
            if token:
                return str(token["content"] if isinstance(token, dict) else token)
        return None


def _unreadable(name: str, problem: str) -> ModelLoadFailed:
    return ModelLoadFailed(f"{name} cannot be used: {problem}.", "Repair the file in the source.")
