"""Asking an HTTP server for a file, and saying in words what went wrong.

`requests` is the client because Ray Serve brings it, and because it takes proxies and certificates
from the environment as everybody expects. Redirects are followed here: never from https to http,
never to anything else, and each hop gets only the credentials of its own URL; an `Authorization`
goes to the first hop's server alone. No message holds a credential, so none quotes what a library
said.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import requests
import requests.auth
import urllib3

from shoal.errors import ArtifactNotFound, ArtifactRefused, ArtifactUnavailable, LoadError
from shoal_serving.artifacts.shown import without_secrets
from shoal_serving.artifacts.transfer import CHUNK

_CONNECT_SECONDS = 10
_STALL_SECONDS = 60
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_DENIED = (401, 403, 407)
_PASSING = (408, 425, 429)  # and all from 500 on: trying again may help


class _Authorization(requests.auth.AuthBase):
    """Sets the header itself, so that no .netrc takes its place."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


@contextmanager
def get(
    url: str, headers: Mapping[str, str], authorization: str | None = None
) -> Iterator[requests.Response]:
    """The answer to a GET after redirects; its body is not read yet."""
    first = url
    for _ in range(_MAX_REDIRECTS + 1):
        known = authorization if _origin(url) == _origin(first) else None
        with _ask(url, headers, known) as response:
            if response.status_code not in _REDIRECTS:
                yield response
                return
            url = redirected(url, response.headers.get("Location", ""))
    raise ArtifactRefused(
        f"{without_secrets(first)} redirects more than {_MAX_REDIRECTS} times.",
        "Name the place that it leads to in spec.source.uri.",
    )


def _origin(url: str) -> tuple[str, str]:
    """RFC 6454, as it is written: what has another port or another spelling is another server."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _ask(url: str, headers: Mapping[str, str], authorization: str | None) -> requests.Response:
    # identity: the digest is of the bytes as stored, and lengths must mean those bytes.
    sent = {"Accept-Encoding": "identity", "User-Agent": "shoal", **headers}
    timeout = (_CONNECT_SECONDS, _STALL_SECONDS)
    auth = _Authorization(authorization) if authorization else None
    try:
        return requests.get(
            url, headers=sent, auth=auth, stream=True, allow_redirects=False, timeout=timeout
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _no_answer(url, error) from None  # the cause's words may hold the URL's secrets


def redirected(url: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        ArtifactRefused: to anything but http and https, or from https to http.
    """
    try:
        target = urljoin(url, location)
        old, new = urlsplit(url), urlsplit(target)
        if location and new.hostname and new.scheme in ("https", old.scheme):
            return target
    except ValueError:
        pass
    raise ArtifactRefused(
        f"{without_secrets(url)} redirects to {without_secrets(location)!r}, which is not safe to "
        "follow.",
        "Name the final place in spec.source.uri; a redirect from https must stay on https.",
    )


def chunks(response: requests.Response, shown: str) -> Iterator[bytes]:
    """The body as it was sent, at most `CHUNK` bytes at a time."""
    try:
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError):
        raise unavailable(shown, "stopped in the middle of the download") from None


def failure(status: int, shown: str) -> LoadError:
    """What an answer that is not the file means."""
    said = f"{shown} answered {status}."
    if status in _DENIED:
        return ArtifactNotFound(
            said, "Give access to it, or correct the credentials: spec.source.secretName."
        )
    if status in _PASSING or status >= 500:
        return ArtifactUnavailable(said, "It is tried again; if it stays, look at that server.")
    return ArtifactNotFound(said, "Correct spec.source.uri, or put the file there.")


def _no_answer(url: str, error: Exception) -> LoadError:
    shown = without_secrets(url)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ArtifactRefused(
            f"{shown} has a certificate that this machine does not trust.",
            "Correct its certificate, or name the authority's file in REQUESTS_CA_BUNDLE.",
        )
    if isinstance(error, requests.ConnectTimeout):
        return unavailable(shown, f"could not be reached within {_CONNECT_SECONDS} s")
    if isinstance(error, requests.ReadTimeout):
        return unavailable(shown, f"did not answer within {_STALL_SECONDS} s")
    if isinstance(error, requests.ConnectionError):
        return unavailable(shown, f"could not be reached: {_root_cause(error)}")
    return ArtifactNotFound(f"{shown} cannot be asked for.", "Correct spec.source.uri.")


def _root_cause(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return "it hung up"


def unavailable(shown: str, what: str) -> ArtifactUnavailable:
    """A server or a network failed; `what` follows the URL."""
    return ArtifactUnavailable(
        f"{shown} {what}.", "It is tried again; if it stays, check the server and the network."
    )
