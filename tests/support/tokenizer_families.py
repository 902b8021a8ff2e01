"""Small tokenizers as the families of language models have them."""

import json

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

TEXTS = [
    "The quick brown fox  jumps over the lazy dog.\n\tAnd back!",
    "磁盘满了，请清理。动态批处理把多个请求合并成一个批次。",
    "😀🎉 naïve café 👨‍👩‍👧 Ω≈ç√",
]


def byte_level():
    """Byte-level BPE, as GPT-2, Llama 3 and Qwen have it; few merges, so most characters split."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS[:1], trainer)
    tokenizer.add_tokens([AddedToken("<tool 工具>", normalized=False)])
    return tokenizer


def sentence_piece():
    """Metaspace and bytes, as Llama 2 and Mistral have it: the first space is the tokenizer's."""
    words = ["▁", "▁The", "▁quick", "▁▁", "fox", "磁", "a", "b", "\n", "\ufffd", "▁b", "▁c"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return tokenizer


def metaspace():
    """Words that begin with "▁", and a decoder that says no more than that."""
    words = ["<unk>", "</s>", "▁the", "▁disk", "s", "▁磁盘", "▁▁b"]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def words():
    """Words, and no decoder: spaces come between them."""
    vocabulary = {word: i for i, word in enumerate(["<unk>", "the", "disk", "满"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def save(tokenizer, folder, files=None):
    """Write it as a model's folder, with other JSON files by name."""
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, content in (files or {}).items():
        (folder / name).write_text(json.dumps(content))
    return folder
