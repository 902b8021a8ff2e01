"""`shoal` at a terminal: a real one, with a process of its own on it."""

import codecs
import os
import pty
import select
import subprocess
import sys
import time

import psutil
import pytest

# A machine with other work may take long to start a Python.
PATIENCE_S = 90.0
# What makes the terminal on standard input the process's own, so that Ctrl-C reaches it, and is
# heard, also where the tests run in the background of a shell.
TAKE_TERMINAL = (
    "import fcntl, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from shoal.cli import main; main(sys.argv[1:])"
)
CTRL_C, CTRL_D = "\x03", "\x04"


def wait_until(check):
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Terminal:
    """A person's: what they see is kept in `screen`."""

    def __init__(self, arguments, **pipes):
        self._master, slave = pty.openpty()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.screen = ""
        self._seen = 0
        with os.fdopen(slave, "wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "-c", TAKE_TERMINAL, *arguments],
                **{"stdin": terminal, "stdout": terminal, "stderr": terminal, **pipes},
                env=os.environ | {"TERM": "dumb", "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )

    def type(self, text):
        os.write(self._master, text.encode())

    def interrupt(self):
        """Type Ctrl-C once the process waits for something: Python may not see one before that."""
        process = psutil.Process(self.process.pid)
        wait_until(lambda: process.status() == psutil.STATUS_SLEEPING)
        self.type(CTRL_C)

    def see(self, text):
        """Wait until the text is shown, behind what was seen before."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.screen.find(text, self._seen)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} is not shown: {self.screen!r}"
            if select.select([self._master], [], [], left)[0]:
                self.screen += self._read()
        self._seen = found + len(text)

    def code(self):
        """How the process ended."""
        return self.process.wait(PATIENCE_S)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self):
        try:
            return self._decoder.decode(os.read(self._master, 4096))
        except OSError:  # Linux's way to say that nobody has the terminal any more
            pytest.fail(f"it has ended: {self.screen!r}")
