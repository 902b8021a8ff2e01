"""Which revision of a Model its replicas are told to serve, and which one to fall back on.

A replica that starts afresh must be able to serve even when the newest revision does not load. So
the configuration carries the last revision that was seen to serve, with the digest of its bytes,
and keeps it until another one has been seen to serve.
"""

from collections.abc import Sequence

from shoal.api import (
    Generation,
    Model,
    ModelConfig,
    ModelRevision,
    ReplicaReport,
    ReplicaState,
    Task,
    same_artifact,
)
from shoal.api.model import Digest
from shoal.plan.observed import ObservedModel, application_of
from shoal.plan.ray_states import is_building
from shoal.plan.told import told_attempt


def model_config(observed: ObservedModel, told: ModelConfig | None) -> ModelConfig:
    """The configuration of one Model, given what its replicas were told before and say now."""
    meta = observed.model.metadata
    proven = _proven(told, observed) if told is not None and told.uid == meta.uid else None
    wanted = _wanted(observed.model, proven)
    return ModelConfig(
        namespace=meta.namespace or "",
        name=meta.name,
        uid=meta.uid,
        wanted=wanted,
        fallback=None if proven is None or same_artifact(proven, wanted) else proven,
        first_attempt=_first_attempt(observed, told),
    )


def _first_attempt(observed: ObservedModel, told: ModelConfig | None) -> int:
    meta = observed.model.metadata
    if told is not None and (told.uid, told.wanted.generation) == (meta.uid, meta.generation):
        return told.first_attempt
    service = observed.fleet.ray_service if observed.fleet is not None else None
    before = service.spec.serve_config if service is not None else ""
    return told_attempt(before, application_of(observed.model))


def _wanted(model: Model, proven: ModelRevision | None) -> ModelRevision:
    """What the Model asks for.

    With the digest of the bytes that serve now, if those are from the same source, replicas that
    start later serve what the others serve, whatever has become of the source.
    """
    spec = model.spec
    same_source = proven is not None and proven.source == spec.source
    generates = spec.task is Task.TEXT_GENERATION
    generation = (spec.generation or Generation()) if generates else None
    return ModelRevision(
        generation=model.metadata.generation,
        task=spec.task,
        source=spec.source,
        backend=spec.backend,
        batching=spec.batching,
        precision=spec.precision,
        text_generation=generation,
        cached=proven.cached if proven is not None and same_source else None,
        cached_adapters=_cached_adapters(generation, proven),
    )


def _cached_adapters(
    generation: Generation | None, proven: ModelRevision | None
) -> dict[str, Digest]:
    """The digests of the adapters that serve now and still come from the same source."""
    if generation is None or proven is None or proven.text_generation is None:
        return {}
    same = [one.name for one in generation.adapters if one in proven.text_generation.adapters]
    known = proven.cached_adapters
    return {name: known[name] for name in same if name in known}


def _proven(told: ModelConfig, observed: ObservedModel) -> ModelRevision | None:
    """The newest revision that was seen to serve, with the digest of its bytes.

    While a replica loads, or any application of the Fleet is being built, nothing new counts: a
    changed configuration would begin that anew.
    """
    known = told.fallback or (told.wanted if told.wanted.cached else None)
    loads = any(entry.state is ReplicaState.LOADING for entry in observed.replicas)
    service = observed.fleet.ray_service if observed.fleet is not None else None
    if loads or is_building(service):
        return known
    return _seen(told.wanted, observed.replicas) or known


def _seen(revision: ModelRevision, replicas: Sequence[ReplicaReport]) -> ModelRevision | None:
    """The revision with the digests that those have who serve it, if any does."""
    serving = [entry for entry in replicas if entry.served_generation == revision.generation]
    held = [(entry.digest, entry.adapters) for entry in serving if entry.digest is not None]
    if not held:
        return None
    known = (revision.cached, revision.cached_adapters)
    digest, adapters = known if known in held else held[0]
    return revision.model_copy(update={"cached": digest, "cached_adapters": adapters})
