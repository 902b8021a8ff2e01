"""What a person sees at a model's base URL: above all a line to paste."""

import json
import shlex
from urllib.parse import urlsplit

import pytest
from asgi_client import ask
from stand_ins import Arithmetic, loaded, spec

from shoal_serving.proof import read_proof

TEXTS = ["feature-extraction", "text-classification", "text-ranking"]


def proven(model, folder):
    model.proof = read_proof(folder, model.task)
    return model


async def pasted(app, line):
    """What the application answers to a curl line; the line has no other word than these."""
    words = shlex.split(line)
    curl, address, data = words[:4], words[4], words[5:]
    assert curl == ["curl", "-s", "-w", r"\n"]
    url = urlsplit(address)
    assert url.netloc == "shoal:8000"
    if not data:
        return await ask(app, "GET", url.path)
    assert data[:3] == ["-H", "content-type: application/json", "-d"]
    return await ask(app, "POST", url.path, json.loads(data[3]))


async def test_the_page_describes_the_model(site, tmp_path):
    app = await site({"ops/m": proven(loaded(), tmp_path)})
    page = (await ask(app, "GET", "/ops/m", host="shoal:8000")).json
    assert (page["name"], page["task"], page["revision"]) == ("m", "tensor", "r1")
    assert page["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert page["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]


async def test_its_links_lead_somewhere(site, tmp_path):
    app = await site({"ops/m": proven(loaded(), tmp_path)})
    links = (await ask(app, "GET", "/ops/m", host="shoal:8000")).json["links"]
    for name in ("metadata", "statistics"):
        assert (await ask(app, "GET", urlsplit(links[name]).path)).status == 200
    assert (await ask(app, "GET", urlsplit(links["openai"]).path + "/models")).status == 200
    assert (await ask(app, "POST", urlsplit(links["infer"]).path, {})).status == 400


async def test_the_curl_line_works(site, tmp_path):
    app = await site({"ops/m": proven(loaded(), tmp_path)})
    page = (await ask(app, "GET", "/ops/m", host="shoal:8000")).json
    assert (await pasted(app, page["curl"])).json["outputs"][0]["data"] == [0, 0]


@pytest.mark.parametrize("task", TEXTS)
async def test_the_curl_line_works_for_text(site, text_model, tmp_path, task):
    app = await site({"ops/m": proven(text_model(task), tmp_path)})
    page = (await ask(app, "GET", "/ops/m", host="shoal:8000")).json
    assert (await pasted(app, page["curl"])).status == 200


async def test_the_curl_line_is_the_models_own_sample(site, text_model, tmp_path):
    text = 'it\'s "full" $HOME `磁盘`'
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}
    (tmp_path / "sample.json").write_text(json.dumps({"inputs": [tensor], "expected": []}))
    app = await site({"ops/m": proven(text_model("text-classification"), tmp_path)})
    page = (await ask(app, "GET", "/ops/m", host="shoal:8000")).json
    assert json.loads(shlex.split(page["curl"])[-1]) == {"inputs": text}
    assert (await pasted(app, page["curl"])).status == 200


async def test_a_model_of_large_tensors_has_a_line_that_can_be_pasted_too(site, tmp_path):
    backend = Arithmetic(inputs=(spec("x", (1, 3, 224, 224)),), batches=False)
    app = await site({"ops/m": proven(loaded(backend), tmp_path)})
    page = (await ask(app, "GET", "/ops/m", host="shoal:8000")).json
    assert len(page["curl"]) < 200
    assert (await pasted(app, page["curl"])).status == 200
