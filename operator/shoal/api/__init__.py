"""The contract: every type that crosses a process boundary, said once.

Specs are what people write (strict), statuses, configurations and reports are what programs say
(lenient, so that two versions understand each other). It imports pydantic only; it never reads a
file, a clock or a socket.
"""

from shoal.api.base import API_VERSION, GROUP, VERSION
from shoal.api.conditions import (
    Condition,
    ConditionType,
    Failure,
    Reason,
    find_condition,
    is_true,
    merge_conditions,
)
from shoal.api.events import Event
from shoal.api.fleet import MAX_MODELS, Fleet, FleetSpec, FleetStatus, Pool, PoolInventory
from shoal.api.fleet_site import Site
from shoal.api.label_selector import LabelSelector
from shoal.api.lease import Lease, LeaseSpec
from shoal.api.ledger import (
    EXPIRY_S,
    HEARTBEAT_S,
    Bytes,
    GenerationFacts,
    Ledger,
    ModelReport,
    Progress,
    ReplicaReport,
    ReplicaState,
    Requests,
)
from shoal.api.metadata import ObjectMeta
from shoal.api.model import (
    AdapterSource,
    Backend,
    Batching,
    ExecutionProvider,
    Generation,
    Gpu,
    Model,
    ModelSpec,
    ModelStatus,
    OnnxRuntime,
    Precision,
    Resources,
    Rollout,
    Scaling,
    Source,
    Task,
)
from shoal.api.network import Network
from shoal.api.node import Node
from shoal.api.parse import parse_resource
from shoal.api.pod import Pod
from shoal.api.quantity import Duration, Quantity
from shoal.api.raycluster import RayCluster, WorkerGroup
from shoal.api.rayservice import RayService, RayServiceSpec, RayServiceStatus
from shoal.api.runtime import (
    ModelConfig,
    ModelRevision,
    ModelsConfig,
    ReplicaConfig,
    revision_name,
    same_artifact,
)
from shoal.api.tensors import Datatype, TensorSpec

__all__ = [
    "API_VERSION",
    "EXPIRY_S",
    "GROUP",
    "HEARTBEAT_S",
    "MAX_MODELS",
    "VERSION",
    "AdapterSource",
    "Backend",
    "Batching",
    "Bytes",
    "Condition",
    "ConditionType",
    "Datatype",
    "Duration",
    "Event",
    "ExecutionProvider",
    "Failure",
    "Fleet",
    "FleetSpec",
    "FleetStatus",
    "Generation",
    "GenerationFacts",
    "Gpu",
    "LabelSelector",
    "Lease",
    "LeaseSpec",
    "Ledger",
    "Model",
    "ModelConfig",
    "ModelReport",
    "ModelRevision",
    "ModelSpec",
    "ModelStatus",
    "ModelsConfig",
    "Network",
    "Node",
    "ObjectMeta",
    "OnnxRuntime",
    "Pod",
    "Pool",
    "PoolInventory",
    "Precision",
    "Progress",
    "Quantity",
    "RayCluster",
    "RayService",
    "RayServiceSpec",
    "RayServiceStatus",
    "Reason",
    "ReplicaConfig",
    "ReplicaReport",
    "ReplicaState",
    "Requests",
    "Resources",
    "Rollout",
    "Scaling",
    "Site",
    "Source",
    "Task",
    "TensorSpec",
    "WorkerGroup",
    "find_condition",
    "is_true",
    "merge_conditions",
    "parse_resource",
    "revision_name",
    "same_artifact",
]
