"""Checkpoints of decoders, converted and opened."""

import numpy as np
import pytest
from decoder_reference import Reference
from decoders import DecoderGraph, decoder, random_weights, write_checkpoint

from shoal_serving.artifacts.convert import convert


@pytest.fixture
def checkpoint(tmp_path):
    """Write one of that family; `changes` go to config.json. Its folder, and its reference."""

    def write(architecture="Llama", dtype="F32", weights=lambda stored: stored, **changes):
        config = decoder(architecture, **changes)
        stored = weights(random_weights(config))
        write_checkpoint(tmp_path / "checkpoint", config, stored, dtype)
        return tmp_path / "checkpoint", Reference(config, stored)

    return write


@pytest.fixture
def graph(tmp_path):
    """Convert a folder and open the graph."""

    def make(folder, precision=None, lora=(), int8_cache=False):
        convert(folder, "text-generation", tmp_path / "model.onnx", precision, lora, int8_cache)
        return DecoderGraph(tmp_path / "model.onnx")

    return make


@pytest.fixture
def tokens():
    """Sequences of random tokens, of these lengths."""

    def make(*lengths):
        random = np.random.default_rng(4)
        return [random.integers(0, 61, length).tolist() for length in lengths]

    return make
