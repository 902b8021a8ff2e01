"""What the chat sample and its adapters answer, by transformers and PEFT, as texts."""

import json
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

MODELS = Path(__file__).parents[2] / "manifests" / "samples" / "models"
TINY_CHAT = MODELS / "tiny-chat"
LONGEST = 48  # tokens, of an answer
_BEFORE, _BEHIND = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
# The names that the chat sample answers to, and where their references are.
_REFERENCES = {
    "chat": TINY_CHAT / "reference-greedy.json",
    "pirate": MODELS / "tiny-chat-lora-pirate" / "reference.json",
    "terse": MODELS / "tiny-chat-lora-terse" / "reference.json",
}
NAMES = tuple(_REFERENCES)


@dataclass(frozen=True)
class Spoken:
    """What is said to a model, as tokens and as text, and the likeliest answer."""

    model: str
    tokens: list[int]
    prompt: str
    answer: str

    @property
    def message(self) -> str:
        """What the user says; the rest of the prompt is the chat template's."""
        return self.prompt.removeprefix(_BEFORE).removesuffix(_BEHIND)


def spoken(name: str) -> list[Spoken]:
    """The references of the chat sample's model, `chat`, or of an adapter."""
    tokenizer = Tokenizer.from_file(str(TINY_CHAT / "tokenizer.json"))
    stored = json.loads(_REFERENCES[name].read_text())
    return [
        Spoken(
            name,
            case["prompt_ids"],
            tokenizer.decode(case["prompt_ids"], skip_special_tokens=False),
            # Bytes that are no UTF-8 are not sent.
            tokenizer.decode(case["greedy_ids"]).replace("\N{REPLACEMENT CHARACTER}", ""),
        )
        for case in (stored if isinstance(stored, list) else stored["cases"])
    ]
