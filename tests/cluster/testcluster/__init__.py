"""A real Kubernetes on this machine, for tests, for the bench and for people.

`binaries` builds Kubernetes and its company from pinned Go modules, once. `control_plane` runs an
API server with what it needs, in about three seconds, several side by side; `node` a whole node,
in about half a minute, in namespaces of its own. `state` is the folder of one cluster: whatever
becomes of its owner, everything that was started for it can be found from there, and ended.
`needs` says what a machine must have for that; `kept` is the one cluster that a person keeps.

Nothing here decides what Shoal does, and nothing changes the machine outside of its own folders,
but for the packages that a node needs.
"""
