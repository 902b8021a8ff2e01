"""What KubeRay is told of a Fleet: its RayService, and in that the pods of its Ray cluster.

Pure functions of what was observed. Whatever is here but not a number of workers or a toleration
makes KubeRay build a new Ray cluster when it changes, and move the Fleet to it: so it follows from
the Fleet's spec and the operator's own settings alone, never from Models, nodes or pods. It knows
KubeRay's and Ray's words; what else a Fleet owns is `shoal.plan.owned`'s.
"""
