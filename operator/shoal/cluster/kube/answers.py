"""What the API server's refusals mean, and how long to wait before asking again."""

import json
import random
from collections.abc import Mapping
from typing import Any

from shoal.cluster.kube.kinds import Kind
from shoal.errors import AccessDenied, KindMissing, WorldUnavailable

ATTEMPTS = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 10.0
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE, INVALID = 401, 403, 404, 409, 410, 422
_BUSY = 429


class Refused(WorldUnavailable):
    """The API server said no: `code` is HTTP's.

    `about` is the name of the object that is wrong; empty if it is the request. `retry_after` is in
    how many seconds it wants to be asked again; 0 if it did not say.
    """

    def __init__(self, message: str, code: int, about: str = "", retry_after: float = 0) -> None:
        self.code = code
        self.about = about
        self.retry_after = retry_after
        super().__init__(message)


def is_gone(error: Refused) -> bool:
    """Whether a JSON patch that tests first was refused since the object is gone, or another now.

    Where the patch's own test fails, what is refused is not the object but the request.
    """
    failed = error.code == INVALID and not error.about
    return failed or error.code in (NOT_FOUND, CONFLICT)


def passes(code: int) -> bool:
    """Whether the same call may succeed in a moment.

    A server that has just started may not know anybody yet, so 401 is such an answer too.
    """
    return code in (_BUSY, UNAUTHORIZED) or code >= 500


def wait_after(attempt: int, retry_after: str | None) -> float:
    """Seconds before the next attempt, as the server asks or ever longer; never the same twice."""
    jitter = random.uniform(0.5, 1.0)  # noqa: S311  jitter is no secret
    if asked := seconds_of(retry_after):
        return min(asked, LONGEST_WAIT_S) + jitter
    return float(min(FIRST_WAIT_S * 2.0 ** (attempt - 1), LONGEST_WAIT_S) * jitter)


def seconds_of(retry_after: str | None) -> float:
    """What the header says; 0 where it says nothing, or a date."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0


def refusal(
    verb: str, kind: Kind, name: str, code: int, body: bytes, retry_after: str | None = None
) -> WorldUnavailable:
    """The error that an answer means. `name` is `namespace/name`, or as much as was asked for."""
    status = _status(body)
    message = str(status.get("message") or body.decode(errors="replace").strip()[:200])
    what = " ".join(word for word in (verb, kind.resource, name) if word)
    if code == FORBIDDEN:
        return AccessDenied(f"not allowed to {what}: {message}")
    about = str((status.get("details") or {}).get("name") or "")
    if code == NOT_FOUND and not about:
        words = f"the cluster has no {kind.resource} ({kind.api_version})"
        return KindMissing(kind.name, f"{words}: install {kind.comes_with}")
    words = f"Kubernetes refused to {what} ({code}): {message}"
    return Refused(words, code, about, seconds_of(retry_after))


def _status(body: bytes) -> Mapping[str, Any]:
    """`metav1.Status`, or nothing where something else answered."""
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
