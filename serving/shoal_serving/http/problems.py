"""Errors on the wire: the only place that knows status codes.

The Open Inference Protocol and Hugging Face say `{"error": "..."}`; OpenAI says
`{"error": {"message", "type", "param", "code"}}`.
"""

import logging

from shoal import errors
from shoal_serving.http.message import Response

# A child of Ray Serve's logger, so that the lines land in the replica's own log.
logger = logging.getLogger("ray.serve.shoal.http")

# What OpenAI's and vLLM's clients ask, beside everything below v1/.
OPENAI_ADDRESSES = frozenset({"tokenize", "detokenize"})

# A message quotes what the client sent, which may be as long as a body may be.
MOST_CHARACTERS = 1000

STATUSES: dict[type[errors.RequestError], tuple[int, str]] = {
    errors.InvalidRequest: (400, "invalid_request_error"),
    errors.AdministrationRefused: (403, "permission_error"),
    errors.ModelNotFound: (404, "not_found_error"),
    errors.MethodNotAllowed: (405, "invalid_request_error"),
    errors.RequestTooLarge: (413, "invalid_request_error"),
    errors.ClientGone: (499, "client_closed_request"),
    errors.InferenceFailed: (500, "server_error"),
    errors.MemoryUsedUp: (500, "server_error"),
    errors.Overloaded: (503, "overloaded_error"),
    errors.DeadlineExceeded: (504, "timeout_error"),
}


def problem(error: BaseException, path: str) -> Response:
    """The response for an error, in the shape of the protocol that `path` belongs to."""
    if not isinstance(error, errors.RequestError):
        logger.error("a request failed unexpectedly", exc_info=error)
        error = errors.InferenceFailed("the server failed; its log says why")
    status, kind = STATUSES[type(error)]
    response = Response.json(_shape(error, kind, path), status)
    response.outcome = type(error).__name__
    if isinstance(error, errors.MethodNotAllowed):
        response.headers.append((b"allow", ", ".join(error.allowed).encode()))
    if isinstance(error, errors.Overloaded):
        response.headers.append((b"retry-after", b"%d" % error.retry_after))
    return response


def _shape(error: errors.RequestError, kind: str, path: str) -> dict[str, object]:
    message = _brief(str(error))
    if not path.startswith("v1/") and path.rstrip("/") not in OPENAI_ADDRESSES:
        return {"error": message}
    param = None if error.param is None else _brief(error.param)
    return {"error": {"message": message, "type": kind, "param": param, "code": error.code}}


def _brief(text: str) -> str:
    """Both ends of a text: what is wrong stands at one, what was expected often at the other."""
    half = MOST_CHARACTERS // 2
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]} … {text[-half:]}"
