"""Stop strings: which text may be sent while it comes, and where it ends.

The automaton of Aho and Corasick (1975): at every character its state is the longest end of the
text that begins a stop string, which is just what must be held back.
"""

from collections import deque
from functools import lru_cache


class StopStrings:
    """Watches one text for strings, of which none is empty.

    The string that is complete first ends the text, however it was cut to pieces; of several that
    end at one character, the longest. Time is linear in the text.
    """

    def __init__(self, strings: tuple[str, ...], include: bool) -> None:
        """With `include` the stop string is a part of the text."""
        self._include = include
        self._automaton = _automaton(strings)
        self._state = 0
        self._held = ""

    def push(self, text: str) -> tuple[str, str | None]:
        """What may be sent now, and the stop string if it was found; what follows it is dropped."""
        automaton, state = self._automaton, self._state
        if not state and automaton.firsts.isdisjoint(text):
            return text, None
        text, seen = self._held + text, len(self._held)
        for i in range(seen, len(text)):
            state = automaton.step(state, text[i])
            if stop := automaton.found[state]:
                return self._end(text, i + 1, stop)
        self._state = state
        keep = len(text) - automaton.depth[state]
        self._held = text[keep:]
        return text[:keep], None

    def _end(self, text: str, end: int, stop: str) -> tuple[str, str]:
        self._state, self._held = 0, ""
        return text[: end if self._include else end - len(stop)], stop

    def flush(self) -> str:
        """What was held back, when the text has ended without a stop string."""
        held, self._held, self._state = self._held, "", 0
        return held


class _Automaton:
    """States are beginnings of the strings; state 0 is the empty one.

    `depth` is how long each is, `found` the longest string that ends there, or "".
    """

    def __init__(self, strings: tuple[str, ...]) -> None:
        self.firsts = {string[0] for string in strings}
        self.depth, self.found = [0], [""]
        self._next: list[dict[str, int]] = [{}]
        self._shorter = [0]
        for string in strings:
            self._add(string)
        self._link()

    def step(self, state: int, character: str) -> int:
        while state and character not in self._next[state]:
            state = self._shorter[state]
        return self._next[state].get(character, 0)

    def _add(self, string: str) -> None:
        state = 0
        for character in string:
            if character not in self._next[state]:
                self._next[state][character] = self._new(self.depth[state] + 1)
            state = self._next[state][character]
        self.found[state] = string

    def _new(self, depth: int) -> int:
        self._next.append({})
        self._shorter.append(0)
        self.depth.append(depth)
        self.found.append("")
        return len(self._next) - 1

    def _link(self) -> None:
        """Give every state the longest other state that it ends in, shortest states first."""
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            for character, longer in self._next[state].items():
                self._shorter[longer] = self.step(self._shorter[state], character)
                waiting.append(longer)
            self.found[state] = self.found[state] or self.found[self._shorter[state]]


@lru_cache(maxsize=8)
def _automaton(strings: tuple[str, ...]) -> _Automaton:
    """Choices of one request share it: it does not change."""
    return _Automaton(strings)
