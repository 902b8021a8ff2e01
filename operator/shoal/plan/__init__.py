"""Decisions: pure functions from resources, what was observed, and `now`, to what should be.

No input or output, no clock, no logging. `observed` holds what a decision may look at, `told` what
was decided before; the other modules decide one thing each:

- whom a Fleet serves: who may be (`acceptance`), which pool holds a Model (`fitting`, by `needs`,
  the `offers` of pools and the `inventory` of nodes), who finds a place among many (`seats`), all
  of it (`placement`), and who is left out while a Ray cluster starts (`held_back`);
- what Ray Serve is told (`serve_config`), of which revision (`revisions`) and how many replicas
  (`scaling`, `proof`), and on how many workers it always takes requests (`doors`);
- what a Model's status says (`model_status` from `failures`, `loaded`, `room` and `ready`), and a
  Fleet's (`fleet_status` from `provisioned`, `pod_trouble`, `upgrade` and `trouble`); which
  transitions are worth an event (`events`);
- what KubeRay is told of pods (`ray_cluster`, `resizing`) and says of them (`ray_states`), which
  other objects a Fleet has (`owned`), which Ray cluster its address leads to (`serving_cluster`)
  and which address people are told (`public_address`).
"""
