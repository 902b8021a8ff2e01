"""How a model's share of a GPU is divided, before anything of it is taken.

Keys and values lie beside the memory of ONNX Runtime's session, whose arena grows until it holds
what it may. So the session gets the share without them, and without what CUDA takes for itself.
"""

from pathlib import Path

from shoal_serving.artifacts.decoders import DecoderGraph
from shoal_serving.generate.graph_layout import read_layout
from shoal_serving.loading.place import Place


def session_share(
    name: str, graph: DecoderGraph, sequences: int, tokens: int, place: Place
) -> int | None:
    """The bytes that the session may take on the GPU; None means all of it.

    Raises:
        MemoryExceeded: the weights and the keys and values of so many `sequences` of `tokens` are
            more than the share.
        ModelLoadFailed: the graph's file is no graph.
        ModelUnsupported: it does not say what its keys and values are.
    """
    room = place.gpu_room
    if room is None:
        return None
    kept = read_layout(graph).token_bytes * tokens * sequences
    place.check_gpu(name, weights_of(graph.path) + kept, "spec.generation.maxSequences")
    return room - kept


def weights_of(path: Path) -> int:
    """The bytes of a graph and of the files beside it that hold its weights."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
