"""The fleet's ledger: one small Serve application that knows what every replica says it holds.

Soft state in memory: replicas push, the control plane reads `GET /-/shoal/models` with the fleet's
token. It decides nothing, and a restarted ledger is whole again after one heartbeat; until then it
is silent, because who has not reported yet is not gone.
"""

import asyncio
import contextlib
import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ray import serve
from ray.serve import Application

from shoal.api.ledger import EXPIRY_S, HEARTBEAT_S, Ledger, ModelReport, ReplicaReport
from shoal_serving.http.asgi import Receive, Scope, Send
from shoal_serving.http.message import Response

MODELS = "/-/shoal/models"
LONGEST_WAIT_S = 60.0
# Within a heartbeat of its start, and the time that a report takes, every replica has reported.
WHOLE_AFTER_S = HEARTBEAT_S + 1.0


class Entries:
    """Every replica's last word, for as long as it is fresh. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._reports: dict[str, tuple[float, Mapping[str, ModelReport]]] = {}

    def put(self, replica: str, models: Mapping[str, ModelReport], now: float) -> None:
        """Replace what a replica said; an empty mapping takes it off the ledger."""
        if models:
            self._reports[replica] = (now, models)
        else:
            self._reports.pop(replica, None)

    def ledger(self, now: float) -> Ledger:
        """The fresh reports, by model; inputs and outputs are those of any replica that knows."""
        models: dict[str, ModelReport] = {}
        for replica, (reported, said) in sorted(self._reports.items()):
            if now - reported > EXPIRY_S:
                del self._reports[replica]
                continue
            for key, report in said.items():
                models[key] = _merged(models.get(key), report)
        return Ledger(models=models)


def _merged(known: ModelReport | None, said: ModelReport) -> ModelReport:
    if known is None:
        return said
    replicas: dict[str, ReplicaReport] = {**known.replicas, **said.replicas}
    return ModelReport(
        inputs=known.inputs or said.inputs,
        outputs=known.outputs or said.outputs,
        precision=known.precision or said.precision,
        generation=known.generation or said.generation,
        replicas=replicas,
    )


@serve.deployment(name="Ledger", num_replicas=1, max_ongoing_requests=1000)
@serve.ingress()
class LedgerDeployment:
    """Takes reports by handle and gives the ledger by HTTP, to who has the token."""

    def __init__(self) -> None:
        self._entries = Entries()
        self._changed = asyncio.Event()
        self._token = _token()
        self._whole_from = time.monotonic() + WHOLE_AFTER_S

    def __serve_build_asgi_app__(self) -> "LedgerApp":
        return LedgerApp(self)

    async def report(self, replica: str, models: dict[str, Any]) -> None:
        """What one replica holds: `ModelReport`s as JSON objects, by `namespace/name`."""
        reports = {key: ModelReport.model_validate(said) for key, said in models.items()}
        self._entries.put(replica, reports, time.monotonic())
        self._changed.set()
        self._changed = asyncio.Event()

    def allows(self, authorization: bytes) -> bool:
        """Whether the header carries the fleet's token. A fleet without one keeps no secrets."""
        if not self._token:
            return True
        return hmac.compare_digest(authorization, b"Bearer " + self._token.encode())

    @property
    def whole(self) -> bool:
        """Whether every replica has had the time to report."""
        return time.monotonic() >= self._whole_from

    def ledger(self) -> Ledger:
        """What is known now."""
        return self._entries.ledger(time.monotonic())

    async def wait_for_report(self, seconds: float) -> None:
        """Return when a replica has reported again, or after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()


class LedgerApp:
    """`GET /-/shoal/models`, with an ETag; `?wait=30` holds the answer until something changes.

    That a replica is alive, and how many requests it served, is no change: else every heartbeat of
    every replica would be one.
    """

    def __init__(self, ledger: LedgerDeployment) -> None:
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._respond(scope)
            await response.send(send)
            return
        while (kind := (await receive())["type"]) != "lifespan.shutdown":
            await send({"type": f"{kind}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, scope: Scope) -> Response:
        headers = dict(scope["headers"])
        if not self._ledger.allows(headers.get(b"authorization", b"")):
            return Response.json({"error": "expected the fleet's token as a Bearer token"}, 401)
        if scope["path"] != MODELS:
            return Response.json({"error": f"there is nothing at {scope['path']}"}, 404)
        if not self._ledger.whole:
            return Response.json({"error": "the ledger has just started; try again soon"}, 503)
        known = headers.get(b"if-none-match", b"")
        ledger = await self._changed(known, _wait(scope))
        etag = _etag(ledger)
        if etag == known:
            return Response(304, b"", headers=[(b"etag", etag)])
        text = ledger.model_dump_json(by_alias=True).encode()
        return Response(200, text, headers=[(b"etag", etag)])

    async def _changed(self, known: bytes, seconds: float) -> Ledger:
        """The ledger once it is another than the known one, or after so many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and _etag(self._ledger.ledger()) == known:
            # Not longer than a heartbeat: that an entry expires is a change without a report.
            await self._ledger.wait_for_report(min(left, HEARTBEAT_S))
        return self._ledger.ledger()


def _wait(scope: Scope) -> float:
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("wait", ["0"])[0]
    return min(float(asked), LONGEST_WAIT_S) if asked.replace(".", "", 1).isdecimal() else 0.0


def _etag(ledger: Ledger) -> bytes:
    """Weak, because what only counts or ages does not count."""
    text = ledger.model_dump_json(exclude=_VOLATILE).encode()
    return b'W/"' + hashlib.sha256(text).hexdigest()[:32].encode() + b'"'


_VOLATILE: Any = {
    "models": {"__all__": {"replicas": {"__all__": {"reported": True, "requests": True}}}}
}


def _token() -> str:
    """Ray's own authentication token, found where Ray finds it."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    if path := os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return Path(path).read_text().strip()
    if os.environ.get("RAY_AUTH_MODE") == "token":
        return Path("~/.ray/auth_token").expanduser().read_text().strip()
    return ""


def build(args: dict[str, Any]) -> Application:
    """The ledger's Serve application, pinned to the head, where it takes no processor."""
    head = {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}
    deployment: Any = LedgerDeployment
    application: Application = deployment.options(ray_actor_options=head).bind()
    return application
