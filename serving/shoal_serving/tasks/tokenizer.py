"""A model's tokenizer.json, with what its other files say about padding and length."""

from dataclasses import dataclass

from tokenizers import Tokenizer

from shoal.errors import ModelLoadFailed, ModelUnsupported
from shoal_serving.tasks.folder import ModelFolder


@dataclass(frozen=True, slots=True)
class ModelTokenizer:
    """A tokenizer that neither pads nor truncates, and so may be used by several threads.

    `max_length` counts tokens, special ones included; token ids are below `vocabulary`.
    """

    tokenizer: Tokenizer
    pad: int
    max_length: int
    vocabulary: int
    cuts_left: bool


def open_tokenizer(folder: ModelFolder, width: int) -> ModelTokenizer:
    """Read the folder's tokenizer for a graph whose sequences are `width` long, -1: of any length.

    Raises:
        ModelUnsupported: there is none, or nothing says how long a sequence may be.
        ModelLoadFailed: a file cannot be read.
    """
    tokenizer = read_tokenizer(folder)
    opened = ModelTokenizer(
        tokenizer=tokenizer,
        pad=_pad_id(folder, tokenizer),
        max_length=_max_length(folder, tokenizer, width),
        vocabulary=int(folder.config.get("vocab_size") or tokenizer.get_vocab_size()),
        cuts_left=folder.tokenizer_config.get("truncation_side") == "left",
    )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return opened


def read_tokenizer(folder: ModelFolder) -> Tokenizer:
    """The folder's tokenizer.json, with the padding and truncation that it may ask for.

    Raises:
        ModelUnsupported: there is none.
        ModelLoadFailed: it cannot be read.
    """
    path = folder.path / "tokenizer.json"
    if not path.is_file():
        raise ModelUnsupported(
            "The model folder has no tokenizer.json, so text cannot become tokens.",
            "Add it (transformers: AutoTokenizer.from_pretrained(...).save_pretrained(folder)), "
            "or serve the graph with task: tensor.",
        )
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        raise ModelLoadFailed(
            f"tokenizer.json cannot be used: {error}.", "Repair the file in the source."
        ) from error


def _pad_id(folder: ModelFolder, tokenizer: Tokenizer) -> int:
    """Padding is masked out, so a model whose files name none can be padded with anything."""
    token = folder.pad_token()
    named = None if token is None else tokenizer.token_to_id(token)
    if named is not None:
        return named
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"])
    return folder.pad_token_id


def _max_length(folder: ModelFolder, tokenizer: Tokenizer, width: int) -> int:
    """What the files say; where they say nothing, what tokenizer.json truncates to."""
    limit = folder.max_length()
    if limit is None and tokenizer.truncation is not None:
        limit = int(tokenizer.truncation["max_length"])
    if width > 0:
        limit = width if limit is None else min(limit, width)
    if limit is None:
        raise ModelUnsupported(
            "No file of the model says how long a text may be.",
            'Add {"model_max_length": N} to tokenizer_config.json, N in tokens.',
        )
    return limit
