"""A pod of a Fleet, as far as its status looks at it."""

from shoal.api.base import Wire


class Pod(Wire):
    """`ray_cluster` and `group` are KubeRay's labels (`headgroup` for the head).

    `problem` is why it does not run, in Kubernetes' words (`Unschedulable: 0/3 nodes are ...`,
    `ImagePullBackOff: ...`); empty if there is none.
    """

    name: str
    ray_cluster: str = ""
    group: str = ""
    ready: bool = False
    gpus: int = 0
    problem: str = ""
