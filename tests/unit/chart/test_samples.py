"""The samples for Kubernetes: each is sound, and together they show every field."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from shoal.api import Fleet, FleetSpec, Model, ModelSpec, parse_resource
from shoal.api.base import Spec

ROOT = Path(__file__).parents[3] / "manifests" / "samples"
FILES = sorted((ROOT / "kubernetes").rglob("*.yaml"))


def resources(file: Path) -> Iterator[Model | Fleet]:
    for document in yaml.safe_load_all(file.read_text()):
        if document["apiVersion"].startswith("shoal.dev/"):
            yield parse_resource(document)


EVERY = [resource for file in FILES for resource in resources(file)]
MODELS = [one for one in EVERY if isinstance(one, Model)]
FLEETS = [one for one in EVERY if isinstance(one, Fleet)]
NOT_SHOWN = {
    # As those of the Model's own source.
    "AdapterSource.digest",
    "AdapterSource.secret_name",
    # A sample that names a class could be used where there is one of that name only.
    "RocksDB.storage_class_name",
}


def said(spec: Spec) -> Iterator[str]:
    """Every field of it that has a value, and of what is in it."""
    for name in spec.model_fields_set:
        yield f"{type(spec).__name__}.{name}"
        value = getattr(spec, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Spec):
                yield from said(one)


def known(kind: Any) -> Iterator[str]:
    """Every field of a type, and of the types in it."""
    if isinstance(kind, type) and issubclass(kind, Spec):
        for name, field in kind.model_fields.items():
            yield f"{kind.__name__}.{name}"
            yield from known(field.annotation)
    for part in get_args(kind):
        yield from known(part)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_sample_says_what_it_shows(file):
    assert file.read_text().startswith("# ")
    assert list(resources(file))


def test_names_do_not_meet():
    names = [(type(one), one.metadata.name) for one in EVERY]
    assert len(set(names)) == len(names)


def test_every_field_is_shown():
    shown = {field for one in EVERY for field in said(one.spec)}
    assert {*known(ModelSpec), *known(FleetSpec)} - shown == NOT_SHOWN


def test_models_name_fleets_that_are_there():
    assert {model.spec.fleet for model in MODELS} <= {fleet.metadata.name for fleet in FLEETS}


def test_files_of_models_are_those_that_the_serving_image_carries():
    adapters = (
        each for one in MODELS if one.spec.generation for each in one.spec.generation.adapters
    )
    sources = [*(model.spec.source for model in MODELS), *adapters]
    uris = {one.uri for one in sources if not one.uri.startswith("https://models.example.com/")}
    carried = {f"file:///opt/shoal/samples/{path.name}" for path in (ROOT / "models").iterdir()}
    assert uris <= carried
