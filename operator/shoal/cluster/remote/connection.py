"""A kubeconfig's context as an HTTP client, with the API server's words for what it refuses."""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from kubernetes.client import Configuration
from kubernetes.config import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from shoal.cluster.kubeconfig import MALFORMED, unusable
from shoal.errors import AccessDenied, InvalidResource, WorldUnavailable

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Connection:
    """`client` speaks to the API server; `namespace` is the one that the context says."""

    client: httpx.Client
    namespace: str

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        """The answer's JSON, or None where there is no such object.

        Raises:
            AccessDenied: the kubeconfig's user may not do this.
            InvalidResource: the API server refuses the object; the problems are its own words.
            WorldUnavailable: it did not answer, or refused for another reason.
        """
        headers = {"content-type": content_type} if body is not None else {}
        try:
            response = self.client.request(method, path, params=params, json=body, headers=headers)
        except httpx.HTTPError as error:
            where = self.client.base_url
            raise WorldUnavailable(f"{where} does not answer: {error or type(error)}") from error
        return _answer(response)


def connect(kubeconfig: Path | None, context: str | None) -> Connection:
    """The cluster of a kubeconfig (default: as kubectl finds it) and one of its contexts.

    Raises:
        WorldUnavailable: there is no such kubeconfig or context, or it makes no sense.
    """
    path = str(kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config")
    settings = Configuration()
    try:
        loader = KubeConfigLoader(KubeConfigMerger(path).config, context, config_base_path=None)
        loader.load_and_set(settings)
        return Connection(_client(settings), _namespace(loader.current_context))
    except (ConfigException, *MALFORMED) as error:
        raise unusable(path, error) from error


def _namespace(chosen: Mapping[str, Any]) -> str:
    return str(chosen["context"].get("namespace") or "default")


def _client(settings: Configuration) -> httpx.Client:
    return httpx.Client(
        base_url=settings.host,
        verify=_tls(settings),
        auth=_authorized(settings),
        event_hooks={"request": [_named(settings.tls_server_name)]},
        timeout=TIMEOUT_S,
        proxy=settings.proxy,
        trust_env=False,
    )


def _authorized(settings: Configuration) -> Callable[[httpx.Request], httpx.Request]:
    """Each request carries the token of its time: a plugin gives another before one expires."""

    def authorize(request: httpx.Request) -> httpx.Request:
        authorization = settings.get_api_key_with_prefix("BearerToken", "authorization")
        if authorization:
            request.headers["authorization"] = authorization
        return request

    return authorize


def _named(server: str | None) -> Callable[[httpx.Request], None]:
    """By the kubeconfig's `tls-server-name`, where the certificate has another name than its
    address.
    """

    def name(request: httpx.Request) -> None:
        if server:
            request.extensions["sni_hostname"] = server

    return name


def _tls(settings: Configuration) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if settings.cert_file:
        tls.load_cert_chain(settings.cert_file, settings.key_file)
    if not settings.verify_ssl:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


def _answer(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json() if response.content else {}
    said, message = _status(response), words_of(response)
    if response.status_code == httpx.codes.NOT_FOUND and said.get("details", {}).get("name"):
        return None
    if response.status_code == httpx.codes.NOT_FOUND:
        raise WorldUnavailable(f"the server does not know {response.url.path}; install Shoal first")
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise AccessDenied(message)
    if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        raise InvalidResource(*_refusal(said, message))
    raise WorldUnavailable(message)


def words_of(response: httpx.Response) -> str:
    """What a server says of its refusal."""
    said = _status(response)
    return str(said.get("message") or response.text.strip() or response.reason_phrase)


def _status(response: httpx.Response) -> dict[str, Any]:
    """The `metav1.Status` that says what is wrong, if the answer is one."""
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _refusal(said: Mapping[str, Any], message: str) -> tuple[str, tuple[str, ...]]:
    details = said.get("details", {})
    causes = details.get("causes") or [{"message": message}]
    name = f'{details.get("kind", "object")} "{details.get("name", "")}"'
    problems = (f"{one.get('field', '')}: {one['message']}".removeprefix(": ") for one in causes)
    return name, tuple(problems)
