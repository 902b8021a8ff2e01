"""A Kubernetes cluster as a person's command sees it: one connection, a few questions, an answer.

The same verbs as the laptop's store, asked of the API server with the person's own kubeconfig and
rights. Nothing is kept or watched here, and nothing is decided.
"""

from shoal.cluster.remote.connection import Connection, connect
from shoal.cluster.remote.logs import ReplicaLogs
from shoal.cluster.remote.store import RemoteStore

__all__ = ["Connection", "RemoteStore", "ReplicaLogs", "connect"]
