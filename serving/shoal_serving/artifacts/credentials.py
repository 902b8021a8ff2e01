"""Credentials of sources: Secrets of a Model's namespace, mounted as files by Kubernetes.

One folder holds those of every Model of a Fleet, `<namespace>.<secret>.<key>`; a replica reads only
its own namespace's. They are read when they are needed, so a changed Secret needs no restart, and
never logged or reported.
"""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shoal.errors import ArtifactNotFound, ArtifactUnavailable
from shoal_serving.artifacts.transfer import Progress

# The kubelet looks at mounted Secrets about once a minute.
PATIENCE_S = 150
KEYS = ("token", "username", "password")


@dataclass(frozen=True, slots=True)
class Vault:
    """The mounted credentials of one namespace; no folder means that nothing is mounted here.

    `sleep` waits that many seconds between looks.
    """

    namespace: str = ""
    folder: Path | None = None
    sleep: Callable[[float], None] = time.sleep

    def authorization(self, secret: str, progress: Progress) -> str:
        """The value of the `Authorization` header (RFC 6750, RFC 7617) that a Secret stands for.

        Raises:
            ArtifactUnavailable: the Secret was not mounted in time; trying again may help.
            ArtifactNotFound: its keys make no credentials, or nothing is mounted on this machine.
        """
        if self.folder is None:
            raise ArtifactNotFound(
                f"Secret {secret} cannot be read: no Secrets are mounted on this machine.",
                "Leave out spec.source.secretName, or serve the Model on Kubernetes.",
            )
        return _header(secret, self._wait_for(self.folder, secret, progress))

    def _wait_for(self, folder: Path, secret: str, progress: Progress) -> dict[str, str]:
        for waited in range(PATIENCE_S):
            if found := self._look(folder, secret):
                return found
            progress("credentials", waited, None)
            self.sleep(1.0)
        raise ArtifactUnavailable(
            f"Secret {secret} was not mounted within {PATIENCE_S} s.",
            "It is tried again; if it stays, look whether the operator may read the Secret.",
        )

    def _look(self, folder: Path, secret: str) -> dict[str, str]:
        files = {key: folder / f"{self.namespace}.{secret}.{key}" for key in KEYS}
        return {key: file.read_text().strip() for key, file in files.items() if file.is_file()}


def _header(secret: str, said: dict[str, str]) -> str:
    if "token" in said:
        return f"Bearer {said['token']}"
    if "username" in said and "password" in said:
        pair = f"{said['username']}:{said['password']}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    raise ArtifactNotFound(
        f"Secret {secret} has {' and '.join(said)}, which is half of what a source asks for.",
        "Give it the key token, or both username and password.",
    )
