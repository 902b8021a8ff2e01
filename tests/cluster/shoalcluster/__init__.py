"""Shoal on a real Kubernetes on this machine, for tests and for people.

Here three parts meet that know nothing of each other: the node of `testcluster`, the images of
`productimages`, and the chart. `installation` brings Shoal to a node and takes it away again;
`needs` says what a test may stand on, whether this machine has it, and builds what is missing;
`plugin` gives all that to pytest, `python -m shoalcluster` to a person.
"""
