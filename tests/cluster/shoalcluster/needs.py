"""What tests stand on beside Python: whether this machine has it, and building what is missing."""

from collections.abc import Callable
from dataclasses import dataclass

from machine.packages import ensure_packages
from productimages import needs as of_images
from productimages.images import IMAGES, archive
from testcluster import binaries
from testcluster import needs as of_clusters


@dataclass(frozen=True)
class Need:
    """`tests` are those that have it, in the words of a run's summary.

    `missing` says why this machine cannot run them, `prepare` builds what they need.
    """

    tests: str
    missing: Callable[[], str | None]
    prepare: Callable[[], None]


def _prepare_api() -> None:
    binaries.ensure(binaries.API)


def _prepare_node() -> None:
    ensure_packages(of_clusters.PACKAGES)
    binaries.ensure((*binaries.API, *binaries.NODE))


def _prepare_images() -> None:
    ensure_packages(of_images.PACKAGES)
    for image in IMAGES:
        archive(image)


API = Need(
    "tests that need a Kubernetes API server",
    of_clusters.missing_for_an_api_server,
    _prepare_api,
)
NODE = Need(
    "tests that need a Kubernetes node",
    of_clusters.missing_for_a_node,
    _prepare_node,
)
IMAGES_BUILT = Need("tests that need Shoal's images", of_images.missing, _prepare_images)
