"""Ray Serve's fast mode: what every node of every Fleet has in its environment.

HAProxy routes straight to the replicas' own HTTP servers, user code runs in the replica's main
loop, and Ray's default niceness of 15 (which starves replicas beside anything else) is off. Proxy
health checks are short: with the defaults a killed HAProxy is half a minute of outage.
"""

from collections.abc import Mapping

FAST_MODE: Mapping[str, str] = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_worker_niceness": "0",
    # Three strikes, whatever the period: this is how soon a dead HAProxy is noticed.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "0.25",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "2",
    # Ray counts by a datagram per request to a Python process; ours counts in the replica.
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
    # An inference changes nothing, so one that a dying replica swallowed is asked again elsewhere.
    # Where HAProxy knows of no other replica yet, that takes three tries: one lost on a connection
    # that was kept open, one refused, one to Serve's own proxy. No more, so that a request that
    # kills replicas does not kill them all. HAProxy can ask again only what fits its buffer.
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    "RAY_SERVE_HAPROXY_RETRIES": "3",
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "65536",
    # The first refused connection takes a replica out, until two checks find it well again. An
    # HAProxy that a reload replaced checks no more, but serves its kept connections on: so it gets
    # past replicas that are gone by now, to Serve's own proxy if none is left.
    "RAY_SERVE_HAPROXY_OBSERVE_ERROR_LIMIT": "1",
    # The rest of a body, and the reading of an answer, may not stall for longer. It does not limit
    # how long an answer takes.
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",
    # The fast mode keeps a thousand log records back; ours are few and wanted at once.
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "ORT_DISABLE_TELEMETRY": "1",
    # Every arena of glibc's keeps what was freed in it: without a limit a replica had grown by an
    # eighth after twenty swaps of a 60 MB model, with two arenas by a thirtieth.
    "MALLOC_ARENA_MAX": "2",
    # A numeric library that starts a thread per core in every replica helps nobody.
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
