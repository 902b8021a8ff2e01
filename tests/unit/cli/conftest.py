"""A home with models in it, and `shoal` to speak to it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shoal.api import Condition, Model, ModelStatus, Reason, parse_resource
from shoal.cli import main
from shoal.cluster.local import Store, hold

Shoal = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


@pytest.fixture
def running(home: Path) -> Iterator[None]:
    """As if `shoal up` held the home."""
    with hold(home):
        yield


@pytest.fixture
def shoal(home: Path) -> Shoal:
    def run(*words: str, **more: Any) -> Result:
        result = CliRunner().invoke(main, ["--home", str(home), *words], **more)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., str]:
    """A manifest file for a model; its path."""

    def write(name: str = "echo", namespace: str = "", **spec: Any) -> str:
        path = tmp_path / f"{name}.yaml"
        place = f", namespace: {namespace}" if namespace else ""
        path.write_text(
            f"apiVersion: shoal.dev/v1alpha1\nkind: Model\nmetadata: {{name: {name}{place}}}\n"
            f"spec:\n  source: {{uri: 'file:///models/{name}'}}\n"
            + "".join(f"  {key}: {value}\n" for key, value in spec.items())
        )
        return str(path)

    return write


@pytest.fixture
def served(store: Store) -> Callable[..., Model]:
    """A model in the store with the conditions given as `Ready="True/Ready/message"`."""

    def serve(
        name: str = "echo", namespace: str = "default", task: str = "tensor", **conditions: str
    ) -> Model:
        manifest = {
            "apiVersion": "shoal.dev/v1alpha1",
            "kind": "Model",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"task": task, "source": {"uri": "file:///models/echo"}},
        }
        model = parse_resource(manifest)
        assert isinstance(model, Model)
        model = store.apply(model).resource
        status = ModelStatus(
            observed_generation=model.metadata.generation,
            conditions=tuple(_condition(kind, text) for kind, text in conditions.items()),
            url=f"http://127.0.0.1:8000/{namespace}/{name}",
            revision="8f3c2a1b",
        )
        status = status.model_copy(
            update={"replicas": status.replicas.model_copy(update={"desired": 2, "ready": 1})}
        )
        model = model.model_copy(update={"status": status})
        store.report(model)
        return model

    return serve


def _condition(kind: str, text: str) -> Condition:
    status, reason, *message = text.split("/", 2)
    return Condition(
        type=kind,
        status=status,
        reason=Reason(reason),
        message="".join(message),
        observed_generation=1,
        last_transition_time=datetime.now(UTC) - timedelta(minutes=1),
    )
