"""The CustomResourceDefinitions are those that the types say."""

from pathlib import Path

import pytest

from shoal.crds.__main__ import files

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["manifests/crds", "helm/shoal/files/crds"])
def test_the_files_are_what_make_crds_writes(folder):
    written = {file.name: file.read_text() for file in (ROOT / folder).iterdir()}
    assert written == files(), "run `make crds`"
