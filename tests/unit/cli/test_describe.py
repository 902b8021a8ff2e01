"""`shoal describe`: everything that is known, in kubectl's layout."""

from datetime import UTC, datetime, timedelta

from shoal.api import Event, Reason
from shoal.api.model import ModelFacts


def test_describe_tells_everything(shoal, served, running):
    served(Ready="True/Ready")
    lines = shoal("describe", "model/echo").stdout.splitlines()
    assert lines[:6] == [
        "Name:         echo",
        "Namespace:    default",
        "Labels:       <none>",
        "Annotations:  <none>",
        "API Version:  shoal.dev/v1alpha1",
        "Kind:         Model",
    ]
    assert "    Max Batch Size:  32" in lines
    assert ["Revision:", "8f3c2a1b"] in [line.split() for line in lines]
    assert ["URL:", "http://127.0.0.1:8000/default/echo"] in [line.split() for line in lines]
    assert lines[-1] == "Events:  <none>"


def test_describe_tells_what_a_model_that_generates_text_has_room_for(
    shoal, served, store, running
):
    chat = served("chat", task="text-generation", Ready="True/Ready")
    facts = {"sequences": 16, "tokens": 2048, "kvBytes": 2**20, "adapters": ["pirate"]}
    known = ModelFacts.model_validate({"precision": "int8", "generation": facts})
    store.report(
        chat.model_copy(update={"status": chat.status.model_copy(update={"model": known})})
    )
    lines = [line.split() for line in shoal("describe", "model/chat").stdout.splitlines()]
    for line in ("Precision: int8", "Sequences: 16", "Tokens: 2048", "KV Bytes: 1048576", "pirate"):
        assert line.split() in lines


def test_describe_tells_what_happened(shoal, served, store, running):
    served()
    now = datetime.now(UTC)
    event = Event(
        kind="Model",
        namespace="default",
        name="echo",
        type="Warning",
        reason=Reason.ARTIFACT_NOT_FOUND,
        message="There is nothing at file:///models/echo.",
        first_timestamp=now - timedelta(minutes=5, seconds=12),
        last_timestamp=now - timedelta(seconds=30),
    )
    store.record(event)
    store.record(event)
    text = shoal("describe", "model/echo").stdout
    titles, rule, row = text[text.index("Events:\n") :].splitlines()[1:]
    assert titles.split() == ["Type", "Reason", "Age", "From", "Message"]
    assert rule.split()[0] == "----"
    assert row.startswith("  Warning  ArtifactNotFound  3")
    assert "(x2 over 5m12s)  shoal  There is nothing at file:///models/echo." in row


def test_without_shoal_up_nothing_is_told_as_true(shoal, served):
    served(Ready="True/Ready", Loaded="True/Loaded")
    text = shoal("describe", "models").stdout
    assert "NotRunning" in text
    assert "Loaded" not in text
    assert "http://" not in text


def test_what_is_not_there_is_an_error(shoal):
    result = shoal("describe", "model/ghost")
    assert result.exit_code == 1
    assert 'models.shoal.dev "ghost" not found' in result.stderr
