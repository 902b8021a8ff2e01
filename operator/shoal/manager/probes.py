"""What Kubernetes and Prometheus ask a process: `/healthz`, `/readyz`, `/metrics`."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from shoal.errors import PlatformUnsupported
from shoal.metrics import CONTENT_TYPE, Metrics
from shoal.settings import Address

Ask = Callable[[], str | None]
"""What is wrong, in a sentence, or None if nothing is."""


@asynccontextmanager
async def probes(
    listen: Address, metrics: Metrics, unhealthy: Ask, unready: Ask
) -> AsyncGenerator[Address, None]:
    """Answer until the block ends; gives where, with the port that was found if 0 was asked for.

    Raises:
        PlatformUnsupported: the address cannot be listened on.
    """
    app = web.Application()
    app.router.add_get("/healthz", _asking(unhealthy))
    app.router.add_get("/readyz", _asking(unready))
    app.router.add_get("/metrics", _telling(metrics))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, listen.host or None, listen.port)
        try:
            await site.start()
        except OSError as error:
            raise PlatformUnsupported(
                f"{listen} cannot be listened on ({error.strerror}); say another with --listen"
            ) from error
        yield Address(listen.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _asking(ask: Ask) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        wrong = ask()
        if wrong is None:
            return web.Response(text="ok\n")
        return web.Response(status=web.HTTPServiceUnavailable.status_code, text=f"{wrong}\n")

    return answer


def _telling(metrics: Metrics) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"content-type": CONTENT_TYPE})

    return answer
