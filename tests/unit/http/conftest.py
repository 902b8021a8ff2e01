import json

import numpy as np
import pytest
from stand_ins import Arithmetic, loaded, revision, spec
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from shoal.api.model import Task
from shoal.api.runtime import ModelConfig
from shoal.api.tensors import Datatype
from shoal_serving.hosting import HostedModel
from shoal_serving.http.app import HttpApp
from shoal_serving.tasks.open import open_task

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "disk", "full", "is", "the", "yes", "no"]


@pytest.fixture
def site():
    """Builds an application of models, which are given by their keys.

    A model that is None is not loaded yet, and one that is an error could not be loaded.
    """

    async def build(models=None, max_body_bytes=2**20, access_log=False, body_stall_s=30.0):
        models = {"ops/m": loaded()} if models is None else models
        hosted = {key: await host(key, outcome) for key, outcome in models.items()}
        return HttpApp(hosted, max_body_bytes, access_log, body_stall_s)

    return build


async def host(key, outcome):
    def load(key, wanted, tell, serving):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    model = HostedModel(key, "node", load, changed=lambda: None)
    namespace, _, name = key.partition("/")
    if outcome is not None:
        wanted = revision() if isinstance(outcome, Exception) else outcome.config
        await model.configure(ModelConfig(namespace=namespace, name=name, wanted=wanted))
    return model


@pytest.fixture
def text_graph():
    """Builds the graph of a text task: `text_graph("text-ranking")`."""
    return lambda task: GRAPHS[task]()


@pytest.fixture
def text_model(tmp_path, text_graph):
    """Builds a model that reads text: `text_model("text-ranking", graph, max_queue_size=1)`.

    Its numbers are simple: a token's vector is its id and its position, logits are sums of ids.
    """
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 16}))
    (tmp_path / "config.json").write_text(json.dumps({"id2label": LABELS}))

    def build(task, graph=None, **batching):
        graph = graph or text_graph(task)
        config = revision(**batching).model_copy(update={"task": Task(task)})
        return loaded(graph, open_task(task, tmp_path, graph), config=config)

    return build


LABELS = {"0": "fine", "1": "broken"}
TEXT = tuple(spec(name, (-1, -1), Datatype.INT64) for name in ("input_ids", "attention_mask"))


def _vectors(inputs):
    ids = inputs["input_ids"].astype(np.float32)
    places = np.broadcast_to(np.arange(ids.shape[1], dtype=np.float32), ids.shape)
    return {"last_hidden_state": np.stack([ids, places], axis=-1)}


def _logits(labels):
    def compute(inputs):
        total = (inputs["input_ids"] * inputs["attention_mask"]).sum(axis=1, keepdims=True)
        return {"logits": (total * np.arange(1, labels + 1)).astype(np.float32) / 10}

    return compute


GRAPHS = {
    "feature-extraction": lambda: Arithmetic(
        _vectors, TEXT, (spec("last_hidden_state", (-1, -1, 2)),)
    ),
    "text-ranking": lambda: Arithmetic(_logits(1), TEXT, (spec("logits", (-1, 1)),)),
    "text-classification": lambda: Arithmetic(_logits(2), TEXT, (spec("logits", (-1, 2)),)),
}
