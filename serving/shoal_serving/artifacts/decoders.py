"""What a folder with a decoder holds: a checkpoint to convert, or a graph, and of which interface.

ONNX Runtime GenAI's builder (https://onnxruntime.ai/docs/genai/reference/config.html) writes a
`genai_config.json` beside its graph, which names the graph's file and inputs. Nothing else is
opened, and no graph is read.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from shoal.errors import ModelLoadFailed, ModelUnsupported

_GENAI = "genai_config.json"
_GRAPH = "model.onnx"


class Lengths(StrEnum):
    """The input by which a graph learns how long each sequence is.

    SEQLENS_K: INT32 [batch], each length less 1, with `total_sequence_length`, as the converter
    writes it. ATTENTION_MASK: INT64 [batch, total], as many leading ones as each is long.
    """

    SEQLENS_K = "seqlens_k"
    ATTENTION_MASK = "attention_mask"


@dataclass(frozen=True, slots=True)
class DecoderGraph:
    """A graph that is there, and how it is driven.

    `head_size` is that of keys and values, where the graph itself need not say it.
    """

    path: Path
    lengths: Lengths
    head_size: int | None = None


def find_decoder(folder: Path) -> DecoderGraph | None:
    """The folder's graph, or None where there is only a checkpoint to convert.

    A `model.onnx` that the builder has not described is taken to be the converter's own.

    Raises:
        ModelUnsupported: a graph that is driven in another way, such as over a paged cache.
        ModelLoadFailed: a damaged `genai_config.json`, or a graph that is not there.
    """
    if (folder / _GENAI).is_file():
        return _read_genai(folder)
    if (folder / _GRAPH).is_file():
        return DecoderGraph(folder / _GRAPH, Lengths.SEQLENS_K)
    return None


def _read_genai(folder: Path) -> DecoderGraph:
    try:
        decoder: Any = json.loads((folder / _GENAI).read_bytes())["model"]["decoder"]
        name, inputs = decoder["filename"], set(decoder["inputs"].values())
        head_size = int(decoder["head_size"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(f"does not describe a decoder: {error!r}") from error
    if not isinstance(name, str) or Path(name).name != name or not (folder / name).is_file():
        raise _damaged(f"names the graph {name!r}, which is not in the folder")
    for lengths in Lengths:
        if lengths in inputs and "input_ids" in inputs:
            return DecoderGraph(folder / name, lengths, head_size)
    raise ModelUnsupported(
        f"The graph {name} has the inputs {', '.join(sorted(map(str, inputs)))}; "
        f"a decoder is driven by input_ids and {' or '.join(Lengths)}.",
        "Build it again without use_paged_attention and without inputs_embeds.",
    )


def _damaged(what: str) -> ModelLoadFailed:
    return ModelLoadFailed(f"{_GENAI} {what}.", "Build the model again with onnxruntime-genai.")
