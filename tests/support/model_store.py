"""A store of models that pods can reach: HTTP, archives, and one folder that asks for a token."""

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples" / "models"


class ModelStore(ThreadingHTTPServer):
    """`files` are what it has, by path; those below `/private/` are for who shows the `token`.

    `asked` are the paths that were asked for, with the status of each answer.
    """

    daemon_threads = True

    def __init__(self, address: str, token: str) -> None:
        super().__init__((address, 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.token = token
        self.asked: list[tuple[str, int]] = []

    def put(self, path: str, content: bytes) -> str:
        """Keep a file; gives its address."""
        self.files[path] = content
        return f"http://{self.server_address[0]}:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: ModelStore

    def do_GET(self) -> None:
        status, content = self._answer()
        self.server.asked.append((self.path, status))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> tuple[int, bytes]:
        known = self.headers.get("Authorization") == f"Bearer {self.server.token}"
        if self.path.startswith("/private/") and not known:
            return 401, b"show your token"
        if self.path not in self.server.files:
            return 404, b"no such file"
        return 200, self.server.files[self.path]


@contextmanager
def model_store(address: str, token: str) -> Iterator[ModelStore]:
    """A store at that address of this machine, for as long as the context."""
    with ModelStore(address, token) as store:
        thread = threading.Thread(target=store.serve_forever, args=(0.05,))
        thread.start()
        yield store
        store.shutdown()
        thread.join()


def classifier(label: str) -> bytes:
    """An archive of the sample alarm-triage that calls a full disk by another name."""
    config = json.loads((SAMPLES / "alarm-triage" / "config.json").read_bytes())
    labels = {**config["id2label"], "0": label}
    changed = {**config, "id2label": labels, "label2id": {v: int(k) for k, v in labels.items()}}
    return _archive("alarm-triage", {"config.json": json.dumps(changed).encode()})


def broken_classifier() -> bytes:
    """The same, with weights that are cut off."""
    weights = (SAMPLES / "alarm-triage" / "model.safetensors").read_bytes()
    return _archive("alarm-triage", {"model.safetensors": weights[: len(weights) // 2]})


def _archive(sample: str, changed: dict[str, bytes]) -> bytes:
    """A folder of the samples, packed; without what tells which answers to expect."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for file in sorted((SAMPLES / sample).iterdir()):
            if file.name not in ("sample.json", "reference.json", "README.md"):
                _add(archive, file.name, changed.get(file.name, file.read_bytes()))
    return packed.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
