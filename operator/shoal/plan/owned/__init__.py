"""The objects that a Fleet owns beside its RayService: its address, who may come to it, what must
not be evicted, its volume and its Secrets.

Pure functions from what was observed to manifests, as server-side apply takes them. Owner
references remove them with the Fleet. They know Kubernetes' words; what KubeRay is told is
`shoal.plan.ray_cluster`'s.
"""
