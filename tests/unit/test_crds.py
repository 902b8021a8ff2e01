"""The CustomResourceDefinitions are those that the types say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal.crds import definitions
from shoal.crds.__main__ import files

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    one["spec"]["names"]["kind"]: one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for one in definitions()
}


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below, with its path."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}", field
        yield from fields(field, f"{path}{name}.")
    for inner in {"items", "additionalProperties"} & schema.keys():
        yield from fields(schema[inner], path)


@pytest.mark.parametrize("folder", ["manifests/crds", "helm/shoal/files/crds"])
def test_the_files_are_what_make_crds_writes(folder):
    written = {file.name: file.read_text() for file in (ROOT / folder).iterdir()}
    assert written == files(), "run `make crds`"


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_field_is_described_by_the_name_that_people_write(kind):
    described = {path: field.get("description", "") for path, field in fields(SCHEMAS[kind])}
    del described["metadata"]  # an API server describes it
    assert [path for path, said in described.items() if not said.endswith((".", "..."))] == []
    assert [path for path, said in described.items() if re.search("[a-z]_[a-z]", said)] == []


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_field_without_a_value_is_not_there(kind):
    assert [path for path, field in fields(SCHEMAS[kind]) if "nullable" in field] == []


@pytest.mark.parametrize("kind", SCHEMAS)
def test_lists_of_what_has_a_name_are_maps(kind):
    maps = {path for path, field in fields(SCHEMAS[kind]) if "x-kubernetes-list-map-keys" in field}
    assert (
        maps
        == {
            "Model": {"spec.generation.adapters", "status.conditions"},
            "Fleet": {"spec.pools", "status.conditions", "status.inventory"},
        }[kind]
    )


def test_only_pod_templates_hold_what_is_not_known():
    free = {
        path
        for schema in SCHEMAS.values()
        for path, field in fields(schema)
        if "x-kubernetes-preserve-unknown-fields" in field
    }
    assert free == {"spec.head.template", "spec.pools.template"}


def test_a_status_takes_the_words_of_a_newer_operator():
    condition = dict(fields(SCHEMAS["Model"]))["status.conditions"]["items"]["properties"]
    assert "enum" not in condition["reason"]
    assert "enum" not in condition["type"]
