"""Manifest files in, resources out; what is wrong is said with file and line.

A file holds documents, a document is a resource or a `List` of them. One that is wrong does not
keep the others from being read.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from shoal.api import Fleet, Model, Source, parse_resource
from shoal.cluster.local.documents import Document, documents
from shoal.errors import InvalidResource

EXTENSIONS = (".json", ".yaml", ".yml")

AnySource = TypeVar("AnySource", bound=Source)


class Loaded(NamedTuple):
    """What was said, and what could not be understood."""

    resources: list[Model | Fleet]
    problems: list[InvalidResource]


def load(path: Path, anchored: bool = True) -> Loaded:
    """Every resource of a file, or of the manifest files directly in a folder, by name.

    `anchored`: a relative `file:` address is relative to the file that says it; else it is left as
    it is, where files of this machine mean nothing.
    """
    loaded = Loaded([], [])
    for file in files(path):
        with _collecting(loaded):
            _load(read_text(file), str(file), file.parent if anchored else None, loaded)
    return loaded


def load_bytes(data: bytes, origin: str, folder: Path | None) -> Loaded:
    """The same for bytes; a relative `file:` address is relative to `folder`, if there is one."""
    loaded = Loaded([], [])
    with _collecting(loaded):
        _load(_text(data, origin), origin, folder, loaded)
    return loaded


def files(path: Path) -> list[Path]:
    """The file itself, or the manifest files directly in the folder, by name."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in EXTENSIONS and file.is_file())


def read_text(file: Path) -> str:
    """A file's text.

    Raises:
        InvalidResource: it cannot be read, or is no text.
    """
    try:
        return _text(file.read_bytes(), str(file))
    except OSError as error:
        raise InvalidResource(str(file), (f"cannot be read: {error.strerror}",)) from error


def resource_of(document: Document, folder: Path | None) -> Model | Fleet:
    """The resource that a document says, a relative `file:` address made absolute by `folder`.

    Raises:
        InvalidResource: it breaks the contract; every problem says its line.
    """
    manifest = document.value()
    try:
        resource = parse_resource(manifest)
    except InvalidResource as error:
        problems = tuple(_located(document, problem) for problem in error.problems)
        raise InvalidResource(error.resource, problems) from error
    if folder is None or not isinstance(resource, Model):
        return resource
    return _anchored(resource, folder)


def _load(text: str, origin: str, folder: Path | None, loaded: Loaded) -> None:
    for document in documents(text, origin):
        parts = document.items("items") if document.says("kind", "List") else [document]
        for part in parts:
            with _collecting(loaded):
                loaded.resources.append(resource_of(part, folder))


@contextmanager
def _collecting(loaded: Loaded) -> Iterator[None]:
    try:
        yield
    except InvalidResource as problem:
        loaded.problems.append(problem)


def _text(data: bytes, origin: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"expected UTF-8 text, but byte {error.start} is none"
        raise InvalidResource(origin, (problem,)) from error


def _located(document: Document, problem: str) -> str:
    path = problem.partition(": ")[0].split(".")
    return f"{document.origin}:{document.line(path)}: {problem}"


def _anchored(model: Model, folder: Path) -> Model:
    spec = model.spec
    changes: dict[str, Any] = {"source": _absolute(spec.source, folder)}
    if spec.generation and spec.generation.adapters:
        adapters = tuple(_absolute(adapter, folder) for adapter in spec.generation.adapters)
        changes["generation"] = spec.generation.model_copy(update={"adapters": adapters})
    return model.model_copy(update={"spec": spec.model_copy(update=changes)})


def _absolute(source: AnySource, folder: Path) -> AnySource:
    scheme, _, path = source.uri.partition(":")
    if scheme != "file" or path.startswith("/"):
        return source
    absolute = os.path.normpath(folder.resolve() / unquote(path))
    return source.model_copy(update={"uri": Path(absolute).as_uri()})
