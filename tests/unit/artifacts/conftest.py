import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shoal_serving.artifacts import Cache


class FileServer:
    """An HTTP server of files in memory that notes what it is asked.

    `canned` answers, (status, headers), go out first; `cut` ends the next body after so many bytes.
    """

    def __init__(self):
        self.files = {}
        self.etags = True
        self.ranges = True
        self.canned = []
        self.cut = None
        self.asked = []
        self.bodies = []
        handler = type("Handler", (_Handler,), {"files": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self._server.server_port}"

    def put(self, path, content):
        self.files[path] = content
        return f"http://{self.address}{path}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    files: FileServer

    def do_GET(self):
        server = self.files
        server.asked.append(dict(self.headers))
        if server.canned:
            return self._answer(*server.canned.pop(0), b"")
        content = server.files.get(self.path.partition("?")[0])
        if content is None:
            return self._answer(404, {}, b"")
        etag = f'"{hash(content)}"'
        headers = {"ETag": etag} if server.etags else {}
        if self.headers["If-None-Match"] == etag:
            return self._answer(304, headers, b"")
        start = self._start(etag)
        if not start:
            return self._answer(200, headers, content)
        end = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._answer(206, headers | {"Content-Range": end}, content[start:])

    def _start(self, etag):
        if not self.files.ranges or self.headers["If-Range"] != etag:
            return 0
        return int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))

    def _answer(self, status, headers, body):
        cut, self.files.cut = self.files.cut, None
        if body:
            self.files.bodies.append(len(body))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(body[:cut])
        except ConnectionError:
            self.close_connection = True  # the client was killed

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def elsewhere():
    """Another server than `server`."""
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def cache(tmp_path, pauses):
    return Cache(tmp_path / "cache", sleep=pauses.append)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "onnx" / "model.onnx").write_bytes(b"weights")
    return folder


_LOADER = """
import json, sys
from pathlib import Path
from shoal_serving.artifacts import Cache

root, uri, stop = sys.argv[1:]

def say(**what):
    print(json.dumps(what), flush=True)

def progress(step, done, total):
    say(step=step, done=done)
    if step == stop and done:
        sys.stdin.read()

artifact = Cache(Path(root), sleep=lambda _: None).fetch(uri, progress=progress)
say(digest=artifact.digest, folder=str(artifact.folder))
"""


class Loader:
    """Another process that fetches; it stops in the middle of the step `stop` until let go."""

    def __init__(self, root, uri, stop=""):
        command = [sys.executable, "-c", _LOADER, str(root), uri, stop]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hears(self, **wanted):
        """Read what it says until it says this."""
        for line in self.process.stdout:
            said = json.loads(line)
            if wanted.items() <= said.items():
                return said
        raise AssertionError(f"it ended before saying {wanted}")

    def stops(self, step):
        """Wait until it stands still in the middle of a step."""
        while not self.hears(step=step)["done"]:
            pass

    def goes_on(self):
        self.process.stdin.close()

    def finishes(self):
        for line in self.process.stdout:
            said = json.loads(line)
        assert self.process.wait(timeout=30) == 0
        return said

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def loaders(tmp_path):
    started = []

    def start(uri, stop=""):
        started.append(Loader(tmp_path / "cache", uri, stop))
        return started[-1]

    yield start
    for loader in started:
        loader.kill()
