"""The labels and annotations by which a Fleet's objects are known."""

FLEET_LABEL = "shoal.dev/fleet"
"""On everything that a Fleet owns, and on its pods: the Fleet's name."""

SERVING_CLUSTER = "shoal.dev/serving-cluster"
"""On a Fleet's RayService: the Ray cluster that the Fleet's address leads to."""

CREATE_ONLY = "shoal.dev/create-only"
"""On an object that is written once: what it holds then is kept."""

RAY_CLUSTER_LABEL = "ray.io/cluster"
RAY_NODE_TYPE_LABEL = "ray.io/node-type"
RAY_GROUP_LABEL = "ray.io/group"
HEAD_GROUP = "headgroup"
