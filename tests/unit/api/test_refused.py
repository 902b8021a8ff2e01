"""What `shoal.api` refuses, and why; tests/cluster has the API server say the same."""

import re

import pytest
from refused import REFUSED

from shoal.api import parse_resource
from shoal.errors import InvalidResource


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_a_refusal_names_the_field_and_says_what_to_change(case):
    with pytest.raises(InvalidResource) as caught:
        parse_resource(case.manifest)
    (problem,) = caught.value.problems
    assert problem.startswith(re.sub(r"\[(\w+)\]", r".\1", case.field))
    assert case.sentence in problem
