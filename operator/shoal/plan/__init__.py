"""Decisions: pure functions from resources, what was observed, and `now`, to what should be.

No input or output, no clock, no logging. `observed` holds what a decision may look at, `told` what
was decided before; the other modules decide one thing each: which pool (`placement`), which
revision (`revisions`), what Ray Serve is told (`serve_config`), what a status says (`model_status`
from `failures`, `loaded` and `ready`; `fleet_status`), which transitions are worth an event
(`events`), what KubeRay is told of pods (`ray_cluster`), which other objects a Fleet has (`owned`),
which Ray cluster its address leads to (`serving_cluster`) and which address people are told
(`public_address`).
"""
