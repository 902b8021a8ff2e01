"""tiny-chat and its adapters, with what transformers and PEFT generate with them."""

import asyncio
import contextlib
import json
from pathlib import Path

from shoal.api.model import (
    AdapterSource,
    Backend,
    Batching,
    OnnxRuntime,
    Precision,
    Quantity,
    Source,
    Task,
)
from shoal.api.model import Generation as GenerationSpec
from shoal.api.runtime import ModelRevision
from shoal_serving.generate.request import Generation, Sampling, Stopping
from shoal_serving.loading import load_model

MODELS = Path(__file__).parents[2] / "manifests" / "samples" / "models"
TINY_CHAT = MODELS / "tiny-chat"
ADAPTERS = ("pirate", "terse")
END = 2
# As many tokens as the references have at most.
LONGEST = 48


def adapter_folder(name):
    return MODELS / f"tiny-chat-lora-{name}"


def references():
    """(prompt, greedy answer) of the model itself."""
    entries = json.loads((TINY_CHAT / "reference-greedy.json").read_bytes())
    return [(entry["prompt_ids"], entry["greedy_ids"]) for entry in entries]


def adapter_references(name):
    """(prompt, greedy answer) with an adapter."""
    cases = json.loads((adapter_folder(name) / "reference.json").read_bytes())["cases"]
    return [(case["prompt_ids"], case["greedy_ids"]) for case in cases]


def revision(adapters=(), precision="auto", generation=1, folder=TINY_CHAT, **limits):
    """A revision of tiny-chat; `limits` are its `generation`'s."""
    sources = tuple(
        AdapterSource(name=name, uri=f"file://{adapter_folder(name)}") for name in adapters
    )
    return ModelRevision(
        generation=generation,
        task=Task.TEXT_GENERATION,
        source=Source(uri=f"file://{folder}"),
        backend=Backend(onnx_runtime=OnnxRuntime()),
        batching=Batching(),
        precision=Precision(precision),
        text_generation=GenerationSpec(
            **{"max_sequences": 8, "prefix_cache": Quantity("4Mi")} | limits, adapters=sources
        ),
    )


@contextlib.contextmanager
def loader(place, asked=lambda revision: revision):
    """Loads revisions of tiny-chat, as `asked` changes them; closes what it loaded at the end."""
    models = []

    def load(serving=None, **fields):
        wanted = asked(revision(**fields))
        model = load_model("chat", wanted, place, lambda *step: None, serving)
        if model is not serving:
            models.append(model)
        return model

    yield load
    for model in models:
        model.close()


def greedy(prompt, most=LONGEST, adapter=None, **stopping):
    sampling, stopping = Sampling(temperature=0), Stopping(max_tokens=most, **stopping)
    return Generation(tuple(prompt), sampling, stopping, adapter=adapter)


async def answer(model, generation):
    """The tokens that are generated, but for the one that ends them."""
    stream = await model.start(generation)
    tokens = [token async for delta in stream for token in delta.tokens]
    return tokens[:-1] if tokens[-1:] == [END] else tokens


async def answers(model, generations):
    """Of all of them, at once."""
    return await asyncio.gather(*(answer(model, generation) for generation in generations))
