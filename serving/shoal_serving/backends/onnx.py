"""ONNX Runtime: one session, on the execution provider that was asked for and on no other.

Its switches are thrown here, above its import. Its wheels send telemetry unless they are told not
to. On GPUs from Hopper on it prefers cuDNN's attention, which makes a plan for every new length of
a prompt: 80 ms each time on an H200, where the run itself takes 3.
"""

import contextlib
import ctypes
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("ORT_ENABLE_CUDNN_FLASH_ATTENTION", "0")

import numpy as np
import onnxruntime as ort

from shoal.api.model import ExecutionProvider, OnnxRuntime, SessionOptions
from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import (
    InferenceFailed,
    InvalidRequest,
    MemoryExceeded,
    ModelLoadFailed,
    ProviderUnavailable,
)
from shoal_serving.backends.exhaustion import ROOM, exhaustion
from shoal_serving.tensors import DTYPES, Array, Tensors

_DATATYPES = {
    "tensor(bool)": Datatype.BOOL,
    "tensor(uint8)": Datatype.UINT8,
    "tensor(uint16)": Datatype.UINT16,
    "tensor(uint32)": Datatype.UINT32,
    "tensor(uint64)": Datatype.UINT64,
    "tensor(int8)": Datatype.INT8,
    "tensor(int16)": Datatype.INT16,
    "tensor(int32)": Datatype.INT32,
    "tensor(int64)": Datatype.INT64,
    "tensor(float16)": Datatype.FP16,
    "tensor(bfloat16)": Datatype.BF16,
    "tensor(float)": Datatype.FP32,
    "tensor(double)": Datatype.FP64,
    "tensor(string)": Datatype.BYTES,
}
_BFLOAT16 = 16  # onnx.TensorProto.BFLOAT16; `onnx` itself is not imported in a replica
_LEVELS = {
    "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_ACTION = "Export the model again, or serve it with a version of Shoal that supports it."
_LOCALE = "Install the locale that it names, or export the model with locale C."
_CAST = "Cast its BF16 inputs and outputs to FP32 inside the graph."
_CALLER_ERRORS = (
    ort.capi.onnxruntime_pybind11_state.InvalidArgument,
    ort.capi.onnxruntime_pybind11_state.RuntimeException,
    ort.capi.onnxruntime_pybind11_state.Fail,
    ValueError,
)
# The words of errors that are the machine's: its device fails.
_MACHINE = re.compile("CUDA|CUBLAS|CUDNN|TensorRT", re.IGNORECASE)
# A run gives back what of the GPU's memory it does not hold when it ends.
_SHRINK = ("memory.enable_memory_arena_shrinkage", "gpu:0")


class OnnxBackend:
    """A graph in an ONNX Runtime session; thread-safe, as the session is.

    Outputs of classical converters (a sequence of maps from label to score) become two tensors:
    `<output>` FP32 [rows, labels] and `<output>_labels` BYTES [rows, labels].
    """

    def __init__(
        self, path: Path, options: OnnxRuntime, threads: int, gpu_memory: int | None = None
    ) -> None:
        """Raises what `open_session` does."""
        self._session: ort.InferenceSession | None = open_session(
            path, options, threads, gpu_memory=gpu_memory
        )
        self._inputs = tuple(spec_of(node) for node in self._session.get_inputs())
        self._readers = {node.name: _reader(node) for node in self._session.get_outputs()}
        outputs = [spec for reader in self._readers.values() for spec in reader.specs]
        self._outputs = tuple(_with_rows(spec, self._inputs) for spec in outputs)
        specs = self._inputs + self._outputs
        self._on_gpu = self._session.get_providers()[0] == ExecutionProvider.CUDA
        self._by_value = any(spec.datatype is Datatype.BF16 for spec in specs)
        self._text = tuple(s.name for s in self._inputs if s.datatype is Datatype.BYTES)
        if self._by_value and self._text:
            raise ModelLoadFailed("ONNX Runtime cannot be given text beside BF16.", _CAST)
        self._plain = not self._text and all(reader.plain for reader in self._readers.values())

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self._outputs

    @property
    def batches(self) -> bool:
        specs = self._inputs + self._outputs
        return bool(self._inputs) and all(spec.shape[:1] == (-1,) for spec in specs)

    def run(self, inputs: Tensors, outputs: Sequence[str] | None = None) -> Tensors:
        if self._session is None:
            raise InferenceFailed("the model was unloaded")
        names = self._graph_outputs(outputs)
        if self._text:
            inputs = {n: _to_text(n, a) if n in self._text else a for n, a in inputs.items()}
        try:
            values = self._computed(names, inputs)
        except _CALLER_ERRORS as error:
            said = _first_line(error)
            if used_up := exhaustion(said):
                raise used_up from error
            if _MACHINE.search(said):
                raise InferenceFailed(f"the machine failed: {said}") from error
            raise InvalidRequest(f"the model refused these values: {said}") from error
        except Exception as error:
            raise InferenceFailed(f"ONNX Runtime failed: {_first_line(error)}") from error
        if self._plain:
            return dict(zip(names, values, strict=True))
        read: Tensors = {}
        for name, value in zip(names, values, strict=True):
            read.update(self._readers[name].read(value))
        return read

    def close(self) -> None:
        self._session = None

    def _graph_outputs(self, outputs: Sequence[str] | None) -> list[str]:
        if outputs is None:
            return list(self._readers)
        wanted = set(outputs)
        return [n for n, r in self._readers.items() if wanted & {spec.name for spec in r.specs}]

    def _computed(self, names: list[str], inputs: Tensors) -> list[Any]:
        try:
            return self._compute(names, inputs)
        except _CALLER_ERRORS as error:
            if not self._on_gpu or exhaustion(_first_line(error)) is None:
                raise
        return self._computed_in_a_whole_share(names, inputs)

    def _computed_in_a_whole_share(self, names: list[str], inputs: Tensors) -> list[Any]:
        """Other sizes that ran before can leave a share in pieces of which none is large enough,
        also for what ran well. A run that shrinks gives them back at its end, failed or not.
        """
        shrinking = ort.RunOptions()
        shrinking.add_run_config_entry(*_SHRINK)
        with contextlib.suppress(*_CALLER_ERRORS):
            return self._compute(names, inputs, shrinking)
        return self._compute(names, inputs, shrinking)

    def _compute(
        self, names: list[str], inputs: Tensors, options: ort.RunOptions | None = None
    ) -> list[Any]:
        assert self._session is not None
        if self._by_value:
            values = {name: _ort_value(array) for name, array in inputs.items()}
            return [_numpy(v) for v in self._session.run_with_ort_values(names, values, options)]
        result: list[Any] = self._session.run(names, inputs, options)
        return result


def open_session(
    path: Path,
    options: OnnxRuntime,
    threads: int,
    spinning: bool = False,
    gpu_memory: int | None = None,
) -> ort.InferenceSession:
    """A session of the graph at `path`, with `threads` threads inside an operator.

    `spinning`: they spin for a moment when they have nothing to do, also where nobody asked for it.
    `gpu_memory`: the bytes that weights and activations may take on a GPU; None means all of it.

    Raises:
        ProviderUnavailable: an execution provider asked for is not here, or did not start.
        MemoryExceeded: there is no memory for its weights.
        ModelLoadFailed: ONNX Runtime refused the graph.
    """
    wanted = [str(p) for p in options.execution_providers] or [str(ExecutionProvider.CPU)]
    _check_present(wanted)
    try:
        session = ort.InferenceSession(
            str(path),
            _session_options(options.session_options, threads, spinning),
            providers=[_with_options(provider, gpu_memory) for provider in wanted],
            enable_fallback=0,  # else a provider that fails while it runs is replaced by the CPU
        )
    except Exception as error:
        said = _first_line(error)
        if used_up := exhaustion(said):
            raise MemoryExceeded(f"{path.name} cannot be loaded: {used_up}.", f"{ROOM}.") from error
        action = _LOCALE if "construct locale" in said else _ACTION
        raise ModelLoadFailed(f"ONNX Runtime cannot load {path.name}: {said}.", action) from error
    _check_used(wanted, session.get_providers())
    return session


def _with_options(provider: str, gpu_memory: int | None) -> str | tuple[str, dict[str, str]]:
    """CUDA's arena grows by what is asked for, and no further than the share: its default doubles,
    and leaves a model's keys and values no room.

    https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html
    """
    if provider != ExecutionProvider.CUDA:
        return provider
    growth = {"arena_extend_strategy": "kSameAsRequested"}
    limit = {} if gpu_memory is None else {"gpu_mem_limit": str(gpu_memory)}
    return provider, growth | limit


def _check_present(wanted: list[str]) -> None:
    present = ort.get_available_providers()
    missing = [provider for provider in wanted if provider not in present]
    if missing:
        raise ProviderUnavailable(
            f"{', '.join(missing)} is not in this build of ONNX Runtime, "
            f"which has {', '.join(present)}.",
            "Change spec.backend.onnxRuntime.executionProviders, or use the GPU image.",
        )
    if wanted != [ExecutionProvider.CPU]:
        ort.preload_dlls()  # CUDA's libraries, where they are Python packages


def _check_used(wanted: list[str], used: list[str]) -> None:
    """ONNX Runtime falls back to the CPU with a log line where a provider cannot start."""
    missing = [provider for provider in wanted if provider not in used]
    if missing:
        raise ProviderUnavailable(
            f"{', '.join(missing)} could not be started; ONNX Runtime offered {', '.join(used)}.",
            "Check the GPU, its driver and the CUDA libraries of the image; "
            "or ask for CPUExecutionProvider.",
        )


def _session_options(options: SessionOptions, threads: int, spinning: bool) -> ort.SessionOptions:
    session = ort.SessionOptions()
    session.intra_op_num_threads = threads
    session.inter_op_num_threads = options.inter_op_num_threads
    session.graph_optimization_level = _LEVELS[options.graph_optimization_level]
    parallel = options.execution_mode == "parallel"
    mode = ort.ExecutionMode
    session.execution_mode = mode.ORT_PARALLEL if parallel else mode.ORT_SEQUENTIAL
    session.enable_mem_pattern = options.enable_mem_pattern
    session.enable_cpu_mem_arena = options.enable_cpu_mem_arena
    session.log_severity_level = 4  # what fails is raised, and callers could fill the log with it
    spins = "1" if options.allow_spinning or spinning else "0"
    session.add_session_config_entry("session.intra_op.allow_spinning", spins)
    session.add_session_config_entry("session.inter_op.allow_spinning", spins)
    return session


def spec_of(node: Any) -> TensorSpec:
    """What a session says of one of its inputs or outputs.

    Raises:
        ModelLoadFailed: it is no tensor of a datatype that is known.
    """
    if node.type not in _DATATYPES:
        raise ModelLoadFailed(f"{node.name!r} is a {node.type}, which has no datatype.", _ACTION)
    return TensorSpec(name=node.name, datatype=_DATATYPES[node.type], shape=_shape(node.shape))


def _shape(shape: Sequence[object] | None) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) and size >= 0 else -1 for size in shape or ())


def _with_rows(output: TensorSpec, inputs: Sequence[TensorSpec]) -> TensorSpec:
    """An output that declares one row of any number (LightGBM's converter does) has any number."""
    if output.shape[:1] != (1,) or not inputs or any(i.shape[:1] != (-1,) for i in inputs):
        return output
    return output.model_copy(update={"shape": (-1, *output.shape[1:])})


class _Reader:
    """How one output of the graph becomes tensors. `plain`: it already is one."""

    def __init__(
        self, specs: tuple[TensorSpec, ...], read: Callable[[Any], Tensors], plain: bool = False
    ) -> None:
        self.specs = specs
        self.read = read
        self.plain = plain


def _reader(node: Any) -> _Reader:
    if node.type.startswith("seq(map("):
        return _map_reader(node.name)
    spec = spec_of(node)
    name = spec.name  # and not the node, which would keep the whole session in memory
    if spec.datatype is Datatype.BYTES:
        return _Reader((spec,), lambda value: {name: _to_bytes(value)})
    return _Reader((spec,), lambda value: {name: value}, plain=True)


def _map_reader(name: str) -> _Reader:
    scores = TensorSpec(name=name, datatype=Datatype.FP32, shape=(-1, -1))
    labels = TensorSpec(name=f"{name}_labels", datatype=Datatype.BYTES, shape=(-1, -1))
    return _Reader((scores, labels), lambda rows: _read_maps(name, rows))


def _read_maps(name: str, rows: list[dict[Any, float]]) -> Tensors:
    shape = (len(rows), len(rows[0]) if rows else 0)
    labels = np.empty(shape, dtype=np.object_)
    labels[:] = [[str(label).encode() for label in row] for row in rows]
    scores = np.array([list(row.values()) for row in rows], dtype=np.float32).reshape(shape)
    return {name: scores, f"{name}_labels": labels}


def _to_text(name: str, array: Array) -> Array:
    try:
        flat = [value.decode() if isinstance(value, bytes) else value for value in array.flat]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"input '{name}': expected UTF-8 text, got {error}", name) from error
    text = np.empty(len(flat), dtype=np.object_)
    text[:] = flat
    return text.reshape(array.shape)


def _to_bytes(array: Array) -> Array:
    flat = np.empty(array.size, dtype=np.object_)
    flat[:] = [str(value).encode() for value in array.flat]
    return flat.reshape(array.shape)


def _ort_value(array: Array) -> ort.OrtValue:
    if array.dtype.name != "bfloat16":
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
    bits = np.ascontiguousarray(array).view(np.uint16)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, _BFLOAT16)


def _numpy(value: ort.OrtValue) -> Array:
    if value.element_type() == _BFLOAT16:
        return _bfloat16(value)
    array: Array = value.numpy()
    return array


def _bfloat16(value: ort.OrtValue) -> Array:
    """A copy, made by hand because ONNX Runtime knows no NumPy type for it."""
    shape = value.shape()
    bits = (ctypes.c_uint16 * math.prod(shape)).from_address(value.data_ptr())
    array: Array = np.array(bits, dtype=np.uint16).view(DTYPES[Datatype.BF16]).reshape(shape)
    return array


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:500] if str(error).strip() else type(error).__name__
