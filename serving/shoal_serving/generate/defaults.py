"""How a model is sampled where a request does not say: by its generation_config.json, as in vLLM
(https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html, `--generation-config`).
"""

from typing import Any

from shoal.errors import InvalidRequest, ModelLoadFailed
from shoal_serving.generate.request import Sampling
from shoal_serving.generate.sampling.checks import check
from shoal_serving.tasks.folder import ModelFolder

_FILE = "generation_config.json"
_NAMES = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")


def read_defaults(folder: ModelFolder, vocabulary: int) -> Sampling:
    """The folder's own sampling; the model as it is, where no file says anything.

    Raises:
        ModelLoadFailed: a value is out of its range.
    """
    given = {name: folder.object(_FILE).get(name) for name in _NAMES}
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    wrong = [n for n, v in said.items() if isinstance(v, bool) or not isinstance(v, (int, float))]
    if wrong:
        raise _damaged(f"{wrong[0]}: expected a number, got {said[wrong[0]]!r}")
    if not isinstance(said.get("top_k", 0), int):
        raise _damaged(f"top_k: expected a whole number, got {said['top_k']!r}")
    sampling = Sampling(**said)
    try:
        check(sampling, vocabulary)
    except InvalidRequest as error:
        raise _damaged(str(error)) from error
    return sampling


def _damaged(what: str) -> ModelLoadFailed:
    return ModelLoadFailed(f"{_FILE} has {what}.", f"Correct {_FILE}, or leave the field out.")
