"""Grammars made ready for one model's tokens."""

import threading
from collections import OrderedDict

from llguidance import LLMatcher, LLTokenizer

from shoal.errors import InvalidRequest
from shoal_serving.generate.grammar.limits import first_line, parser_limits
from shoal_serving.generate.grammar.matcher import Matcher
from shoal_serving.generate.grammar.tokens import read_tokenizer
from shoal_serving.generate.grammar.trial import Trial
from shoal_serving.generate.grammar.wording import worded
from shoal_serving.generate.request import Grammar

_REMEMBERED = 16


class CompiledGrammar:
    """A grammar that any number of sequences may follow. They share what the lexer has learned."""

    def __init__(self, native: LLMatcher, vocabulary: int) -> None:
        self._native = native
        self._vocabulary = vocabulary

    def start(self) -> Matcher:
        """A matcher at the beginning of a text."""
        return Matcher(self._native.deep_copy(), self._vocabulary)


class Grammars:
    """Compiles grammars for one model, and remembers the last ones."""

    def __init__(
        self,
        tokenizer_json: str,
        vocabulary: int,
        end_tokens: frozenset[int],
        trial: Trial | None = None,
    ) -> None:
        """`tokenizer_json` is the file's text; `vocabulary` the width of the logits.

        Any of the `end_tokens` may follow where a text may end. The tokenizer is read when the
        first grammar comes, which takes about a second for 100,000 tokens.
        """
        self._tokenizer_json = tokenizer_json
        self._vocabulary = vocabulary
        self._end_tokens = end_tokens
        self._trial = trial or Trial()
        self._lock = threading.Lock()
        self._tokenizer: LLTokenizer | None = None
        self._compiled: OrderedDict[str, CompiledGrammar] = OrderedDict()
        self._faults: OrderedDict[str, str] = OrderedDict()

    def compile(self, grammar: Grammar, param: str | None = None) -> CompiledGrammar:
        """Blocks, for up to some seconds: call it in a thread.

        Raises:
            InvalidRequest: it is malformed, or too large or complex; `param` is the error's.
            InferenceFailed: the process that tries grammars does not start.
        """
        text = worded(grammar, param)
        compiled = self._found(text)
        if compiled is None:
            fault = self._fault(text)
            if fault is not None:
                raise _refused(grammar, fault, param)
            compiled = self._compile(grammar, text, param)
        return compiled

    def remembered(self, grammar: Grammar, param: str | None = None) -> CompiledGrammar | None:
        """What `compile` would give, if it is known; as quick as the grammar is read.

        Raises:
            InvalidRequest: it is too large, or no grammar of its kind; `param` is the error's.
        """
        return self._found(worded(grammar, param))

    def close(self) -> None:
        """End the process that tries grammars."""
        self._trial.close()

    def _found(self, text: str) -> CompiledGrammar | None:
        with self._lock:
            if text in self._compiled:
                self._compiled.move_to_end(text)
            return self._compiled.get(text)

    def _fault(self, text: str) -> str | None:
        """Why a grammar cannot be used; one that is sent again is not tried again."""
        with self._lock:
            known = self._faults.get(text)
        fault = known or self._trial.fault(text)
        if fault is not None:
            with self._lock:
                self._faults[text] = fault
                if len(self._faults) > _REMEMBERED:
                    self._faults.popitem(last=False)
        return fault

    def _compile(self, grammar: Grammar, text: str, param: str | None) -> CompiledGrammar:
        tokenizer = self._read_tokenizer(param)
        native = LLMatcher(tokenizer, text, log_level=0, limits=parser_limits())
        if native.is_error():
            raise _refused(grammar, first_line(native.get_error()), param)
        compiled = CompiledGrammar(native, tokenizer.vocab_size)
        with self._lock:
            self._compiled[text] = compiled
            if len(self._compiled) > _REMEMBERED:
                self._compiled.popitem(last=False)
        return compiled

    def _read_tokenizer(self, param: str | None) -> LLTokenizer:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = self._read(param)
            return self._tokenizer

    def _read(self, param: str | None) -> LLTokenizer:
        try:
            return read_tokenizer(self._tokenizer_json, self._vocabulary, self._end_tokens)
        except ValueError as error:
            message = f"this model cannot follow a grammar: {first_line(str(error))}"
            raise InvalidRequest(message, param) from error


def _refused(grammar: Grammar, fault: str, param: str | None) -> InvalidRequest:
    return InvalidRequest(f"the {grammar.kind} grammar cannot be used: {fault}", param)
