"""This machine, as everything beside it uses it: its commands, its packages and one cache folder.

`commands` runs programs, `packages` installs the distribution's, `cache` is where built things are
kept and who may build, `rights` says whether this is Linux's root, and `progress` tells whoever
waits. Nothing here knows Kubernetes, images or Shoal.
"""
