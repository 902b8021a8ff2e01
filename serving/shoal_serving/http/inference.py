"""The Open Inference Protocol v2 and the parts of Triton's extensions that ask and never change.

Sources: the Open Inference Protocol's REST specification; Triton's documents of its statistics,
model configuration and model repository extensions (their JSON shapes, seconds here nanoseconds
there).
"""

from typing import Any

from shoal import __version__
from shoal.api.ledger import ReplicaState
from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import InvalidRequest, ModelNotFound
from shoal_serving.http import oip, texts
from shoal_serving.http.generating import generates
from shoal_serving.http.message import BINARY, JSON, Request, Response
from shoal_serving.http.oip.wording import shown
from shoal_serving.model import LoadedModel
from shoal_serving.stats import Sum

EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
]
HEADER_LENGTH = b"inference-header-content-length"
PLATFORM = "onnxruntime_onnx"
# They are said to the server; what is left is said to the task.
_PROTOCOL_PARAMETERS = frozenset(
    {
        "binary_data_output",
        "timeout",
        "priority",
        "sequence_id",
        "sequence_start",
        "sequence_end",
    }
)
_LARGEST_TIMEOUT_US = 2**63 - 1
_LONGEST_LENGTH = 18  # digits; Python refuses to read numbers of thousands of them
# Triton's configuration spells two datatypes in its own way.
_CONFIG_DATATYPES = {Datatype.BYTES: "TYPE_STRING"}


async def server_metadata(request: Request, revision: str | None) -> Response:
    serving = request.model.serving
    more = ["generate"] if serving is not None and generates(serving) else []
    return Response.json(
        {"name": "shoal", "version": __version__, "extensions": [*EXTENSIONS, *more]}
    )


async def live(request: Request, revision: str | None) -> Response:
    return Response(200, b"")


async def ready(request: Request, revision: str | None) -> Response:
    """200 when an inference would be answered. A revision that is not loaded is a 404."""
    loaded(request, revision)
    return Response(200, b"")


async def model_metadata(request: Request, revision: str | None) -> Response:
    model = loaded(request, revision)
    return Response.json(
        {
            "name": model.name,
            "versions": [model.revision],
            "platform": PLATFORM,
            "inputs": [_described(spec) for spec in model.inputs],
            "outputs": [_described(spec) for spec in model.outputs],
            "parameters": {
                "task": model.config.task.value,
                "max_batch_size": model.max_batch_size,
                "batching": model.batches,
            },
        }
    )


async def infer(request: Request, revision: str | None) -> Response:
    """Tensors in, tensors out."""
    body = await request.body()
    model = loaded(request, revision)
    asked = oip.decode(body, _header_length(request), model.inputs)
    oip.check_outputs(asked, model.outputs)
    timeout = _timeout(asked.parameters.get("timeout"))
    parameters = {n: v for n, v in asked.parameters.items() if n not in _PROTOCOL_PARAMETERS}
    query = model.task.from_tensors(asked.inputs, parameters)
    if generates(model) and query.stream:
        raise InvalidRequest("stream: an inference has one answer; ask generate_stream", "stream")
    answer = await texts.answer(request, model, query, timeout)
    outputs = model.task.to_tensors(answer)
    parts, length = oip.encode(model.name, model.revision, outputs, asked)
    if length is None:
        return Response(200, bytes(parts[0]), JSON)
    return Response(200, b"".join(parts), BINARY, [(HEADER_LENGTH, b"%d" % length)])


async def config(request: Request, revision: str | None) -> Response:
    """Triton's model configuration, as far as there is something true to say."""
    model = loaded(request, revision)
    batches = model.max_batch_size if model.batches else 0
    return Response.json(
        {
            "name": model.name,
            "platform": PLATFORM,
            "backend": "onnxruntime",
            "max_batch_size": batches,
            "input": [_configured(spec, model.batches) for spec in model.inputs],
            "output": [_configured(spec, model.batches) for spec in model.outputs],
            **({"dynamic_batching": {}} if model.batches else {}),
        }
    )


async def statistics(request: Request, revision: str | None) -> Response:
    model = loaded(request, revision)
    return Response.json({"model_stats": [_statistics(model)]})


async def index(request: Request, revision: str | None) -> Response:
    """The repository index: this one model, and why it is not ready if it is not."""
    hosted = request.model
    serving, failure = hosted.serving, hosted.failure
    entry = {
        "name": hosted.name,
        "version": serving.revision if serving else "",
        "state": "READY" if serving else _INDEX_STATES[hosted.state],
        "reason": failure.message if failure and not serving else "",
    }
    return Response.json([entry])


_INDEX_STATES = {
    ReplicaState.LOADING: "LOADING",
    ReplicaState.READY: "READY",
    ReplicaState.FAILED: "UNAVAILABLE",
    ReplicaState.DRAINING: "UNLOADING",
}


def loaded(request: Request, revision: str | None) -> LoadedModel:
    """The model, if it has the revision that the address names.

    Raises:
        Overloaded: nothing is loaded yet.
        ModelNotFound: another revision is.
    """
    model = request.serving
    if revision is not None and revision != model.revision:
        raise ModelNotFound(
            f"revision {revision!r} of {model.name} is not loaded; loaded: {model.revision}"
        )
    return model


def _header_length(request: Request) -> int | None:
    value = request.headers.get(HEADER_LENGTH)
    if value is None:
        return None
    if not value.isdigit() or len(value) > _LONGEST_LENGTH:
        shown = value[:_LONGEST_LENGTH].decode("latin-1")
        raise InvalidRequest(f"Inference-Header-Content-Length: expected a number, got {shown!r}")
    return int(value)


def _timeout(value: Any) -> float | None:
    """Triton's `timeout` parameter, which is in microseconds, in seconds."""
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not 0 <= value <= _LARGEST_TIMEOUT_US
    ):
        raise InvalidRequest(
            f"parameter 'timeout': expected microseconds as a whole number, got {shown(value)}",
            "timeout",
        )
    return value / 1e6 if value else None


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype.value, "shape": list(spec.shape)}


def _configured(spec: TensorSpec, batched: bool) -> dict[str, Any]:
    datatype = _CONFIG_DATATYPES.get(spec.datatype, f"TYPE_{spec.datatype.value}")
    return {
        "name": spec.name,
        "data_type": datatype,
        "dims": list(spec.shape[1:] if batched else spec.shape),
        **({"optional": True} if spec.optional else {}),
    }


def _statistics(model: LoadedModel) -> dict[str, Any]:
    """Triton's statistics, where queue and compute count what was asked, not the batches of it
    (`execution_count`). Times are sums in nanoseconds; a failure's time is not kept apart, nor
    that of reading inputs and writing outputs; there is no cache.
    """
    stats = model.statistics
    no_time = {"count": stats.runs.count, "ns": 0}
    return {
        "name": model.name,
        "version": model.revision,
        "last_inference": int(stats.last_inference * 1000),
        "inference_count": int(stats.rows.total),
        "execution_count": stats.rows.count,
        "inference_stats": {
            "success": {"count": stats.served, "ns": _nanoseconds(stats.latency.total)},
            "fail": {"count": stats.failed, "ns": 0},
            "queue": _duration(stats.waits),
            "compute_input": no_time,
            "compute_infer": _duration(stats.runs),
            "compute_output": no_time,
            "cache_hit": {"count": 0, "ns": 0},
            "cache_miss": {"count": 0, "ns": 0},
        },
        "batch_stats": [_batches(rows, ran) for rows, ran in sorted(stats.batches.items())],
    }


def _batches(rows: int, ran: Sum) -> dict[str, Any]:
    no_time = {"count": ran.count, "ns": 0}
    return {
        "batch_size": rows,
        "compute_input": no_time,
        "compute_infer": _duration(ran),
        "compute_output": no_time,
    }


def _duration(times: Sum) -> dict[str, int]:
    return {"count": times.count, "ns": _nanoseconds(times.total)}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
