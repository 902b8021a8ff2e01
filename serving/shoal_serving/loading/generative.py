"""Models whose answers grow token by token: a decoder, its tokenizer, and its adapters."""

from dataclasses import dataclass

import numpy as np

from shoal.api.ledger import Bytes
from shoal.api.model import AdapterSource, Generation, KvCache, Precision
from shoal.api.runtime import ModelRevision, revision_name
from shoal.errors import LoadError, ModelUnsupported
from shoal_serving.artifacts import Artifact, Progress
from shoal_serving.artifacts.decoders import DecoderGraph, Lengths, find_decoder
from shoal_serving.backends.onnx import open_session, spec_of
from shoal_serving.device import Device
from shoal_serving.generate.adapters import (
    Adapter,
    AdapterStacks,
    projections_of,
    read_adapter,
)
from shoal_serving.generate.cache import KeyValues
from shoal_serving.generate.chat import ChatTemplate, open_chat_template
from shoal_serving.generate.decoder import Decoder, read_decoder
from shoal_serving.generate.defaults import read_defaults
from shoal_serving.generate.engine import Engine
from shoal_serving.generate.model import GenerativeModel
from shoal_serving.generate.prefix import BLOCK, PrefixCache
from shoal_serving.generate.room import Room, plan_room
from shoal_serving.generate.runner import Runner
from shoal_serving.generate.sampling.sampler import Sampler
from shoal_serving.generate.served import ServedAdapters
from shoal_serving.generate.vocabulary import Vocabulary, open_vocabulary
from shoal_serving.loading.conversion import converted
from shoal_serving.loading.place import Place
from shoal_serving.loading.rows import open_rows
from shoal_serving.loading.runtime import device_of, runtime_of
from shoal_serving.loading.share import session_share, weights_of
from shoal_serving.loading.trial import run_all_rows, run_trial
from shoal_serving.measure import Growth, give_back_memory
from shoal_serving.model import LoadedModel
from shoal_serving.proof import read_proof
from shoal_serving.tasks.folder import ModelFolder
from shoal_serving.tasks.text_generation import TextGeneration


@dataclass(frozen=True, slots=True)
class _Files:
    """What was fetched: the base, and each adapter with the digest of its bytes."""

    base: Artifact
    adapters: tuple[tuple[Adapter, str], ...]

    @property
    def digests(self) -> dict[str, str]:
        return {adapter.name: digest for adapter, digest in self.adapters}

    @property
    def projections(self) -> tuple[str, ...]:
        return projections_of(adapter for adapter, _ in self.adapters)


def load_generative(
    name: str,
    revision: ModelRevision,
    place: Place,
    progress: Progress,
    serving: LoadedModel | None,
) -> GenerativeModel:
    """Load a model of the task text-generation.

    `serving` is given back if only its adapters had to change.

    Raises:
        LoadError: it cannot be served; what served before still does, as it did.
    """
    files = _fetch(revision, place, progress)
    if isinstance(serving, GenerativeModel) and _differs_by_adapters(serving, revision, files):
        return _with_adapters(serving, revision, files)
    graph = _find_graph(files, revision, place, progress)
    return _loaded(name, revision, files, graph, place, progress)


def _fetch(revision: ModelRevision, place: Place, progress: Progress) -> _Files:
    base = place.fetch(revision.source, revision.cached, progress)
    sources = _generation(revision).adapters
    adapters = [_fetch_adapter(one, revision, place, progress) for one in sources]
    return _Files(base, tuple(adapters))


def _fetch_adapter(
    source: AdapterSource, revision: ModelRevision, place: Place, progress: Progress
) -> tuple[Adapter, str]:
    cached = revision.cached_adapters.get(source.name)
    try:
        artifact = place.fetch(source, cached, progress)
        return read_adapter(artifact.folder, source.name), artifact.digest
    except LoadError as error:
        # What says how to get a model right is as true of an adapter.
        action = error.action.replace("spec.source", "the adapter's")
        raise type(error)(f"Adapter {source.name}: {error.message}", action) from error


def _generation(revision: ModelRevision) -> Generation:
    return revision.text_generation or Generation()


def _device(revision: ModelRevision) -> Device:
    return device_of(runtime_of(revision))


def _differs_by_adapters(serving: GenerativeModel, revision: ModelRevision, files: _Files) -> bool:
    """Whether the loaded graph and cache will do, whatever has become of the adapters."""
    before, wanted = (
        (one.precision, one.backend, _generation(one).model_copy(update={"adapters": ()}))
        for one in (serving.config, revision)
    )
    same = serving.digest == files.base.digest and before == wanted
    return same and set(files.projections) <= set(serving.projections)


def _with_adapters(
    serving: GenerativeModel, revision: ModelRevision, files: _Files
) -> GenerativeModel:
    before = serving.adapter_digests
    stay = {name for name, digest in files.digests.items() if before.get(name) == digest}
    new = [entry for entry in files.adapters if entry[0].name not in stay]
    serving.change_adapters(new, stay)
    serving.revision = revision_name(files.base.digest, revision, files.digests)
    return serving


def _find_graph(
    files: _Files, revision: ModelRevision, place: Place, progress: Progress
) -> DecoderGraph:
    """The folder's graph, or the one that its checkpoint is converted to."""
    found = find_decoder(files.base.folder)
    if found is None:
        device = _device(revision)
        path = converted(files.base, revision, place.cache, progress, files.projections, device)
        return DecoderGraph(path, Lengths.SEQLENS_K)
    if revision.precision is not Precision.AUTO:
        raise ModelUnsupported(
            f"The source holds the graph {found.path.name}, whose precision is what it is; "
            f"{revision.precision} was asked for.",
            "Leave spec.precision out, or serve the checkpoint (safetensors).",
        )
    if _generation(revision).kv_cache is not KvCache.AUTO:
        raise ModelUnsupported(
            f"The source holds the graph {found.path.name}, whose KV cache is what it is; "
            f"{_generation(revision).kv_cache} was asked for.",
            "Leave spec.generation.kvCache out, or serve the checkpoint (safetensors).",
        )
    return found


def _loaded(
    name: str,
    revision: ModelRevision,
    files: _Files,
    graph: DecoderGraph,
    place: Place,
    progress: Progress,
) -> GenerativeModel:
    with place.measured() as growth:
        progress("load", 0, None)
        parts = _open(name, files, revision, graph, place)
        give_back_memory()
    room = _room(revision, parts, growth, place)
    model = _assembled(name, revision, files, parts, room)
    try:
        progress("prove", 0, None)
        model.prove()
    except BaseException:
        model.close()
        raise
    model.bytes = _bytes(files.base.size, growth, room, graph)
    return model


def _bytes(size: int, growth: Growth, room: Room, graph: DecoderGraph) -> Bytes:
    """With the room that is promised, of which hardly anything is taken yet."""
    return Bytes(
        file=size,
        resident=growth.resident + room.bytes,
        peak=growth.peak + room.bytes,
        gpu=weights_of(graph.path) + room.kv_bytes if room.on_gpu else 0,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is loaded, and takes the same memory however many sequences there will be."""

    folder: ModelFolder
    decoder: Decoder
    adapters: ServedAdapters
    vocabulary: Vocabulary
    template: ChatTemplate | None
    context: int


def _open(
    name: str, files: _Files, revision: ModelRevision, graph: DecoderGraph, place: Place
) -> _Parts:
    folder, generation = ModelFolder(files.base.folder), _generation(revision)
    context = min(generation.max_tokens, folder.max_length() or generation.max_tokens)
    # A step is some hundred operators with next to nothing between them: threads that sleep there
    # cost a quarter of it. Several threads are a Model's that asked for several processors.
    runtime, spinning = runtime_of(revision), place.threads > 1
    device, share = _device(revision), None
    if device is Device.CUDA:
        share = session_share(name, graph, generation.max_sequences, context, place)
    session = open_session(graph.path, runtime, place.threads, spinning, share)
    decoder = read_decoder(session, graph)
    _check_dtype(decoder, device)
    adapters = ServedAdapters(AdapterStacks(map(spec_of, session.get_inputs())))
    adapters.change(files.adapters, ())
    run_trial(decoder, adapters.stacks, context, device)
    vocabulary = open_vocabulary(folder, decoder.vocabulary)
    return _Parts(folder, decoder, adapters, vocabulary, open_chat_template(folder), context)


def _check_dtype(decoder: Decoder, device: Device) -> None:
    """What a GPU has no attention for would be computed by the CPU, and nobody told."""
    dtype = decoder.layout.dtype
    if device is Device.CUDA and dtype == np.float32:
        raise ModelUnsupported(
            f"The graph's keys and values are {dtype}; ONNX Runtime's attention on a GPU computes "
            "in float16 only.",
            "Export the model in fp16, or serve the checkpoint (safetensors), or on the CPU.",
        )


def _room(revision: ModelRevision, parts: _Parts, growth: Growth, place: Place) -> Room:
    generation = _generation(revision)
    return plan_room(
        parts.decoder.layout,
        parts.decoder.vocabulary,
        generation.max_sequences,
        parts.context,
        int(generation.prefix_cache.value),
        None if place.memory is None else place.memory - growth.peak,
        on_gpu=_device(revision) is Device.CUDA,
    )


def _assembled(
    name: str, revision: ModelRevision, files: _Files, parts: _Parts, room: Room
) -> GenerativeModel:
    decoder, adapters, task = parts.decoder, parts.adapters, TextGeneration(parts.vocabulary)
    proof = read_proof(parts.folder.path, task)
    rows = open_rows(decoder.layout, room.sequences, room.tokens, _device(revision))
    runner = _runner(decoder, rows, adapters)
    prefixes = PrefixCache(room.prefix_bytes, decoder.layout.token_bytes * BLOCK)
    engine = Engine(name, runner, Sampler(decoder.vocabulary), prefixes)
    adapters.belong_to(engine.between_steps)
    return GenerativeModel(
        name=name,
        revision=revision_name(files.base.digest, revision, files.digests),
        digest=files.base.digest,
        config=revision,
        task=task,
        proof=proof,
        engine=engine,
        adapters=adapters,
        vocabulary=parts.vocabulary,
        template=parts.template,
        defaults=read_defaults(parts.folder, decoder.vocabulary),
        room=room,
        precision=_precision(parts.folder, revision),
    )


def _runner(decoder: Decoder, rows: KeyValues, adapters: ServedAdapters) -> Runner:
    runner = Runner(decoder, rows, adapters.stacks)
    if rows.shared:
        return runner
    try:
        run_all_rows(runner)
    except BaseException:
        runner.close()
        raise
    return runner


def _precision(folder: ModelFolder, revision: ModelRevision) -> str | None:
    """What the weights are kept in; of a graph that was there already nobody knows."""
    if find_decoder(folder.path) is not None:
        return None
    if revision.precision is not Precision.AUTO:
        return revision.precision.value
    if "quantization_config" in folder.config:
        return "int4"
    return "fp16" if _device(revision) is Device.CUDA else "fp32"
