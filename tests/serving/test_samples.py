"""Every sample in `manifests/samples` is loaded, and answers as its stored reference says."""

import shlex
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from conftest import SAMPLES, reference
from spoken import LONGEST, NAMES, spoken

from shoal.cluster.local.manifests import load

CLOSE = 2e-4  # the references are rounded to five digits

Outputs = dict[str, Any]
Cases = list[dict[str, Any]]


def check_triage(cases: Cases, outputs: Outputs) -> None:
    assert [row[0] for row in outputs["label"]] == [case["label"] for case in cases]
    scores = [row[0] for row in outputs["score"]]
    np.testing.assert_allclose(scores, [case["score"] for case in cases], atol=CLOSE)


def check_answers(cases: Cases, outputs: Outputs) -> None:
    assert [row[0] for row in outputs["answer"]] == [case["answer"] for case in cases]
    assert [row[0] for row in outputs["start"]] == [case["start_char"] for case in cases]


def check_embeddings(cases: Cases, outputs: Outputs) -> None:
    wanted = [case["embedding"] for case in cases]
    np.testing.assert_allclose(outputs["embedding"], wanted, atol=CLOSE)


def check_digits(cases: Cases, outputs: Outputs) -> None:
    assert outputs["digit"].tolist() == [case["digit"] for case in cases]
    wanted = [case["probability"] for case in cases]
    np.testing.assert_allclose(outputs["probability"], wanted, atol=CLOSE)


# The inputs that a sample takes of each case, their datatype, parameters, and what must come back.
ASKED: dict[str, tuple[list[str], str, dict[str, Any], Callable[[Cases, Outputs], None]]] = {
    "alarm-triage": (["text"], "BYTES", {}, check_triage),
    "ops-qa": (["question", "context"], "BYTES", {"align_to_words": False}, check_answers),
    "alarm-embed": (["text"], "BYTES", {}, check_embeddings),
    "digits": (["image"], "FP32", {}, check_digits),
}


def test_every_sample_is_asked_here() -> None:
    names = {resource.metadata.name for resource in load(SAMPLES).resources}
    assert names == {*ASKED, "chat"}


@pytest.mark.parametrize("name", NAMES)
def test_the_chat_sample_says_what_its_references_say(samples: dict[str, str], name: str) -> None:
    cases = spoken(name)
    body = {
        "model": name,
        "prompt": [case.tokens for case in cases],
        "temperature": 0,
        "max_tokens": LONGEST,
    }
    answer = httpx.post(f"{samples['chat']}/v1/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    texts = [choice["text"] for choice in answer.json()["choices"]]
    assert texts == [case.answer for case in cases]


@pytest.mark.parametrize("name", ASKED)
def test_a_sample_answers_all_its_cases_at_once(samples: dict[str, str], name: str) -> None:
    fields, datatype, parameters, check = ASKED[name]
    cases = reference(name)["cases"]
    inputs = [_tensor(field, datatype, [case[field] for case in cases]) for field in fields]
    body = {"inputs": inputs, "parameters": parameters}
    answer = httpx.post(f"{samples[name]}/v2/models/{name}/infer", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    outputs = answer.json()["outputs"]
    check(cases, {o["name"]: np.array(o["data"]).reshape(o["shape"]) for o in outputs})


def _tensor(name: str, datatype: str, values: list[Any]) -> dict[str, Any]:
    shape = list(np.array(values).shape)
    return {"name": name, "datatype": datatype, "shape": shape, "data": values}


@pytest.mark.parametrize("name", [*ASKED, "chat"])
def test_a_samples_page_has_a_line_to_paste_that_works(samples: dict[str, str], name: str) -> None:
    page = httpx.get(samples[name]).json()
    assert (page["name"], page["links"]["metadata"]) == (name, f"{samples[name]}/v2/models/{name}")
    *curl, url, _, header, _, data = shlex.split(page["curl"])
    assert curl == ["curl", "-s", "-w", r"\n", *(["-N"] if name == "chat" else [])]
    headers = dict([header.split(": ")])
    answer = httpx.post(url, content=data.encode(), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
