"""The operator at scale: a real one, on a real API server, with thousands of Models.

    applicant ──▶ API server ◀── shoal operator (measured)
    onlooker  ◀──      ▲               │ addresses and ledgers of Fleets, by way of a proxy
                       └── KubeRay's stand-in ◀┘

Only what would be in pods is pretended: one process writes what KubeRay would write of RayServices,
and answers in the place of Fleets. What was applied, what the operator asked and wrote, its memory
and its processor time are all looked at from outside of it.
"""
