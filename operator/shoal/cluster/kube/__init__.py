"""Kubernetes with KubeRay as a `Cluster`.

`connection` finds the API server, `api` makes calls that are bounded, tried again and observed.
An `informer` keeps the `store` of each kind true by list and watch, so that reading costs nothing;
`known` says whom a change concerns. Writes are few: `applying` compares before it writes, `owned`
keeps what Fleets own, `statuses` and `events` tell people. It decides nothing about Models and
Fleets, and it never watches Secrets.
"""

from shoal.cluster.kube.api import Api
from shoal.cluster.kube.cluster import KubeCluster
from shoal.cluster.kube.connection import connect

__all__ = ["Api", "KubeCluster", "connect"]
