"""The RayService of a Fleet, whole."""

from shoal.api import ObjectMeta, RayService, RayServiceSpec
from shoal.api.labels import SERVING_CLUSTER
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.names import labels_of, owner_of
from shoal.plan.ray_cluster.cluster import ray_cluster_config
from shoal.plan.serving_cluster import serving_cluster

# Old pods stay this long after KubeRay has moved on: an operator that was away must still move the
# Fleet's address.
DELETION_DELAY_S = 120


def ray_service(observed: ObservedFleet, serve_config: str) -> RayService:
    """What KubeRay, or a laptop's stand-in, makes true. `serve_config` is JSON text."""
    name, namespace = observed.fleet.metadata.name, observed.site.namespace
    if not observed.site.has_pods:
        spec = RayServiceSpec(serveConfigV2=serve_config)
        return RayService(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)
    return RayService(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            labels=labels_of(observed.fleet),
            annotations=_annotations(observed),
            owner_references=(owner_of(observed.fleet),),
        ),
        spec=RayServiceSpec(
            serveConfigV2=serve_config,
            ray_cluster_config=ray_cluster_config(observed),
            exclude_head_pod_from_serve_svc=True,
            ray_cluster_deletion_delay_seconds=DELETION_DELAY_S,
        ),
    )


def _annotations(observed: ObservedFleet) -> dict[str, str]:
    """Where the address leads is remembered here."""
    cluster = serving_cluster(observed)
    return {SERVING_CLUSTER: cluster} if cluster else {}
