"""A server that speaks OpenAI's chat completions, of which a test says what the model does."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 30.0


class Answer:
    """One answer on its way to the client."""

    def __init__(self, handler: "_Handler") -> None:
        self._handler = handler

    def refuse(self, status: int, message: str) -> None:
        """Answer with an error of OpenAI's shape."""
        self._handler.send_response(status)
        self._handler.end_headers()
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        self.write(json.dumps({"error": error}).encode())

    def begin(self, length: int | None = None) -> None:
        """Begin a stream of events of so many bytes, or one that ends when the connection does."""
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "text/event-stream")
        if length is not None:
            self._handler.send_header("Content-Length", str(length))
        self._handler.end_headers()

    def say(self, *texts: str, finish: str | None = None) -> None:
        """Send texts, an event for each."""
        for text in texts:
            self._send({"delta": {"content": text}, "finish_reason": None})
        if finish:
            self._send({"delta": {}, "finish_reason": finish})

    def end(self, finish: str = "stop") -> None:
        """End as OpenAI does: why, how many tokens, and that it is done."""
        self.say(finish=finish)
        self.write(b'data: {"choices": [], "usage": {"completion_tokens": 3}}\n\n')
        self.write(b"data: [DONE]\n\n")

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def wait_until_nobody_reads(self) -> None:
        """Return when the client has closed the connection, and tell the server."""
        self._handler.connection.settimeout(PATIENCE_S)
        assert self._handler.connection.recv(1) == b""
        self._handler.server.stopped.set()

    def _send(self, choice: dict[str, Any]) -> None:
        chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
        self.write(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())


Model = Callable[[str, Answer], None]


class ChatServer(ThreadingHTTPServer):
    """`model` gets the last message and gives the answer; `asked` are the paths and the bodies.

    `stopped` is set when a client left in the middle of an answer that waits for it.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/default/chat"

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The messages of the newest request: who, and what."""
        return [(one["role"], one["content"]) for one in self.asked[-1][1]["messages"]]


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        self.server.model(body["messages"][-1]["content"], Answer(self))

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def chat_server(model: Model) -> Iterator[ChatServer]:
    """A server that runs for as long as the context."""
    with ChatServer(model) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
