"""Models that say what a test tells them, behind real vocabularies, templates and streams."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stand_ins import revision
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from shoal.errors import RequestError
from shoal_serving.generate.chat import ChatTemplate
from shoal_serving.generate.request import Delta, Finish, Generation, Sampling, TokenLogprob
from shoal_serving.generate.stream import Stream
from shoal_serving.generate.vocabulary import Vocabulary
from shoal_serving.stats import Statistics
from shoal_serving.tasks.text_generation import TextGeneration

TEMPLATE = (
    "{% if tools %}Tools: {{ tools | tojson }}, called as <tool_call>...</tool_call>\n{% endif %}"
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{% for call in message.tool_calls or [] %}"
    "[{{ call.function.name }} {{ call.function.arguments.items() | list }}]{% endfor %}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TOOLLESS = TEMPLATE.replace("<tool_call>", "a call")
END = "<|end|>"


def byte_vocabulary() -> Vocabulary:
    """Every byte is a token, and there is one that ends a text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    return Vocabulary(tokenizer, 260, frozenset({256}))


@dataclass
class TaskName:
    """What a configuration says of a model that generates."""

    value: str = "text-generation"


@dataclass(eq=False)
class Speaker:
    """Says each of `says` as a delta to everyone, then stops; or less, if it is told to `fail`.

    While it is `held` nothing is said but what a test pushes into its `streams`.
    """

    says: Sequence[str] = ("Hello", " world")
    finish: Finish = Finish.STOP
    held: bool = False
    fails: RequestError | None = None
    refuses: RequestError | None = None
    adapters: Mapping[str, object] = field(default_factory=dict)
    template: ChatTemplate | None = field(default_factory=lambda: chat_template())
    defaults: Sampling = field(default_factory=Sampling)
    most: int = 65536
    capacity: int = 1000
    name: str = "m"
    in_hand: int = 0
    revision: str = "r1"

    def __post_init__(self) -> None:
        self.vocabulary = byte_vocabulary()
        self.task = TextGeneration(self.vocabulary)
        self.inputs, self.outputs = self.task.inputs, self.task.outputs
        self.config = revision().model_copy(update={"task": TaskName()})
        self.statistics = Statistics()
        self.loaded = 1_700_000_000.5
        self.context = 1000
        self.asked: list[Generation] = []
        self.streams: list[Stream] = []
        self.cancelled: list[int] = []
        self._news = asyncio.Condition()
        self._speaking: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        self.in_hand += 1
        yield
        self.in_hand -= 1

    async def start(self, generation: Generation) -> Stream:
        if self.refuses is not None:
            raise self.refuses
        place = len(self.streams)
        stream = Stream(
            len(generation.prompt), lambda: self.cancelled.append(place), most=self.most
        )
        self.asked.append(generation)
        self.streams.append(stream)
        if not self.held:
            task = asyncio.create_task(self._speak(stream, generation))
            self._speaking.add(task)
            task.add_done_callback(self._speaking.discard)
        async with self._news:
            self._news.notify_all()
        return stream

    async def started(self, count: int) -> None:
        """Wait until it was asked for so many sequences."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.streams) >= count)

    async def was_cancelled(self, count: int = 1) -> None:
        """Wait until so many sequences were given up."""
        while len(self.cancelled) < count:
            await asyncio.sleep(0.001)

    def delta(self, generation: Generation, text: str, **more: Any) -> Delta:
        """A text with its tokens, and their logprobs if they were asked for."""
        tokens = self.vocabulary.encode(text)
        logprobs = self._logprobs(tokens, generation.sampling.logprobs)
        return Delta(text=text, tokens=tuple(tokens), logprobs=logprobs, **more)

    async def drain(self) -> None: ...

    def close(self) -> None: ...

    def tune(self, config: Any) -> None: ...

    async def _speak(self, stream: Stream, generation: Generation) -> None:
        prompt = self._logprobs(generation.prompt, generation.prompt_logprobs)
        first: dict[str, Any] = {"prompt_logprobs": (None, *prompt[1:])} if prompt else {}
        for text in self.says:
            await asyncio.sleep(0)
            stream.push(self.delta(generation, text, **first))
            first = {}
        await asyncio.sleep(0)
        if self.fails is not None:
            stream.fail(self.fails)
            return
        stream.push(Delta(finish=self.finish, **first))

    def _logprobs(self, tokens: Sequence[int], most: int | None) -> tuple[TokenLogprob, ...]:
        if most is None:
            return ()
        return tuple(
            TokenLogprob(token, -0.5, tuple((i, -1.0 - i) for i in range(65, 65 + most)))
            for token in tokens
        )


def chat_template(source: str = TEMPLATE) -> ChatTemplate:
    return ChatTemplate({"default": source}, {})
