"""Checkpoints become graphs in a process of their own: its memory is given back, and a crash of it
is no concern of the models that serve.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from shoal import errors
from shoal.api.model import Generation, KvCache, Precision
from shoal.api.runtime import ModelRevision
from shoal_serving.artifacts import Artifact, Cache, Progress
from shoal_serving.device import Device

CONVERTER = "shoal_serving.artifacts.convert"
# Bump it when the graphs that the converter writes change: cached ones are then made again.
RECIPE = "onnx-2"


def converted(
    artifact: Artifact,
    revision: ModelRevision,
    cache: Cache,
    progress: Progress,
    lora: Collection[str] = (),
    device: Device = Device.CPU,
) -> Path:
    """The graph of a checkpoint, converted once for each way to read it.

    `lora` names the projections that adapters are to change; `device` is where a decoder runs.

    Raises:
        LoadError: it cannot be converted.
    """
    progress("convert", 0, None)
    words = _words(revision, lora, device)
    recipe = "-".join([RECIPE, revision.task, *words]).replace(",", "+").replace("--", "")
    build = _converter(artifact.folder, revision.task, words)
    return cache.derive(artifact, recipe, build) / "model.onnx"


def _words(revision: ModelRevision, lora: Collection[str], device: Device) -> list[str]:
    words = [] if revision.precision is Precision.AUTO else [str(revision.precision)]
    if lora:
        words += ["--lora", ",".join(sorted(lora))]
    if (revision.text_generation or Generation()).kv_cache is KvCache.INT8:
        words.append("--int8-cache")
    if device is not Device.CPU:
        words += ["--device", device]
    return words


def _converter(folder: Path, task: str, words: list[str]) -> Callable[[Path], None]:
    return lambda out: _convert(folder, task, out / "model.onnx", words)


def _convert(folder: Path, task: str, out: Path, words: list[str]) -> None:
    # -P: a module that happens to lie in the folder we run in is not ours.
    command = [sys.executable, "-P", "-m", CONVERTER, str(folder), task, str(out), *words]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return
    said = _last_json(done.stdout)
    if said is None:
        raise errors.ModelLoadFailed(
            f"The converter died with status {done.returncode}: {_last_line(done.stderr)}.",
            "Export the checkpoint to ONNX and serve that.",
        )
    kind = _LOAD_ERRORS.get(said["reason"], errors.ModelLoadFailed)
    raise kind(said["message"], said["action"])


_LOAD_ERRORS: dict[str, type[errors.LoadError]] = {
    kind.reason: kind
    for kind in (errors.ArtifactRefused, errors.ModelUnsupported, errors.ModelLoadFailed)
}


def _last_json(text: str) -> dict[str, str] | None:
    try:
        said = json.loads(text.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return None
    return said if isinstance(said, dict) and {"reason", "message", "action"} <= set(said) else None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:500] if lines else "it said nothing"
