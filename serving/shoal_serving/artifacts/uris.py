"""Which source a URI names."""

from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from shoal.errors import ArtifactNotFound
from shoal_serving.artifacts.digest import plain_path
from shoal_serving.artifacts.local import LocalSource
from shoal_serving.artifacts.shown import without_secrets
from shoal_serving.artifacts.sources import Source


def source_of(uri: str, authorization: str | None = None) -> Source:
    """The source that a `file://`, `https://` or `http://` URI names; nothing is touched yet.

    `authorization` is what an HTTP server is sent in that header.

    Raises:
        ArtifactNotFound: the URI names no file or folder, or its scheme is not supported.
        ArtifactRefused: its last part is no sound file name.
    """
    parts = _split(uri)
    if parts.scheme == "file":
        return _local(parts)
    if parts.scheme in ("http", "https"):
        return _http(uri, parts, authorization)
    raise _unusable(without_secrets(uri), "has a scheme that is not supported")


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # only looked at, and refused, when it is asked for
    except ValueError:
        raise _unusable("What spec.source.uri holds", "is not a URI") from None
    return parts


def _local(parts: SplitResult) -> LocalSource:
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise _unusable(parts.geturl(), "is not an absolute path")
    if parts.query or parts.fragment:
        raise _unusable(parts.geturl(), "holds ? or #, which a path writes as %3F and %23")
    path = unquote(parts.path)
    if "\0" in path:
        raise _unusable(parts.geturl(), "holds a null character")
    return LocalSource(Path(path), _name(path, parts.geturl()))


def _http(uri: str, parts: SplitResult, authorization: str | None) -> Source:
    from shoal_serving.artifacts.download import HttpSource  # a conversion needs no HTTP client

    shown = without_secrets(uri)
    if not parts.hostname:
        raise _unusable(shown, "names no host")
    return HttpSource(uri, _name(unquote(parts.path), shown), authorization)


def _name(path: str, shown: str) -> str:
    name = path.rstrip("/").rpartition("/")[2]
    if not name:
        raise _unusable(shown, "names no file")
    return plain_path(name, shown).name


def _unusable(shown: str, why: str) -> ArtifactNotFound:
    return ArtifactNotFound(
        f"{shown} {why}.",
        "Write spec.source.uri as file:///absolute/path (a folder, a file or a .tar.gz) or "
        "as https://host/path (a file or a .tar.gz); http:// works too.",
    )
