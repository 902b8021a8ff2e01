"""`shoal infer`: what goes to the model, and what comes back."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Echo(BaseHTTPRequestHandler):
    """Answers with the path and the body it was sent; a body `fail` is an error."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        failed = body == {"inputs": "fail"}
        answer = {"error": {"message": "too long: 回"}} if failed else [self.path, body]
        self.send_response(422 if failed else 200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/default/echo"
        server.shutdown()
        thread.join()


@pytest.fixture
def model(served, store, address):
    model = served(Ready="True/Ready")
    status = model.status.model_copy(update={"url": address})
    store.report(model.model_copy(update={"status": status}))


OIP = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [0.5]}]}


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (("--text", "回声"), "/default/echo", {"inputs": "回声"}),
        (
            ("--text", "Who?", "--context", "Ada."),
            "/default/echo",
            {"inputs": {"question": "Who?", "context": "Ada."}},
        ),
        (("--json", '{"inputs": ["a"]}'), "/default/echo", {"inputs": ["a"]}),
        (("--json", json.dumps(OIP)), "/default/echo/v2/models/echo/infer", OIP),
    ],
)
def test_a_request_goes_where_it_belongs(shoal, model, running, words, path, body):
    result = shoal("infer", "model/echo", *words)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == [path, body]
    assert "\\u" not in result.stdout


def test_a_request_comes_from_a_file_or_standard_input(shoal, model, running, tmp_path):
    (tmp_path / "request.json").write_text('{"inputs": "file"}')
    from_file = shoal("infer", "model/echo", "--json", f"@{tmp_path}/request.json")
    assert json.loads(from_file.stdout)[1] == {"inputs": "file"}
    piped = shoal("infer", "model/echo", "--json", "-", input='{"inputs": "pipe"}')
    assert json.loads(piped.stdout)[1] == {"inputs": "pipe"}


def test_what_the_model_refuses_is_said(shoal, model, running):
    result = shoal("infer", "model/echo", "--text", "fail")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error from model: 422: too long: 回\n"


def test_a_model_that_does_not_answer_is_said(shoal, served, store, running):
    model = served(Ready="True/Ready")
    status = model.status.model_copy(update={"url": "http://127.0.0.1:9/default/echo"})
    store.report(model.model_copy(update={"status": status}))
    result = shoal("infer", "model/echo", "--text", "a")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error from model: http://127.0.0.1:9/default/echo: ")


def test_a_model_that_is_not_ready_says_why(shoal, served, running):
    served(Loaded="False/ArtifactNotFound/There is nothing there.", Ready="False/ArtifactNotFound")
    result = shoal("infer", "model/echo", "--text", "a")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: models/echo is not ready: ArtifactNotFound: There is nothing there.\n"
    )


def test_without_shoal_up_nobody_is_asked(shoal, model):
    result = shoal("infer", "model/echo", "--text", "a")
    assert result.exit_code == 1
    assert "NotRunning" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model/echo",), "error: expected either --text (and --context) or --json"),
        (("model/echo", "--context", "a"), "error: expected either --text"),
        (("model/echo", "--json", "{"), "error: --json is no JSON: "),
        (("model/echo", "--json", "@/nowhere"), "error: /nowhere: No such file or directory"),
        (("fleet/default", "--text", "a"), "error: expected one model/NAME"),
        (("model/ghost", "--text", "a"), "Error from server (NotFound)"),
    ],
)
def test_what_makes_no_sense_is_said(shoal, running, words, said):
    result = shoal("infer", *words)
    assert result.exit_code == 1
    assert result.stderr.startswith(said)
