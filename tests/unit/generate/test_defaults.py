"""What generation_config.json says of sampling holds where a request says nothing."""

import json

import pytest

from shoal.errors import ModelLoadFailed
from shoal_serving.generate.defaults import read_defaults
from shoal_serving.generate.request import Sampling
from shoal_serving.tasks.folder import ModelFolder


@pytest.fixture
def defaults(tmp_path):
    def read(**fields):
        (tmp_path / "generation_config.json").write_text(json.dumps(fields))
        return read_defaults(ModelFolder(tmp_path), 100)

    return read


def test_without_a_file_the_model_is_taken_as_it_is(tmp_path):
    assert read_defaults(ModelFolder(tmp_path), 100) == Sampling()


def test_its_values_are_taken_and_other_fields_left(defaults):
    said = defaults(temperature=0.6, top_p=0.95, top_k=20, do_sample=True, eos_token_id=2)
    assert said == Sampling(temperature=0.6, top_p=0.95, top_k=20)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"top_p": 2}, "top_p: expected a number above 0 and up to 1, got 2"),
        ({"temperature": "hot"}, "temperature: expected a number, got 'hot'"),
        ({"top_k": True}, "top_k: expected a number, got True"),
        ({"top_k": 50.0}, "top_k: expected a whole number, got 50.0"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(defaults, fields, words):
    with pytest.raises(ModelLoadFailed, match=words):
        defaults(**fields)
