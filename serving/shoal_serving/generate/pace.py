"""How much of the prompts a step may compute, so that those who decode hardly feel it."""

# What prompts may add to a step, in decode runs: a step with a prompt then takes 3 of them. If
# more wait for their prompt than decode, it is as many times more, for most wait for these steps;
# but so many seconds at most.
_ALLOWANCE, _CROWD_S = 2.0, 0.25
MOST, _LEAST = 512, 16
# Without anybody who decodes, a step is as long as one that newcomers can wait for: in seconds.
_LONGEST_S = 1.0
_WEIGHT = 0.2
# The most that such a run takes, in the shortest decode runs.
_SHORT = 1.5


class Pace:
    """Learns what runs cost, from their durations in seconds."""

    def __init__(self) -> None:
        self._token: float | None = None
        self._decode: dict[int, float] = {}

    def budget(self, decoding: int, prompts: int = 1) -> int:
        """The most tokens of prompts for a step in which so many rows decode, and so many wait for
        their prompt.
        """
        seconds = self._seconds(decoding, prompts)
        if seconds is None or self._token is None:
            return _LEAST
        return max(_LEAST, min(MOST, int(seconds / self._token)))

    def _seconds(self, decoding: int, prompts: int) -> float | None:
        """What prompts may add to such a step, where that is known."""
        if not decoding:
            return _LONGEST_S
        decode = self._decode.get(_bucket(decoding))
        if decode is None:
            return None
        alone = _ALLOWANCE * decode
        return max(alone, min(_CROWD_S, alone * prompts / decoding))

    def prefilled(self, tokens: int, seconds: float) -> None:
        """`tokens` counts the padding.

        A run that is about as short as the shortest would be so with more tokens too, as a small
        model's on a GPU: then the next one may have about twice as many.
        """
        if seconds < _SHORT * min(self._decode.values(), default=0.0):
            self._token = min(self._token or seconds, seconds / (2 * tokens))
        else:
            self._token = _moved(self._token, seconds / tokens)

    def decoded(self, rows: int, seconds: float) -> None:
        bucket = _bucket(rows)
        self._decode[bucket] = _moved(self._decode.get(bucket), seconds)


def _bucket(rows: int) -> int:
    return rows.bit_length()


def _moved(average: float | None, value: float) -> float:
    return value if average is None else average + _WEIGHT * (value - average)
