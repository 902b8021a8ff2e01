"""How large keys and values become: the graph is run on text of its own.

There is no text at hand, and no tokenizer to read it with. So the model writes some: sequences that
begin with random tokens and go on with what it thinks likely (Liu et al. 2023,
https://arxiv.org/abs/2305.17888). That is near to what it will be asked; random tokens alone are
not. They come along for the words that it does not happen to say.

The first layer sees each token by itself, and the largest keys are those of a few special ones. So
it is run over the whole vocabulary.

The weights stay in their file, mapped.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.decoder.family import read_family
from shoal_serving.artifacts.convert.decoder.scales import (
    CacheScales,
    Reach,
    reach_of_keys,
    reach_of_values,
    scales_of,
)
from shoal_serving.artifacts.convert.decoder.sizes import Sizes, read_sizes

_TOKENS = 32  # of a sequence
_SEQUENCES = 16  # of each kind
_WORDS = 512  # of the vocabulary, at a time
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_Past = dict[str, NDArray[Any]]
_Ids = NDArray[np.int64]


def calibrate(
    config: Config, model: onnx.ModelProto, tensors: Sequence[TensorProto], folder: Path
) -> CacheScales:
    """The scales for an int8 cache of a decoder, by the names of the past.

    `model` is `build_decoder`'s without scales, and `tensors` its weights, of which those that are
    external lie in `folder`. The same model always gets the same scales.

    Raises:
        ModelUnsupported: its keys or values are not finite.
    """
    model.graph.initializer.extend(tensors)
    sizes = read_sizes(config, read_family(config))
    reach: dict[str, Reach] = {}
    for past in _pasts(model, folder, sizes):
        for name, part in past.items():
            far = _reach(name, part, sizes)
            reach[name] = np.maximum(reach.get(name, far), far)
    return {name: scales_of(far) for name, far in reach.items()}


def _pasts(model: onnx.ModelProto, folder: Path, sizes: Sizes) -> Iterator[_Past]:
    """Keys and values of many tokens, of some or all layers."""
    chance = np.random.default_rng(0)
    tokens = min(_TOKENS, sizes.rope.positions)
    yield from _words(_Runs(_first_layer(model), folder), sizes.vocabulary)
    runs = _Runs(model, folder)
    past, _ = runs.step(chance.integers(0, sizes.vocabulary, (_SEQUENCES, tokens)), {}, tokens)
    yield past
    yield _written(runs, chance.integers(0, sizes.vocabulary, (_SEQUENCES, 1)), tokens, chance)


def _reach(name: str, part: NDArray[Any], sizes: Sizes) -> Reach:
    if not np.isfinite(part).all():
        raise ModelUnsupported(
            f"{name} is not finite, and cannot be kept as int8.",
            "Leave spec.generation.kvCache out, or serve another precision.",
        )
    if name.endswith(".value"):
        return reach_of_values(part)
    return reach_of_keys(part, len(sizes.rope.frequencies))


def _words(runs: "_Runs", vocabulary: int) -> Iterator[_Past]:
    """Every token by itself."""
    for start in range(0, vocabulary, _WORDS):
        past, _ = runs.step(np.arange(start, min(start + _WORDS, vocabulary))[:, None], {}, 1)
        yield past


def _written(runs: "_Runs", new: _Ids, tokens: int, chance: np.random.Generator) -> _Past:
    """Tokens that follow each other, and their first ones, as the model has it."""
    past: _Past = {}
    for length in range(1, tokens + 1):
        past, logits = runs.step(new, past, length)
        # The largest with this noise is a sample of the distribution (Gumbel 1954).
        new = (logits + chance.gumbel(size=logits.shape)).argmax(-1)[:, None]
    return past


def _first_layer(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model up to its first attention."""
    graph = model.graph
    kinds = [node.op_type for node in graph.node]
    nodes = graph.node[: kinds.index("GroupQueryAttention") + 1]
    used = {name for node in nodes for name in (*node.input, *node.output)}
    first = onnx.helper.make_graph(
        nodes,
        graph.name,
        [value for value in graph.input if value.name in used],
        [value for value in graph.output if value.name in used],
        [tensor for tensor in graph.initializer if tensor.name in used],
    )
    return onnx.helper.make_model(
        first, opset_imports=model.opset_import, ir_version=model.ir_version
    )


class _Runs:
    """A decoder's graph, or its beginning, without adapters."""

    def __init__(self, model: onnx.ModelProto, folder: Path) -> None:
        self._session = _open(model, folder)
        self._inputs = {node.name: node for node in self._session.get_inputs()}
        self._outputs = [node.name for node in self._session.get_outputs()]

    def step(self, new: _Ids, past: _Past, length: int) -> tuple[_Past, NDArray[np.float32]]:
        """What is kept after `new` tokens [rows, tokens], with which each row has that `length`,
        and the logits behind the last token of each; none where the graph ends before.
        """
        rows, tokens = new.shape
        feeds = dict(self._nothing(rows)) | past
        feeds |= {
            "input_ids": new,
            "seqlens_k": np.full(rows, length - 1, np.int32),
            "query_seqlens": np.full(rows, tokens, np.int32),
            "total_sequence_length": np.array(length, np.int32),
            "logits_indices": np.arange(rows) * tokens + tokens - 1,
            "adapter_ids": np.zeros(rows, np.int64),
            "lora.adapters": np.zeros(0, np.int64),
        }
        known = {name: value for name, value in feeds.items() if name in self._inputs}
        outputs = dict(zip(self._outputs, self._session.run(self._outputs, known), strict=True))
        logits = outputs.pop("logits", np.empty((rows, 0), np.float32))
        return {n.replace("present", "past_key_values"): v for n, v in outputs.items()}, logits

    def _nothing(self, rows: int) -> Iterator[tuple[str, NDArray[Any]]]:
        """No past, and no rows of adapters."""
        sizes = {"batch": rows, "past": 0, "lora_rows": 0}
        for name, node in self._inputs.items():
            if node.type in _DTYPES:
                shape = [sizes.get(size, size) for size in node.shape]
                yield name, np.zeros(shape, _DTYPES[node.type])


def _open(model: onnx.ModelProto, folder: Path) -> onnxruntime.InferenceSession:
    """A session that takes little memory beside the file of the weights."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # float16 weights are turned into float32 when they are used, and not all of them at first.
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    if not any(node.op_type == "MatMulNBits" for node in model.graph.node):
        # Floats are multiplied as they lie there; integers would be unpacked for every run.
        options.add_session_config_entry("session.disable_prepacking", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    where = "session.model_external_initializers_file_folder_path"
    options.add_session_config_entry(where, str(folder))
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
