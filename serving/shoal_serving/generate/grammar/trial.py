"""Compiles grammars on trial, in a process of its own.

Neither the time nor the memory that llguidance needs can be foretold from a grammar: an
intersection of a few expressions, or a `multipleOf`, may take for ever, and what has begun in our
own process cannot be stopped. What passes here takes about as long again when it is compiled for
good.

`python -m shoal_serving.generate.grammar.trial SECONDS` reads grammars as lines of JSON strings,
and answers each with one: what is wrong with it, or nothing. It dies of one that takes more than
SECONDS of a processor: a sound grammar is not refused because the machine is busy.
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time

from llguidance import LLMatcher, LLTokenizer

from shoal.errors import InferenceFailed
from shoal_serving.generate.grammar.limits import first_line, parser_limits

LIMIT_S = 3.0
# A busy machine gives a process less than a processor; and one that is starved is given up.
_WALL_S_PER_LIMIT_S = 5
_NEVER = 0.0
_MOST_MEMORY = 1 << 30
_READY = b'""\n'


class Trial:
    """The process, started when it is first needed and again after it had to be killed.

    One grammar at a time, which has `limit_s` seconds of a processor. May be called from any
    thread.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def fault(self, grammar: str) -> str | None:
        """What is wrong with a grammar in llguidance's words, or None. Blocks.

        Raises:
            InferenceFailed: the process does not start.
        """
        with self._lock:
            process = self._running()
            answer = self._asked(process, json.dumps(grammar).encode() + b"\n")
            if answer is None:
                self._stop()
                return "it takes too much time or memory to compile; make it simpler"
            return json.loads(answer) or None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._process = _start(self._limit_s)
        return self._process

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None

    def _asked(self, process: subprocess.Popen[bytes], line: bytes) -> bytes | None:
        """Its answer, or None if it died or is late."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except BrokenPipeError:
            return None
        until = time.monotonic() + self._limit_s * _WALL_S_PER_LIMIT_S
        return _line(process.stdout.fileno(), until)


def _start(limit_s: float) -> subprocess.Popen[bytes]:
    """Start it and wait until it is ready: that takes no time from the first grammar's.

    What it says when it dies, such as of memory, goes to our own standard error.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "shoal_serving.generate.grammar.trial", str(limit_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    if process.stdout.readline() != _READY:
        process.communicate()
        raise InferenceFailed(
            f"the process that tries grammars ended with status {process.returncode} at once"
        )
    return process


def _line(source: int, until: float) -> bytes | None:
    said = b""
    while not said.endswith(b"\n"):
        ready, _, _ = select.select([source], [], [], max(0.0, until - time.monotonic()))
        more = os.read(source, 65536) if ready else b""
        if not more:
            return None
        said += more
    return said


def main() -> int:
    """The process."""
    limit_s = float(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    # A vocabulary of bytes: what an expression costs hardly depends on the tokens.
    tokenizer = LLTokenizer("byte")
    _say("")
    for line in sys.stdin:
        _end_after(limit_s)
        grammar = json.loads(line)
        matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=parser_limits())
        _end_after(_NEVER)
        _say(first_line(matcher.get_error()) if matcher.is_error() else "")
    return 0


def _say(answer: str) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _end_after(seconds: float) -> None:
    """The kernel ends us (SIGPROF) once we have had so many seconds of a processor from now on."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    sys.exit(main())
