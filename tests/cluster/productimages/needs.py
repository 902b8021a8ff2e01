"""What a machine must have to build images, and what of it is missing here."""

from machine.packages import not_installable
from machine.rights import not_linux_root

PACKAGES = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}


def missing() -> str | None:
    """Why this machine cannot build images; None when it can."""
    return not_linux_root() or not_installable(PACKAGES)
