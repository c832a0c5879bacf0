"""The page with metrics for Prometheus: to how many it goes at once, and how patiently."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import anyio
from anyio import TASK_STATUS_IGNORED, CapacityLimiter, to_thread
from anyio.abc import SocketListener, SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, field
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from .._core.groups import ungrouped
from ..metrics import Counts
from ..metrics.prometheus import Collector
from .accepting import accepted
from .events import Event
from .http_request import LONGEST_HEAD, Refused, Request, response
from .metrics_place import MetricsPlace

__all__ = ["MetricsLimits", "MetricsPage"]

_PATH = "/metrics"
_PLAIN = "text/plain; charset=utf-8"


@define
class MetricsLimits:
    """What a client may use up.

    Attributes:
        clients: Those at once; others wait to be accepted.
        patience: Seconds in which its request has to come, and its answer to go.
    """

    clients: int = 16
    patience: float = 10.0


@define
class MetricsPage:
    """Serves one page: `/metrics`.

    Attributes:
        counts: What is on it.
        tell: Where events go.
        limits: What a client may use up.
    """

    counts: Counts
    tell: Callable[..., None]
    limits: MetricsLimits = field(factory=MetricsLimits)
    _registry: CollectorRegistry = field(factory=CollectorRegistry, init=False)
    _one_at_once: CapacityLimiter = field(factory=lambda: CapacityLimiter(1), init=False)
    _trouble: str = field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        self._registry.register(Collector(self.counts))

    async def serve(
        self, place: MetricsPlace, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED
    ) -> None:
        """Listen at a place until cancelled; `started` with the page's URL.

        Raises:
            MetricsError: Nobody can listen there.
        """
        with place.listen() as bound, ungrouped():
            async with (
                await SocketListener.from_socket(bound) as listener,
                anyio.create_task_group() as tasks,
            ):
                task_status.started(f"http://{place.bound(bound)}{_PATH}")
                free = anyio.Semaphore(self.limits.clients)
                while True:
                    await free.acquire()
                    tasks.start_soon(self._take, await accepted(listener), free)

    async def _take(self, stream: SocketStream, free: anyio.Semaphore) -> None:
        """Hear a client, answer it, and hang up."""
        async with stream:
            try:
                answer = await self._answer(stream)
                with anyio.fail_after(self.limits.patience):
                    await stream.send(answer)
            except (
                OSError,  # a TimeoutError is one
                anyio.IncompleteRead,
                anyio.BrokenResourceError,
                anyio.ClosedResourceError,
            ):
                pass  # it left, or is too slow
        free.release()

    async def _answer(self, stream: SocketStream) -> bytes:
        try:
            with anyio.fail_after(self.limits.patience):
                request = Request.parse(await _head(stream))
            if request.path != _PATH:
                raise Refused(HTTPStatus.NOT_FOUND)
            if request.method not in {"GET", "HEAD"}:
                raise Refused(HTTPStatus.METHOD_NOT_ALLOWED)
            return await to_thread.run_sync(self._page, request, limiter=self._one_at_once)
        except Refused as refused:
            return _refusal(refused.status)

    def _page(self, request: Request) -> bytes:
        try:
            encode, kind = _encoder(request.accept)
            body = encode(self._registry)
        except Exception as error:  # it is for people's comfort; the loops go on whatever happens
            text = f"the metrics cannot be written: {error!r}"
            if text != self._trouble:
                self._trouble = text
                anyio.from_thread.run_sync(self.tell, Event("error", "", text))
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
        whole = response(HTTPStatus.OK, kind, body)
        return whole if request.method == "GET" else whole[: len(whole) - len(body)]


async def _head(stream: SocketStream) -> bytes:
    try:
        return await BufferedByteReceiveStream(stream).receive_until(b"\r\n\r\n", LONGEST_HEAD)
    except anyio.DelimiterNotFound:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """What writes the form that is asked for, and its type; the usual one for garbage."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # `version=x`
        return choose_encoder("")


def _refusal(status: HTTPStatus) -> bytes:
    more = {"Allow": "GET, HEAD"} if status is HTTPStatus.METHOD_NOT_ALLOWED else {}
    return response(status, _PLAIN, f"{status.phrase}\n".encode(), **more)
