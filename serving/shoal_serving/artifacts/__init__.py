"""Artifacts: from a Model's URI to a folder of verified files on this machine.

`Cache.fetch` brings the files, checks them against their digest and keeps them; `Cache.derive`
keeps what is made from them. Each is done once per machine, however many replicas ask at once and
whichever of them is killed. Nothing here reads a model: what the files mean is the backends' and
the tasks' business.

    cache ── asks ──▶ sources: local (file://), download (https://, http://) ── bytes ──▶ digest
      └──── unpacks (archive), publishes and locks folders (store, locks), remembers (notes)
"""

from shoal_serving.artifacts.cache import Artifact, Cache
from shoal_serving.artifacts.credentials import Vault
from shoal_serving.artifacts.transfer import Progress

__all__ = ["Artifact", "Cache", "Progress", "Vault"]
