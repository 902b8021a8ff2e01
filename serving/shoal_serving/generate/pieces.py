"""What each token stands for in a text: whole characters, or bytes that are a part of one.

A tokenizer's decoder is read once and becomes a table. Three families cover the decoders of
language models: byte-level BPE (GPT-2, Llama 3, Qwen), SentencePiece as `tokenizers` writes it
(Llama 2, Mistral, Gemma: "▁" for a space, `<0xE4>` for a byte), and plain words.
https://huggingface.co/docs/tokenizers/api/decoders
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from shoal.errors import ModelUnsupported

Piece = str | bytes

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_ALL = 1 << 30


@dataclass(frozen=True, slots=True)
class Pieces:
    """`kept` and `skipped` have a piece for each token id: those of `special` are "" in `skipped`.

    A piece is bytes where it is no UTF-8 by itself. A text's first piece loses up to `spaces`
    leading spaces, which the tokenizer had put there.
    """

    kept: list[Piece]
    skipped: list[Piece]
    spaces: int
    special: frozenset[int]


def pieces_of(tokenizer: Tokenizer, size: int) -> Pieces:
    """The pieces of `size` token ids, or of as many as the tokenizer has; the others are "".

    Raises:
        ModelUnsupported: its decoder is of another family.
    """
    rule = _rule_of(tokenizer)
    tokens = tokenizer.get_vocab(with_added_tokens=True)
    kept: list[Piece] = [""] * max(size, max(tokens.values(), default=-1) + 1)
    for token, index in tokens.items():
        kept[index] = rule.piece(token)
    skipped = kept.copy()
    added = tokenizer.get_added_tokens_decoder()
    special = frozenset(index for index, token in added.items() if token.special)
    for index in special:
        skipped[index] = ""
    return Pieces(kept, skipped, rule.spaces, special)


@dataclass(slots=True)
class _Rule:
    """How a token's name in the vocabulary becomes text."""

    byte_level: dict[str, int] = field(default_factory=dict)
    byte_fallback: bool = False
    replaced: list[tuple[str, str]] = field(default_factory=list)
    before: str = ""
    spaces: int = 0

    def piece(self, token: str) -> Piece:
        if self.byte_level and (value := self._bytes(token)) is not None:
            return _text_or_bytes(value)
        if self.byte_fallback and (byte := _BYTE.fullmatch(token)):
            return _text_or_bytes(bytes.fromhex(byte[1]))
        for old, new in self.replaced:
            token = token.replace(old, new)
        return self.before + token

    def _bytes(self, token: str) -> bytes | None:
        """None for an added token, which is no name of bytes."""
        try:
            return bytes([self.byte_level[c] for c in token])
        except KeyError:
            return None


def _text_or_bytes(value: bytes) -> Piece:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _rule_of(tokenizer: Tokenizer) -> _Rule:
    if tokenizer.decoder is None:
        return _Rule(before=" ", spaces=1)
    rule = _Rule()
    for step in _flat([json.loads(tokenizer.decoder.__getstate__())]):
        _apply(step, rule)
    return rule


def _flat(steps: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for step in steps:
        if step["type"] == "Sequence":
            yield from _flat(step["decoders"])
        else:
            yield step


def _apply(step: dict[str, Any], rule: _Rule) -> None:
    match step:
        case {"type": "ByteLevel"}:
            rule.byte_level = _byte_level()
        case {"type": "ByteFallback"}:
            rule.byte_fallback = True
        case {"type": "Fuse"}:
            pass
        case {"type": "Replace", "pattern": {"String": old}, "content": new}:
            rule.replaced.append((old, new))
        case {"type": "Strip", "content": " ", "start": spaces, "stop": 0}:
            rule.spaces = spaces
        case {"type": "Metaspace", "replacement": old, "prepend_scheme": scheme}:
            rule.replaced.append((old, " "))
            rule.spaces = 0 if scheme == "never" else _ALL
        case _:
            raise ModelUnsupported(
                f"tokenizer.json has a decoder that is not known here: {json.dumps(step)}.",
                "Use a model whose decoder is byte-level, or SentencePiece's as tokenizers has it.",
            )


def _byte_level() -> dict[str, int]:
    """GPT-2's names of the bytes: printable ones name themselves, the others follow U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    names = {chr(byte): byte for byte in printable}
    return names | {chr(0x100 + i): byte for i, byte in enumerate(others)}
