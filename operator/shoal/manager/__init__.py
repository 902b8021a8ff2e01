"""Composition roots: what runs the controllers, and where, from the first line to the last.

`laptop` is `shoal up`: resources in a folder and Ray on this machine. `operating` is
`shoal operator`: Kubernetes, one leader among several processes. A manager starts things, hands
them to each other and ends them in order; it decides nothing about a resource.
"""
