"""Text → content and tool calls, while it comes.

What only looks like a call is content, and so is a call that ends before its arguments begin. White
space around calls belongs to the format and is left out.
"""

from collections.abc import Callable, Collection

from shoal_serving.generate.tools.formats import ToolFormat
from shoal_serving.generate.tools.pieces import CallArguments, CallStarted, Content, Piece
from shoal_serving.generate.tools.reader import CallReader

_OPEN, _CLOSE, _PYTHON = "<tool_call>", "</tool_call>", "<|python_tag|>"


class ToolParser:
    """Reads the text of one answer in which tools of these names may be called."""

    def __init__(self, form: ToolFormat, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._hermes = form is ToolFormat.HERMES
        # Takes some of the text and gives back the rest of it.
        self._read: Callable[[str], str] = self._text if self._hermes else self._object
        self._call = CallReader(self._names)
        self._calls = 0
        self._rest = ""
        # Marks and white space, which are content only if content follows.
        self._maybe: list[str] = []
        self._blank = True
        self._pieces: list[Piece] = []

    def push(self, text: str) -> list[Piece]:
        """What is sure with this text: a call as soon as its name is, then its arguments."""
        text, self._rest = self._rest + text, ""
        while text:
            text = self._read(text)
        pieces, self._pieces = self._pieces, []
        return pieces

    def flush(self) -> list[Piece]:
        """What was held back, when the text has ended."""
        if self._read == self._arguments:
            self._say("".join(self._call.unsaid))
        elif self._read != self._close:
            self._say(self._rest)
        held = "".join(self._maybe)
        if held and (not self._calls or held.strip("; \t\r\n")):
            self._pieces.append(Content(held))
        self._rest, self._maybe = "", []
        pieces, self._pieces = self._pieces, []
        return pieces

    def _say(self, text: str) -> None:
        if self._blank and not text.strip():
            self._maybe.append(text)
            return
        text = "".join([*self._maybe, text])
        self._blank = False
        self._maybe.clear()
        if text:
            self._pieces.append(Content(text))

    def _text(self, text: str) -> str:
        """Hermes: content, up to a mark."""
        content, mark, rest = text.partition(_OPEN)
        if mark:
            self._say(content)
            return self._enter(mark, rest)
        return self._hold(text, _OPEN)

    def _hold(self, text: str, mark: str) -> str:
        """All is content but an end that may become a mark, of which only the first is a "<"."""
        at = text.rfind(mark[0])
        keep = at if at >= 0 and mark.startswith(text[at:]) else len(text)
        self._say(text[:keep])
        self._rest = text[keep:]
        return ""

    def _enter(self, mark: str, rest: str) -> str:
        self._maybe.append(mark)
        self._blank = True
        self._call = CallReader(self._names)
        self._read = self._arguments
        return rest

    def _object(self, text: str) -> str:
        """Llama: a call, or nothing but content from here on."""
        rest = text.lstrip("; \t\r\n" if self._calls else " \t\r\n")
        self._maybe.append(text[: len(text) - len(rest)])
        if rest.startswith(_PYTHON):
            self._maybe.append(_PYTHON)
            return rest[len(_PYTHON) :]
        if rest.startswith("{"):
            return self._enter("", rest)
        if _PYTHON.startswith(rest):
            self._rest = rest
            return ""
        self._read = self._content
        return rest

    def _content(self, text: str) -> str:
        self._say(text)
        return ""

    def _arguments(self, text: str) -> str:
        """A call, up to its closing brace or to where it is none."""
        call = self._call
        for at, character in enumerate(text):
            if not call.read(character):
                self._tell(call)
                return self._no_call(call, text[at:])
            if call.done:
                self._tell(call)
                self._read = self._close if self._hermes else self._object
                return text[at + 1 :]
        self._tell(call)
        return ""

    def _tell(self, call: CallReader) -> None:
        if call.name is None:
            return
        if not call.told:
            call.told = True
            self._maybe.clear()
            self._pieces.append(CallStarted(self._calls, call.name))
            self._calls += 1
        if call.arguments:
            self._pieces.append(CallArguments(self._calls - 1, "".join(call.arguments)))
            call.arguments.clear()

    def _no_call(self, call: CallReader, rest: str) -> str:
        self._say("".join(call.unsaid))
        self._read = self._text if self._hermes else self._content
        return rest

    def _close(self, text: str) -> str:
        """Hermes: the end of a call; without it content follows."""
        rest = text.lstrip()
        self._maybe.append(text[: len(text) - len(rest)])
        if rest.startswith(_CLOSE):
            self._maybe.clear()
            self._read = self._text
            return rest[len(_CLOSE) :]
        if _CLOSE.startswith(rest):
            self._rest = rest
            return ""
        self._read = self._text
        return rest
