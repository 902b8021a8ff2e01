"""What readers are told, handed to their event loops once a step."""

from asyncio import AbstractEventLoop
from collections import defaultdict
from contextlib import suppress

from shoal.errors import RequestError
from shoal_serving.generate.job import Job
from shoal_serving.generate.request import Delta

_News = list[tuple[Job, Delta | RequestError]]


class Outbox:
    """Filled by the engine's thread, which also tells those readers who have no event loop."""

    def __init__(self) -> None:
        self._news: dict[AbstractEventLoop | None, _News] = defaultdict(list)

    def put(self, job: Job, news: Delta | RequestError) -> None:
        self._news[job.loop].append((job, news))

    def send(self) -> None:
        """Wake each event loop once."""
        news, self._news = self._news, defaultdict(list)
        for loop, entries in news.items():
            if loop is None:
                _deliver(entries)
                continue
            with suppress(RuntimeError):  # the loop is closed: nobody is there any more
                loop.call_soon_threadsafe(_deliver, entries)


def _deliver(entries: _News) -> None:
    for job, news in entries:
        if isinstance(news, RequestError):
            job.reader.fail(news)
        else:
            job.reader.push(news)
