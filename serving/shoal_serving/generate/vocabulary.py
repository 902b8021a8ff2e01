"""The tokens of a model: what text they are, and which of them end a text."""

from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer

from shoal.errors import InvalidRequest, ModelLoadFailed
from shoal_serving.generate.detokenizer import Detokenizer
from shoal_serving.generate.pieces import pieces_of
from shoal_serving.tasks.folder import ModelFolder
from shoal_serving.tasks.tokenizer import read_tokenizer


class Vocabulary:
    """Text to tokens and back. Several threads may use it.

    `size` is how many logits there are: ids beyond the tokenizer's own are padding, and no text.
    `end_tokens` end a text; `special_tokens` are all that the tokenizer calls special.
    """

    def __init__(self, tokenizer: Tokenizer, size: int, end_tokens: frozenset[int]) -> None:
        self.size = size
        self.end_tokens = end_tokens
        self._tokenizer = tokenizer
        self._pieces = pieces_of(tokenizer, size)
        self.special_tokens = self._pieces.special
        self._fits = tokenizer.get_vocab_size() <= size

    @property
    def tokenizer_json(self) -> str:
        """The tokenizer as tokenizer.json has it, without padding and truncation."""
        text: str = self._tokenizer.to_str()
        return text

    def encode(self, text: str, special: bool = True) -> list[int]:
        """The tokens of a text; `special` puts those around it that the tokenizer puts there.

        A chat template writes them itself: its text is encoded without.

        Raises:
            InvalidRequest: the tokenizer has a token for it that the model does not have.
        """
        [encoding] = self._tokenizer.encode_batch_fast([text], add_special_tokens=special)
        tokens: list[int] = encoding.ids
        if not self._fits and max(tokens, default=0) >= self.size:
            raise InvalidRequest(
                f"the text has the token {self.token_text(max(tokens))!r}, which the tokenizer "
                "knows and the model does not; leave it out"
            )
        return tokens

    def decode(self, tokens: Iterable[int], skip_special_tokens: bool = True) -> str:
        """The text of these tokens, as a text of its own. Bytes that are no UTF-8 are dropped."""
        detokenizer = self.detokenizer(skip_special_tokens)
        return "".join(map(detokenizer.push, tokens)) + detokenizer.flush()

    def detokenizer(
        self, skip_special_tokens: bool = True, prompt: Sequence[int] = ()
    ) -> Detokenizer:
        """Turns tokens into text one by one, as `decode` would turn all of them.

        Behind a prompt that has text, what follows is a part of that text: a leading space stays.
        """
        pieces = self._pieces.skipped if skip_special_tokens else self._pieces.kept
        begun = any(pieces[token] for token in prompt)
        return Detokenizer(pieces, 0 if begun else self._pieces.spaces)

    def token_text(self, token: int) -> str:
        r"""One token as text; a part of a character as OpenAI writes it, `bytes:\xe4\xbd`."""
        piece = self._pieces.kept[token]
        if isinstance(piece, str):
            return piece
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        piece = self._pieces.kept[token]
        return piece.encode() if isinstance(piece, str) else piece


def open_vocabulary(folder: ModelFolder, size: int) -> Vocabulary:
    """The folder's tokenizer, for a model with `size` logits.

    Raises:
        ModelUnsupported: there is no tokenizer, or its decoder is not known.
        ModelLoadFailed: a file cannot be read.
    """
    tokenizer = read_tokenizer(folder)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Vocabulary(tokenizer, size, _end_tokens(folder, tokenizer))


def _end_tokens(folder: ModelFolder, tokenizer: Tokenizer) -> frozenset[int]:
    """All that a file calls an end of text: they differ between chat models and what they are from.

    https://huggingface.co/docs/transformers/main_classes/text_generation (eos_token_id)
    """
    named = folder.special_token("eos_token")
    found: set[int | None] = {None if named is None else tokenizer.token_to_id(named)}
    for name in ("generation_config.json", "config.json"):
        found.update(_ids(folder.object(name).get("eos_token_id"), name))
    found.update(_ids(folder.genai.get("eos_token_id"), "genai_config.json"))
    return frozenset(token for token in found if token is not None)


def _ids(value: Any, file: str) -> list[int]:
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if not all(type(token) is int and token >= 0 for token in ids):
        raise ModelLoadFailed(
            f"{file} has the eos_token_id {value!r}.",
            "Write a token id or a list of token ids.",
        )
    return ids
