"""A server in the place of an API server: of each path a test says what it answers."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class ApiStandIn(ThreadingHTTPServer):
    """`answers` says by path what is answered: bytes as they are, a number as an error's code, None
    by a connection that breaks, and anything else as JSON. What is not said is not found. `asked`
    are the requests that came.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}
        self.asked: list[Asked] = []

    def kubeconfig(
        self, folder: Path, user: Mapping[str, Any] | None = None, **context: str
    ) -> Path:
        """Of this address, with a context `it`."""
        cluster = {"server": f"http://127.0.0.1:{self.server_port}"}
        path = folder / "kubeconfig"
        path.write_text(json.dumps(kubeconfig_of(cluster, user or {}, **context)))
        return path

    def requests_to(self, path: str) -> list[Asked]:
        """Those that came for a path."""
        return [one for one in self.asked if one.path == path]


def kubeconfig_of(cluster: Mapping[str, Any], user: Mapping[str, Any], **context: str) -> Any:
    """A kubeconfig of one cluster, one user and the context `it`."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", **context}}],
        "current-context": "it",
    }


class _Handler(BaseHTTPRequestHandler):
    server: ApiStandIn

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {key.lower(): value for key, value in self.headers.items()}
        said = json.loads(body) if body else None
        self.server.asked.append(Asked(self.command, parts.path, query, headers, said))
        self._send(self.server.answers.get(parts.path, 404))

    def _send(self, answer: Any) -> None:
        if answer is None:
            return
        code = answer if isinstance(answer, int) else 200
        if isinstance(answer, int):
            name = urlsplit(self.path).path.rpartition("/")[2]
            answer = {"message": f"refused with {code}", "details": {"name": name}}
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def api_stand_in() -> Iterator[ApiStandIn]:
    """A server that runs for as long as the context."""
    with ApiStandIn() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
