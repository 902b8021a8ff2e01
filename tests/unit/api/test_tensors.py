import pytest

from shoal.api.tensors import TensorSpec


@pytest.mark.parametrize("optional", [False, True])
def test_only_what_is_optional_says_so(optional):
    spec = TensorSpec(name="x", datatype="BOOL", shape=(1,), optional=optional)
    said = {"name": "x", "datatype": "BOOL", "shape": [1]}
    assert spec.model_dump(mode="json") == said | ({"optional": True} if optional else {})
    assert spec.model_dump(exclude_defaults=True)["name"] == "x"
    assert TensorSpec.model_validate_json(spec.model_dump_json()) == spec
