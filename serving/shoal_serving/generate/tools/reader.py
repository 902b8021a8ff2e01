"""Reads one call while it is written: a JSON object with a name and arguments.

It follows quotes and brackets, and knows the object's own keys. What is in the arguments is passed
on as it comes: whether it is sound JSON is seen only at its end, when most of it has been sent.
"""

import json
from collections.abc import Collection
from enum import Enum, auto

_SPACE = frozenset(" \t\r\n")
_ARGUMENTS = frozenset({"arguments", "parameters"})
# What may stand there before it is sure that this is a call. With another key it is none.
_KEYS = frozenset({"name", "type", "id"}) | _ARGUMENTS


class _Due(Enum):
    """What must come next between the object's braces."""

    KEY = auto()
    COLON = auto()
    VALUE = auto()
    SCALAR = auto()
    COMMA = auto()


class CallReader:
    """One call that is being read, to a tool of one of `names`.

    It has begun (`name`) once both the name and an object of arguments are there, in any order.
    `arguments` is what has come of them; whoever sends it empties it, and sets `told`. `unsaid` is
    what was read and
    not sent: where this turns out to be no call, it is text.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.name: str | None = None
        self.arguments: list[str] = []
        self.unsaid: list[str] = []
        self.done = self.told = False
        self._names = names
        self._named: str | None = None
        self._has_arguments = self._in_arguments = False
        self._due = _Due.KEY
        self._key = ""
        self._token: list[str] = []
        self._depth = 0
        self._in_string = self._escaped = False

    def read(self, character: str) -> bool:
        """Read one more; False where it cannot stand here, so that this is no call any more."""
        was_in_arguments = self._in_arguments
        if self._in_string or self._depth > 1:
            sound = self._inside(character)
        else:
            sound = character in _SPACE or self._between(character)
        if sound:
            self._keep(character, was_in_arguments or self._in_arguments)
        return sound

    def _keep(self, character: str, argument: bool) -> None:
        if argument:
            self.arguments.append(character)
        if self.name is None:
            self.unsaid.append(character)
            self._begin()
        elif not argument:
            self.unsaid.append(character)

    def _begin(self) -> None:
        if self._named is not None and self._has_arguments:
            self.name = self._named
            self.unsaid.clear()

    def _inside(self, character: str) -> bool:
        """Within a key or a value."""
        self._token.append(character)
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = self._in_string
        elif character == '"':
            self._in_string = not self._in_string
        elif not self._in_string:
            self._depth += (character in "{[") - (character in "}]")
        return self._depth > 1 or self._in_string or self._complete()

    def _between(self, character: str) -> bool:
        """Around keys and values: braces, colons, commas, and how each of them begins."""
        match self._due, character:
            case _, "{" if not self._depth:
                self._depth = 1
                return True
            case _ if not self._depth:
                return False
            case (_Due.KEY, '"'):
                return self._enter(character)
            case (_Due.VALUE, '"' | "{" | "["):
                return self._may_begin(character) and self._enter(character)
            case (_Due.VALUE, _) if character not in ":,}]":
                self._due = _Due.SCALAR
                return self._key not in _ARGUMENTS and self._key != "name"
            case (_Due.COLON, ":"):
                self._due = _Due.VALUE
                return True
            case (_Due.COMMA | _Due.SCALAR, ","):
                self._due = _Due.KEY
                return True
            case (_Due.COMMA | _Due.SCALAR, "}"):
                self.done = True
                return self.name is not None
            case (_Due.SCALAR, _):
                return character not in '"{[:]'
        return False

    def _enter(self, character: str) -> bool:
        self._token = [character]
        self._in_string = character == '"'
        self._depth += not self._in_string
        return True

    def _may_begin(self, character: str) -> bool:
        if self._key == "name":
            return character == '"'
        if self._key in _ARGUMENTS and not self._has_arguments:
            self._has_arguments = self._in_arguments = character == "{"
            return self._has_arguments
        return True

    def _complete(self) -> bool:
        """A key or a value has ended."""
        if self._due is _Due.KEY:
            self._due, self._key = _Due.COLON, self._text()
            return self.name is not None or self._key in _KEYS
        self._due, self._in_arguments = _Due.COMMA, False
        if self._key == "name" and self._named is None:
            self._named = self._text()
            return self._named in self._names
        return True

    def _text(self) -> str:
        try:
            return str(json.loads("".join(self._token)))
        except ValueError:
            return ""
