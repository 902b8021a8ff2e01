"""Finding the API server and who we are: the pod's own account, or a kubeconfig."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import incluster_config

from shoal import __version__
from shoal.cluster.kube.api import Api, Observe
from shoal.cluster.kubeconfig import MALFORMED, unusable

logger = logging.getLogger(__name__)

# TLS connections of calls that were broken off take leave of the server.
FAREWELL_S = 0.25


def _unobserved(verb: str, resource: str, code: int, seconds: float) -> None:
    """Nobody counts."""


@asynccontextmanager
async def connect(
    kubeconfig: Path | None = None, context: str | None = None, observe: Observe = _unobserved
) -> AsyncGenerator[Api, None]:
    """A connection to the cluster of a kubeconfig, or to the one that this pod runs in.

    Without `kubeconfig` it is the pod's own account, or else what KUBECONFIG or ~/.kube/config
    says. Tokens that expire are renewed. Nothing is asked of the server yet.

    Raises:
        WorldUnavailable: there is no such account or file, or it cannot be used.
    """
    configuration = Configuration()
    try:
        loader = await _load(configuration, kubeconfig, context)
        unopened = ApiClient(configuration)
    except (config.ConfigException, *MALFORMED) as error:
        raise unusable(kubeconfig or "the kubeconfig or the pod's account", error) from error
    renewing = asyncio.create_task(_renew(loader, configuration))
    try:
        async with unopened as client:
            client.user_agent = f"shoal/{__version__}"
            yield Api(client, observe)
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await asyncio.sleep(FAREWELL_S)


async def _load(
    configuration: Configuration, kubeconfig: Path | None, context: str | None
) -> object | None:
    """Fill the configuration; what loaded it, if that has tokens to renew."""
    if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(configuration, try_refresh_token=False)
        configuration.refresh_api_key_hook = _read_token  # type: ignore[assignment]  # says None
        return None
    file = str(kubeconfig) if kubeconfig is not None else None
    loader: object = await config.load_kube_config(
        config_file=file, context=context, client_configuration=configuration, persist_config=False
    )
    return loader


def _read_token(configuration: Configuration) -> None:
    """The kubelet replaces the file. To read it for each call costs little, and no clock that is
    set back can keep an old token.
    """
    with contextlib.suppress(OSError):  # then the last one, of which the server says what is wrong
        token = Path(incluster_config.SERVICE_TOKEN_FILENAME).read_text(encoding="utf-8")
        configuration.api_key["BearerToken"] = f"Bearer {token.strip()}"


async def _renew(loader: object | None, configuration: Configuration) -> None:
    """Ask a kubeconfig's plugin for a new token before the old one expires."""
    if loader is None:
        return
    with contextlib.suppress(AttributeError):  # a plugin that gives certificates has no token
        await config.refresh_token(loader, client_configuration=configuration)
