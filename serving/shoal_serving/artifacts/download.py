"""`https://` and `http://` sources: one file, streamed, and resumed where an earlier try stopped.

By RFC 9110: `If-None-Match` and `If-Modified-Since` ask whether it changed, and `Range` with
`If-Range` for the rest of what did not.
"""

from dataclasses import dataclass, field
from pathlib import Path

import requests

from shoal.errors import ArtifactRefused
from shoal_serving.artifacts.partial import Partial
from shoal_serving.artifacts.requesting import chunks, failure, get, unavailable
from shoal_serving.artifacts.shown import without_secrets
from shoal_serving.artifacts.sources import Fetched, State
from shoal_serving.artifacts.transfer import Meter, Progress, check_room, write_hashed


@dataclass(frozen=True)
class HttpSource:
    """The file at `url`, which may hold credentials; `authorization` is sent as that header."""

    url: str
    name: str
    authorization: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        return without_secrets(self.url)

    def unchanged(self, last: State) -> bool:
        """Whether the server says that nothing changed; see `fetch` for what it raises."""
        questions = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
        headers = {questions[name]: value for name, value in last.items()}
        with get(self.url, headers, self.authorization) as response:
            if response.status_code not in (200, 304):
                raise failure(response.status_code, self.shown)
            return response.status_code == 304

    def fetch(self, workplace: Path, limit: int, progress: Progress) -> Fetched:
        """Download into the workplace, or go on with what lies there.

        Raises:
            ArtifactNotFound: the server says that it is not there, or not for us.
            ArtifactRefused: it is over the limit, or a redirect is not safe to follow.
            ArtifactUnavailable: no answer, a broken one, or one that says to try again later.
        """
        partial = Partial.open(workplace)
        with get(self.url, partial.resuming(), self.authorization) as response:
            partial = self._accept(response, partial, workplace)
            meter = Meter("download", partial.total, limit, progress, self.shown)
            check_room(workplace, (partial.total or 0) - partial.size)
            digest = self._receive(response, partial, meter)
        return Fetched(partial.body, digest, partial.validators or None)

    def _accept(self, response: requests.Response, partial: Partial, workplace: Path) -> Partial:
        """Where the answer's body goes: after what is there, or to the start of an empty file."""
        if response.status_code == 200:
            return Partial.begin(workplace, _validators(response), _length(response, self.shown))
        if response.status_code == 206 and partial.continues(response.headers):
            return partial
        if response.status_code in (206, 416):
            partial.discard()
            raise unavailable(self.shown, "could not resume the download")
        raise failure(response.status_code, self.shown)

    def _receive(self, response: requests.Response, partial: Partial, meter: Meter) -> str:
        with partial.body.open("r+b") as file:
            sha256 = partial.rewind(file)
            meter.add(file.tell())
            sha256_hex = write_hashed(chunks(response, self.shown), file, meter, sha256)
        if partial.total not in (None, meter.done):
            raise unavailable(self.shown, f"ended after {meter.done} of {partial.total} bytes")
        return f"sha256:{sha256_hex}"


def _validators(response: requests.Response) -> dict[str, str]:
    names = ("ETag", "Last-Modified")
    return {name: response.headers[name] for name in names if name in response.headers}


def _length(response: requests.Response, shown: str) -> int | None:
    length = response.headers.get("Content-Length", "")
    if length.isdecimal():
        return int(length)
    if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    raise ArtifactRefused(
        f"{shown} does not say how long it is, so half of it would look like the whole.",
        "Serve it with a Content-Length.",
    )
