"""Which checkpoints can be converted, and for which tasks."""

from dataclasses import dataclass

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.config import EXPORT, Config
from shoal_serving.artifacts.convert.encoder import heads
from shoal_serving.artifacts.convert.encoder.bert import BERT
from shoal_serving.artifacts.convert.encoder.distilbert import DISTILBERT
from shoal_serving.artifacts.convert.encoder.family import Family
from shoal_serving.artifacts.convert.encoder.roberta import ROBERTA

_FAMILIES = {"Bert": BERT, "DistilBert": DISTILBERT, "Roberta": ROBERTA, "XLMRoberta": ROBERTA}
_HEADS: dict[str, tuple[heads.Head, tuple[str, ...]]] = {
    "Model": (heads.hidden_states, ("feature-extraction", "tensor")),
    # Its encoder is what is served; its own output, a score per word, is not.
    "ForMaskedLM": (heads.hidden_states, ("feature-extraction",)),
    "ForSequenceClassification": (
        heads.classification,
        ("text-classification", "text-ranking", "tensor"),
    ),
    "ForQuestionAnswering": (heads.question_answering, ("question-answering", "tensor")),
}
_ARCHITECTURES = {
    family_name + head_name: (family, head, tasks)
    for family_name, family in _FAMILIES.items()
    for head_name, (head, tasks) in _HEADS.items()
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """A class of transformers, as an encoder and a head."""

    name: str
    family: Family
    head: heads.Head


def read_architecture(config: Config, task: str) -> Architecture:
    """What the checkpoint is.

    Raises:
        ModelUnsupported: it cannot be converted, or its head cannot do the task.
    """
    name = config.architecture
    if name not in _ARCHITECTURES:
        raise ModelUnsupported(
            f"config.json names {name or 'no architecture'}; the conversion supports "
            f"{', '.join(_FAMILIES)}, each {', '.join(_HEADS)}.",
            EXPORT,
        )
    family, head, tasks = _ARCHITECTURES[name]
    if task not in tasks:
        can = " or ".join(tasks)
        raise ModelUnsupported(
            f"The checkpoint is a {name}, which does {can}, not {task}.",
            f"Set spec.task to {can}, or use a checkpoint trained for {task}.",
        )
    _refuse_variants(config)
    return Architecture(name, family, head)


def _refuse_variants(config: Config) -> None:
    """Refuse an encoder that computes something else than the usual."""
    if config.text("position_embedding_type", "absolute") != "absolute":
        raise config.unsupported("position_embedding_type", "'absolute'")
    for switch in ("is_decoder", "add_cross_attention"):
        if config.value(switch):
            raise config.unsupported(switch, "an encoder, which has it false")
    for key in ("pruned_heads", "quantization_config"):
        if config.value(key):
            raise config.unsupported(key, "whole float weights")
