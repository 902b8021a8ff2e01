"""Tokens → text, one at a time: a character is given once all of its bytes are there.

Bytes that turn out to be no UTF-8 are dropped, and text behind them is not held back. So U+FFFD
appears only where the model has written that character.
"""

import codecs

from shoal_serving.generate.pieces import Piece

_Utf8 = codecs.getincrementaldecoder("utf-8")


class Detokenizer:
    """The text of one sequence. It is not for several threads at once."""

    __slots__ = ("_decoder", "_ordinary", "_pieces", "_spaces")

    def __init__(self, pieces: list[Piece], spaces: int) -> None:
        """Begin a text whose first piece loses up to `spaces` leading spaces."""
        self._pieces = pieces
        self._spaces = spaces
        self._decoder = _Utf8("ignore")
        # Neither is it the first piece, nor does a character wait for its end.
        self._ordinary = not spaces

    def push(self, token: int) -> str:
        """The text that is whole with this token; "" while a character is not."""
        piece = self._pieces[token]
        if self._ordinary and type(piece) is str:
            return piece
        return self._push(piece)

    def _push(self, piece: Piece) -> str:
        if self._spaces and piece:
            piece = _less(piece, self._spaces)
            self._spaces = 0
        text = self._decoder.decode(piece.encode() if isinstance(piece, str) else piece)
        self._ordinary = not self._spaces and not self._decoder.getstate()[0]
        return text

    def flush(self) -> str:
        """What is left at the end of the text; the beginning of a character is not text."""
        return self._decoder.decode(b"", final=True)


def _less(piece: Piece, spaces: int) -> Piece:
    if isinstance(piece, bytes):
        return piece
    rest = piece.lstrip(" ")
    return " " * max(0, len(piece) - len(rest) - spaces) + rest
