"""The resources as they truly are: without `shoal up`, nothing is known to be ready."""

import math
import time
from collections.abc import Iterable, Sequence

from shoal.api import Condition, ConditionType, Fleet, FleetStatus, Model, ModelStatus, Reason
from shoal.cli.exits import warn
from shoal.cli.kinds import Kind, Target
from shoal.cli.resources import resources_of, searched
from shoal.cli.scope import Scope
from shoal.cluster.local import is_running
from shoal.errors import InvalidResource, ResourceNotFound

Found = list[Model | Fleet]
Errors = list[ResourceNotFound | InvalidResource]
CLUSTER_POLL_S = 1.0


class World:
    """What a command sees of a home, or of a cluster. It warns once if nothing runs in a home."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.store = resources_of(scope)
        if not self.running:
            warn(f"Shoal is not running on {scope.home}; `shoal up` starts it.")

    @property
    def running(self) -> bool:
        """Whether `shoal up` is alive, now; on a cluster nobody can tell, and statuses count."""
        return self.scope.on_cluster or is_running(self.scope.home)

    def get(self, kind: Kind, name: str) -> Model | Fleet:
        """The resource.

        Raises:
            ResourceNotFound: there is none of that name in the namespace.
        """
        found = self.store.get(kind.type, self.scope.namespace or "", name)
        if found is None:
            raise ResourceNotFound(kind.plural, name)
        return self._truly(found)

    def list(self, kind: Kind) -> Found:
        """Every resource of a kind in the scope."""
        found = self.store.list(kind.type, self.searched(kind))
        return [self._truly(one) for one in found]

    def find(self, targets: Sequence[Target]) -> tuple[Found, Errors]:
        """What there is of the targets, and what is wrong with the rest."""
        found: Found = []
        errors: Errors = []
        for kind, name in targets:
            if name is None:
                found += self.list(kind)
                continue
            try:
                found.append(self.get(kind, name))
            except (ResourceNotFound, InvalidResource) as error:
                errors.append(error)
        return found, errors

    def warn_of_invalid(self, kinds: Iterable[Kind]) -> None:
        """Name those that make no sense (any more), in a cluster of what was listed."""
        for kind in kinds:
            for problem in self.store.invalid(kind.type, self.searched(kind)):
                warn(str(problem))

    def searched(self, kind: Kind) -> str | None:
        """The namespace in which resources of a kind are listed; None for all of them."""
        return searched(self.scope, self.store, kind)

    def pause(self, at_home: float, until: float = math.inf) -> None:
        """Wait so many seconds before looking again, longer on a cluster, whose server has others
        to serve; but not beyond this time of the monotonic clock.
        """
        seconds = max(at_home, CLUSTER_POLL_S) if self.scope.on_cluster else at_home
        time.sleep(max(0.0, min(seconds, until - time.monotonic())))

    def _truly(self, resource: Model | Fleet) -> Model | Fleet:
        return resource if self.running else not_running(resource)


def not_running(resource: Model | Fleet) -> Model | Fleet:
    """The resource with what is known of it while nothing runs."""
    status: ModelStatus | FleetStatus = FleetStatus()
    if isinstance(resource, Model):
        was = resource.status
        replicas = was.replicas.model_copy(update={"ready": 0})
        status = ModelStatus(model=was.model, last_failure=was.last_failure, replicas=replicas)
    known = {
        "observed_generation": resource.status.observed_generation,
        "conditions": (_unknown(resource.metadata.generation),),
    }
    return resource.model_copy(update={"status": status.model_copy(update=known)})


def _unknown(generation: int) -> Condition:
    return Condition(
        type=ConditionType.READY,
        status="Unknown",
        reason=Reason.NOT_RUNNING,
        message=f"{Reason.NOT_RUNNING.sentence} `shoal up` starts it.",
        observed_generation=generation,
    )
