"""A model that never comes to an end: tiny-chat, without its end token and with more positions."""

import json
import shutil
from pathlib import Path
from typing import Any

from spoken import TINY_CHAT

POSITIONS = 16384


def endless(folder: Path) -> str:
    """Write it; its URI."""
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "tokenizer.json"):
        shutil.copy(TINY_CHAT / name, folder)
    _write(folder, "config.json", eos_token_id=None, max_position_embeddings=POSITIONS)
    _write(folder, "tokenizer_config.json", eos_token=None, model_max_length=POSITIONS)
    return f"file://{folder}"


def _write(folder: Path, name: str, **changes: Any) -> None:
    known = json.loads((TINY_CHAT / name).read_text())
    (folder / name).write_text(json.dumps(known | changes))
