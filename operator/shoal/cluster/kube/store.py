"""What is known of the objects of one kind: the newest state of each, as this operator reads it.

Objects come from a list, from a watch, and from the answers to our own writes, in any order;
resource versions (ordered numbers in etcd's clusters) tell which is newer. Whatever changes is told
at once, and only if the change is one that somebody looks at.
"""

from bisect import insort
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from shoal.errors import InvalidResource

T = TypeVar("T")
Raw = Mapping[str, Any]
Name = tuple[str, str]
"""Namespace (empty for a kind without) and name."""


class Unreadable(NamedTuple):
    """An object that breaks the contract of this operator's version, and how."""

    namespace: str
    name: str
    uid: str
    generation: int
    error: InvalidResource
    conditions: tuple[Raw, ...]


class _Entry(NamedTuple, Generic[T]):
    version: int
    value: T | Unreadable


class Store(Generic[T]):
    """One kind. `read` makes of an object what is kept, or raises InvalidResource.

    `changed` is told name, before and after; None where there was or is nothing that can be read.
    """

    def __init__(
        self,
        read: Callable[[Raw], T],
        changed: Callable[[Name, T | None, T | None], None],
    ) -> None:
        self.known = False
        """Whether it holds all there is, or did when it was last looked."""

        self.invalid: dict[Name, Unreadable] = {}
        self._read = read
        self._changed = changed
        self._entries: dict[Name, _Entry[T]] = {}
        self._order: list[Name] = []
        self._listed: set[Name] = set()
        self._all: list[tuple[str, T]] | None = None
        self._version = 0

    def get(self, namespace: str, name: str) -> T | None:
        """What is kept of it, or None if there is none.

        Raises:
            InvalidResource: it breaks the contract.
        """
        entry = self._entries.get((namespace, name))
        if entry is not None and isinstance(entry.value, Unreadable):
            raise entry.value.error
        return _readable(entry)

    def find(self, namespace: str, name: str) -> T | None:
        """As `get`, but what breaks the contract is not there."""
        return _readable(self._entries.get((namespace, name)))

    def all(self, namespace: str | None = None) -> list[T]:
        """By namespace and name, without what breaks the contract."""
        if self._all is None:
            found = ((name[0], self._entries[name].value) for name in self._order)
            self._all = [(of, value) for of, value in found if not isinstance(value, Unreadable)]
        return [value for of, value in self._all if namespace is None or of == namespace]

    def put(self, raw: Raw) -> None:
        """It was created or changed, or we wrote it. What is older than what is known is left."""
        name, version = name_of(raw), version_of(raw)
        entry = self._entries.get(name)
        if version <= (entry.version if entry is not None else self._version):
            return
        self._set(name, version, raw)

    def see(self, raw: Raw) -> None:
        """A watch tells of it: whatever is older has been told by now."""
        name, version = name_of(raw), version_of(raw)
        entry = self._entries.get(name)
        if entry is None or version > entry.version:
            self._set(name, version, raw)

    def remove(self, raw: Raw) -> None:
        """It was deleted."""
        self._drop(name_of(raw))

    def reached(self, version: int) -> None:
        """Everything up to this version has been seen."""
        self._version = max(self._version, version)

    def begin(self, version: int) -> None:
        """A list of all there is at a version follows: `listed` each, then `end`.

        A version that lies before what was seen means that etcd was set back; then the list is
        right, whatever is known.
        """
        if version < self._version:
            self._entries = {name: _Entry(0, one.value) for name, one in self._entries.items()}
        self._version = version
        self._listed.clear()

    def listed(self, raw: Raw) -> None:
        self._listed.add(name_of(raw))
        self.see(raw)

    def end(self) -> None:
        """What was not listed is gone, unless it was written since."""
        for name in [name for name in self._order if name not in self._listed]:
            if self._entries[name].version <= self._version:
                self._drop(name)
        self._listed.clear()
        self.known = True

    def forget(self) -> None:
        """The kind itself is gone, and so is what there was of it."""
        self.known, self._version = False, 0
        for name in list(self._order):
            self._drop(name)

    def _set(self, name: Name, version: int, raw: Raw) -> None:
        before = self._entries.get(name)
        value = self._value(raw)
        if before is None:
            insort(self._order, name)
        self._entries[name] = _Entry(version, value)
        self._all = None
        self._note(name, value)
        self._tell(name, _readable(before), _readable(self._entries[name]))

    def _drop(self, name: Name) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._order.remove(name)
            self._all = None
            self.invalid.pop(name, None)
            self._tell(name, _readable(entry), None)

    def _value(self, raw: Raw) -> T | Unreadable:
        try:
            return self._read(raw)
        except InvalidResource as error:
            return _unreadable(raw, error)

    def _note(self, name: Name, value: T | Unreadable) -> None:
        if isinstance(value, Unreadable):
            self.invalid[name] = value
        else:
            self.invalid.pop(name, None)

    def _tell(self, name: Name, before: T | None, after: T | None) -> None:
        if before != after or name in self.invalid:
            self._changed(name, before, after)


def name_of(raw: Raw) -> Name:
    meta = raw["metadata"]
    return meta.get("namespace") or "", meta["name"]


def version_of(raw: Raw) -> int:
    return int(raw["metadata"]["resourceVersion"])


def _readable(entry: _Entry[T] | None) -> T | None:
    if entry is None or isinstance(entry.value, Unreadable):
        return None
    return entry.value


def _unreadable(raw: Raw, error: InvalidResource) -> Unreadable:
    namespace, name = name_of(raw)
    meta, status = raw["metadata"], raw.get("status") or {}
    conditions = tuple(status.get("conditions") or ())
    return Unreadable(namespace, name, meta["uid"], meta.get("generation", 0), error, conditions)
