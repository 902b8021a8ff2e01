"""From a Hugging Face checkpoint to one ONNX graph, without torch.

    config.json ──▶ encoder (the BERT family) or decoder (the Llama family) ──▶ graph ─┐
    *.safetensors ──▶ weights, mapped and read piece by piece ─────────────────────────┴▶ file

It knows files, checkpoints and ONNX, and is the only package that imports `onnx`; run it in a
process of its own (`python -m shoal_serving.artifacts.convert`), whose memory is then given back.
It never unpickles anything and reads no tokenizer. It runs a model only to measure its keys and
values, where they are to be kept as int8.
"""

from collections.abc import Collection
from pathlib import Path

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.config import read_config
from shoal_serving.artifacts.convert.decoder import TASKS, build_decoder
from shoal_serving.artifacts.convert.encoder import build_encoder
from shoal_serving.artifacts.convert.file import save, store
from shoal_serving.artifacts.convert.precision import Precision
from shoal_serving.artifacts.convert.weights import open_weights
from shoal_serving.device import Device

__all__ = ["Device", "Precision", "convert"]


def convert(
    folder: Path,
    task: str,
    out: Path,
    precision: Precision | None = None,
    lora: Collection[str] = (),
    int8_cache: bool = False,
    device: Device = Device.CPU,
) -> None:
    """Write the checkpoint in `folder` as an ONNX model with the outputs that `task` reads.

    `build_encoder` and `build_decoder` say what the graph's inputs and outputs are. `precision`
    and `device` are for decoders: without a precision, a quantized one keeps its own weights, and
    another one computes in float32, or in float16 on a GPU. `lora`, for decoders too, names the
    projections that adapters may change; the graph then takes adapters as inputs. `int8_cache`, for
    decoders, keeps keys and values as int8, for which the graph is run on text of its own. `out`
    appears whole or not at all; the weights of all but small models lie beside it in `<out>.data`,
    and are never in memory all at once.

    Raises:
        ModelUnsupported: another architecture or variant, a head that cannot do the task, or a
            precision or projections that this checkpoint cannot have.
        ArtifactRefused: the weights are pickled.
        ModelLoadFailed: damaged files, or a weight that is missing or of the wrong shape.
    """
    weights = open_weights(folder)
    config = read_config(folder)
    if task in TASKS:
        graph = build_decoder(config, weights, precision, lora, device=device)
    elif precision not in (None, Precision.FP32):
        raise ModelUnsupported(
            f"The conversion for {task} computes in fp32; {precision} was asked for.",
            "Leave the precision out, or export the model to ONNX in the precision you want.",
        )
    elif lora:
        raise ModelUnsupported(
            f"The conversion for {task} takes no adapters; {', '.join(lora)} were to have some.",
            "Merge the adapter into its base, and serve that.",
        )
    elif int8_cache:
        raise ModelUnsupported(
            f"The conversion for {task} keeps no keys and values; int8 was asked for them.",
            "Leave the int8 cache out.",
        )
    else:
        graph = build_encoder(config, weights, task)
    tensors = store(graph.weights, out)
    if int8_cache:
        # ONNX Runtime, which other conversions need not load.
        from shoal_serving.artifacts.convert.decoder.calibration import calibrate

        scales = calibrate(config, graph.model(), tensors, out.parent)
        graph = build_decoder(config, weights, precision, lora, scales, device)
    save(graph.model(), tensors, out)
