"""The subscription of a rtnetlink loop: sockets that hear what can matter to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from .._core.groups import ungrouped
from .._core.hints import HintQueue
from .._core.model import Conflict
from .._kernel.netns import Target
from .._kernel.socket import EventsLost, NetlinkSocket
from .concerns import UNCONCERNED, concerns_in
from .hints import Listener
from .interest import ALL_GROUPS, Interest
from .observed import Observed

__all__ = ["RECEIVE_BUFFER", "Subscription", "subscription"]

RECEIVE_BUFFER: Final = 4 * 1024 * 1024
"""Bytes: room for a burst of some thousand notifications."""


class Subscription:
    """The hints of one source while somebody listens."""

    def __init__(self, target: Target, tasks: TaskGroup, listener: Listener) -> None:
        self.hints: HintQueue = HintQueue()
        self.listener: Listener = listener
        self._target = target
        self._tasks = tasks
        self._groups: frozenset[int] = frozenset()
        self._interest: Interest | None = None
        self._concerns = UNCONCERNED

    async def follow(self, interest: Interest | None) -> None:
        """Listen to all that it needs, from before anything is read; None is everything."""
        self._interest = interest
        if interest is not None:
            interest = interest.with_concerns(self._concerns)
        self.listener.interest = interest
        missing = (ALL_GROUPS if interest is None else interest.groups) - self._groups
        if missing:
            await self._tasks.start(self._listen, missing)
            self._groups |= missing

    async def heed(self, conflicts: Iterable[Conflict], observed: Observed) -> bool:
        """Listen to what may end the conflicts of a plan, too.

        Returns:
            Whether some of it was not heard of before: it may have changed since it was observed.
        """
        concerns = concerns_in(conflicts, observed)
        if concerns == self._concerns:
            return False
        both = concerns | self._concerns
        is_new = both != self._concerns
        # It shrinks only where it was enough, so that a pass does not look again for ever.
        self._concerns = both if is_new else concerns
        await self.follow(self._interest)
        return is_new

    async def _listen(
        self, groups: frozenset[int], *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        opening = NetlinkSocket.open(
            groups=groups, opener=self._target.call, receive_buffer=RECEIVE_BUFFER
        )
        async with await opening as socket:
            task_status.started()
            while True:
                try:
                    messages = await socket.receive()
                except EventsLost as error:
                    self.hints.put(self.listener.lost(str(error)))
                    continue
                for message in messages:
                    hint = self.listener.hint(message)
                    if hint is not None:
                        self.hints.put(hint)


@asynccontextmanager
async def subscription(
    target: Target, protocol: int, port: int
) -> AsyncGenerator[Subscription, None]:
    """A subscription, live until the context ends; it hears of nothing before `follow`.

    Args:
        target: The namespace.
        protocol: Our tag.
        port: The port id of the socket that we change things by.
    """
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            made = Subscription(target, tasks, Listener(protocol, port))
            yield made
            tasks.cancel_scope.cancel()
