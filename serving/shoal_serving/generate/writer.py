"""From the tokens of one sequence to what its reader gets, and when it ends."""

from shoal_serving.generate.request import Delta, Finish, Generation, TokenLogprob
from shoal_serving.generate.stops import StopStrings
from shoal_serving.generate.vocabulary import Vocabulary


class Writer:
    """Writes the deltas of one sequence; `room` is the most tokens that it may generate."""

    def __init__(self, vocabulary: Vocabulary, generation: Generation, room: int) -> None:
        stopping = generation.stopping
        self._most = room if stopping.max_tokens is None else min(room, stopping.max_tokens)
        self._least = stopping.min_tokens
        self._ends = stopping.tokens
        if not stopping.ignore_eos:
            self._ends |= vocabulary.end_tokens
        self._shown = stopping.tokens if stopping.include else frozenset()
        self._detokenizer = vocabulary.detokenizer(
            generation.skip_special_tokens, generation.prompt
        )
        strings = stopping.strings
        self._stops = StopStrings(strings, stopping.include) if strings else None
        self._generated = 0

    @property
    def full(self) -> bool:
        """Whether no (further) token may be generated."""
        return self._generated >= self._most

    def write(self, token: int, logprob: TokenLogprob | None) -> Delta:
        """The delta that a token makes; its `finish` says whether the sequence ends with it."""
        self._generated += 1
        ends = token in self._ends and self._generated >= self._least
        finish = Finish.STOP if ends else Finish.LENGTH if self.full else None
        text = "" if ends and token not in self._shown else self._detokenizer.push(token)
        if finish is not None:
            text += self._detokenizer.flush()
        text, found = self._held(text, finish is not None)
        return Delta(
            text=text,
            tokens=(token,),
            logprobs=() if logprob is None else (logprob,),
            finish=Finish.STOP if found is not None else finish,
            stop=found if found is not None else (token if ends else None),
        )

    def _held(self, text: str, last: bool) -> tuple[str, str | None]:
        """What of the text may be sent, and the stop string that was found."""
        if self._stops is None or self._generated < self._least:
            return text, None
        text, found = self._stops.push(text)
        if last and found is None:
            text += self._stops.flush()
        return text, found
