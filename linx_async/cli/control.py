"""The control socket of `linx run`: who may ask, how much, and for how long."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import anyio
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import SocketAttribute, SocketListener, SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, field

from .._core.errors import LinxError
from .._core.groups import ungrouped
from .accepting import accepted
from .place import ControlError, ControlPlace, has_left, peer_of
from .requests import LASTING, LONGEST_REQUEST, Request, answer_line

__all__ = ["Control", "Limits", "Say"]

Answer: TypeAlias = Mapping[str, Any]
Say: TypeAlias = Callable[[Answer], Awaitable[None]]
"""Says one line to a client, and waits until it is on its way."""
_BACKLOG = 64
"""Those who wait to be heard; they wait for as long as they like, and cost nothing."""


@define
class Limits:
    """What a client may use up.

    Attributes:
        clients: Those at once; one more is sent away.
        watchers: Those among them that want one line after the other.
        patience: Seconds in which its request has to come, and each line of the answer to go.
        work: Seconds that what it asks for may take.
    """

    clients: int = 16
    watchers: int = 8
    patience: float = 10.0
    work: float = 120.0


@define
class Control:
    """Takes one request a connection, and answers it.

    Attributes:
        answer: What answers a request.
        limits: What a client may use up.
        follow: What answers one that is `LASTING`, line by line, until it is cancelled: the client
            has hung up then, or does not read.
    """

    answer: Callable[[Request], Awaitable[Answer]]
    limits: Limits = field(factory=Limits)
    follow: Callable[[Request, Say], Awaitable[None]] | None = None
    _clients: int = field(default=0, init=False)
    _watchers: int = field(default=0, init=False)

    async def serve(
        self, place: ControlPlace, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        """Listen at a place until cancelled; `started` once somebody may come.

        Raises:
            ControlError: Nobody can listen there.
        """
        listening = await to_thread.run_sync(place.listen, _BACKLOG)
        try:
            with ungrouped():
                async with (
                    await SocketListener.from_socket(listening.listener) as listener,
                    anyio.create_task_group() as tasks,
                ):
                    task_status.started()
                    while True:
                        tasks.start_soon(self.take, await accepted(listener))
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(listening.remove)
                listening.listener.close()

    async def take(self, stream: SocketStream) -> None:
        """Hear a client, answer it, and hang up."""
        async with stream:
            self._clients += 1
            try:
                await self._heard(stream)
            except (OSError, TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # it left, or is too slow
            finally:
                self._clients -= 1

    async def _heard(self, stream: SocketStream) -> None:
        pid, uid = peer_of(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - no Django's
        if uid not in {0, os.geteuid()}:
            await self._say(stream, {"ok": False, "error": f"uid {uid} (pid {pid}) may not ask"})
        elif self._clients > self.limits.clients:
            await self._say(stream, {"ok": False, "error": "too many ask at once; try again"})
        else:
            answer = await self._answered(stream)
            if answer is not None:
                await self._say(stream, answer)

    async def _answered(self, stream: SocketStream) -> Answer | None:
        try:
            with anyio.fail_after(self.limits.patience):
                line = await _line(stream)
            if line is None:
                return None
            request = Request.parse(line)
            if request.do in LASTING:
                await self._followed(stream, request)
                return None
            with anyio.move_on_after(self.limits.work):
                return {"ok": True, **await self.answer(request)}
        except LinxError as error:
            return {"ok": False, "error": str(error)}
        return {"ok": False, "error": f"not done within {self.limits.work:g} s; it goes on"}

    async def _followed(self, stream: SocketStream, request: Request) -> None:
        async def say(answer: Answer) -> None:
            await self._say(stream, {"ok": True, **answer})

        if self.follow is None:
            raise ControlError(f"{request.do}: there is nothing to be told of")
        if self._watchers >= self.limits.watchers:
            raise ControlError("too many watch at once; try again")
        self._watchers += 1
        try:
            with ungrouped():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_end_when_left, stream, tasks.cancel_scope)
                    await self.follow(request, say)
                    tasks.cancel_scope.cancel()
        finally:
            self._watchers -= 1

    async def _say(self, stream: SocketStream, answer: Answer) -> None:
        with anyio.fail_after(self.limits.patience):
            await stream.send(answer_line(answer))


async def _end_when_left(stream: SocketStream, scope: anyio.CancelScope) -> None:
    """Cancel once a client has hung up, or goes on sending as if there were more to ask."""
    received = 0
    try:
        while received <= LONGEST_REQUEST:
            received += len(await stream.receive())
    except anyio.EndOfStream:
        if not has_left(stream.extra(SocketAttribute.raw_socket)):  # noqa: S610 - no Django's
            return  # it has closed its half, and listens
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass
    scope.cancel()


async def _line(stream: SocketStream) -> bytes | None:
    """The line that somebody sends; None where it hangs up before the end of it."""
    try:
        line = await BufferedByteReceiveStream(stream).receive_until(b"\n", LONGEST_REQUEST)
    except anyio.IncompleteRead:
        return None
    except anyio.DelimiterNotFound:
        line = b" " * (LONGEST_REQUEST + 1)
    if len(line) > LONGEST_REQUEST:
        raise ControlError(f"a line has at most {LONGEST_REQUEST} bytes")
    return line
