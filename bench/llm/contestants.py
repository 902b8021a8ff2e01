"""Who takes part, and how each gets the model in its own form."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import environments
from bench.llm.engine import ROOT, Engine, EngineFailed, told
from bench.llm.work import TINY

HERE = Path(__file__).parent / "engines"
FP32, INT4 = "fp32", "int4"
# One for each core; everyone has as many.
THREADS = "2"
# Our rows of the cache; those of a static batch are its prompts.
SEQUENCES = "32"


@dataclass(frozen=True)
class Model:
    """A checkpoint; `parameters` are those of a step's products, `new` the tokens of an answer."""

    name: str
    folder: Path
    parameters: int
    new: int


def models() -> list[Model]:
    """The small one of the repository, and one of a real size, written on first use."""
    folder = environments.cache() / "llm" / "llama-72m"
    if not (folder / "model.safetensors").exists():
        _python(Path(sys.executable), "bench.llm.checkpoint", str(folder))
    return [Model("tiny-chat", TINY, 1_966_080, 64), Model("llama-72m", folder, 72_048_640, 32)]


@dataclass(frozen=True)
class Contestant:
    """`start` begins its process with a model in a precision; `requirements` are in this folder."""

    name: str
    precisions: tuple[str, ...]
    start: Callable[["Contestant", Model, str, Path], Engine]
    requirements: str | None = None
    building: tuple[tuple[str, str], ...] = ()

    @property
    def python(self) -> Path:
        """The interpreter of its environment, made on first use.

        Raises:
            EnvironmentFailed: it cannot be made here.
        """
        if self.requirements is None:
            return Path(sys.executable)
        kind = self.requirements.partition("-")[0]
        return environments.python(f"llm-{kind}", HERE / self.requirements, dict(self.building))


def ours(
    model: Model,
    precision: str,
    log: Path,
    sequences: str = SEQUENCES,
) -> Engine:
    """Ours, with so many rows."""
    cache = environments.cache() / "llm" / "ours"
    arguments = [str(model.folder), precision, THREADS, sequences, str(cache)]
    return Engine("ours", Path(sys.executable), "ours", arguments, log)


def _ours(_: Contestant, model: Model, precision: str, log: Path) -> Engine:
    return ours(model, precision, log)


def _genai(who: Contestant, model: Model, precision: str, log: Path) -> Engine:
    folder = _derived(model, f"genai-{precision}")
    if not (folder / "genai_config.json").exists():
        builder = ("onnxruntime_genai.models.builder", "-e", "cpu", "-p", precision)
        paths = ("-i", str(model.folder), "-o", str(folder), "-c", str(folder.parent / "hub"))
        _python(who.python, *builder, "-m", model.name, *paths)
    return Engine(who.name, who.python, "genai", [str(folder), THREADS], log)


def _transformers(who: Contestant, model: Model, _: str, log: Path) -> Engine:
    return Engine(who.name, who.python, "huggingface", [str(model.folder), THREADS], log)


def _llama(who: Contestant, model: Model, precision: str, log: Path) -> Engine:
    kind = {FP32: "F32", INT4: "Q4_0"}[precision]
    file = _derived(model, f"{kind}.gguf")
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        module = "bench.llm.engines.gguf_of"
        _python(who.python, module, str(model.folder), str(file), kind)
    return Engine(who.name, who.python, "llama", [str(file), THREADS], log)


CONTESTANTS = (
    Contestant("ours", (FP32, INT4), _ours),
    Contestant("genai", (FP32, INT4), _genai, "torch-requirements.txt"),
    Contestant(
        "llama.cpp",
        (FP32, INT4),
        _llama,
        "llama-requirements.txt",
        (("CMAKE_ARGS", "-DLLAVA_BUILD=OFF"), ("CMAKE_BUILD_PARALLEL_LEVEL", THREADS)),
    ),
    Contestant("transformers", (FP32,), _transformers, "torch-requirements.txt"),
)


def pinned(names: Sequence[str]) -> list[str]:
    """Each with the version that its requirements pin."""
    pins = "\n".join(file.read_text() for file in HERE.glob("*-requirements.txt"))
    found = ((name, re.search(rf"^{re.escape(name)}==(\S+)", pins, re.MULTILINE)) for name in names)
    return [f"{name} {match[1]}" for name, match in found if match]


def _derived(model: Model, name: str) -> Path:
    return environments.cache() / "llm" / f"{model.name}-derived" / name


def _python(python: Path, module: str, *arguments: str) -> None:
    """Run a module to its end.

    Raises:
        EngineFailed: it failed.
    """
    command = [str(python), "-m", module, *arguments]
    env = {**os.environ, **told()}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT)
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
        raise EngineFailed(f"{module}: {said[-1][:300]}")
