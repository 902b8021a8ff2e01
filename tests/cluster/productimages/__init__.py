"""Shoal's own images, built from their Dockerfiles without a container engine or a registry.

`images` names the two images and gives their archives, for `ctr images import`; what they were
built from is the archive's key, so nothing is built twice. `base` makes a stand-in for the base
image out of Debian packages, under the name that the Dockerfiles ask for. `storage` is buildah with
a storage of its own; `pip_settings` lends a build what this machine says of package indexes.
`needs` says whether this machine can do all that. Nothing here knows Kubernetes, or what the images
are for.
"""
