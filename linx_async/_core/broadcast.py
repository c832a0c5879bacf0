"""Fan-out to watchers: bounded, and a slow watcher loses the oldest."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from anyio import Event
from anyio.lowlevel import checkpoint
from attrs import define, field

__all__ = ["Broadcast"]

T = TypeVar("T")


@define(eq=False)
class _Watcher(Generic[T]):
    """One watcher's queue; its iterator ends when the broadcast is closed and it is empty."""

    queue: deque[T]
    ready: Event = field(factory=Event)
    closed: bool = False

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        # Before anything is taken, so that a cancellation loses nothing.
        await checkpoint()
        while not self.queue:
            if self.closed:
                raise StopAsyncIteration
            await self.ready.wait()
        item = self.queue.popleft()
        if not self.queue and not self.closed:
            self.ready = Event()
        return item


class Broadcast(Generic[T]):
    """Gives every item to every watcher that is there at that moment; never waits for any.

    Args:
        size: How many items a watcher may lag behind before it loses its oldest.
    """

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._watchers: set[_Watcher[T]] = set()
        self._closed = False

    @contextmanager
    def watch(self) -> Iterator[AsyncIterator[T]]:
        """An iterator over all that is sent from now on."""
        watcher = _Watcher[T](deque(maxlen=self._size), closed=self._closed)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def send(self, item: T) -> None:
        """Hand it to every watcher."""
        for watcher in self._watchers:
            watcher.queue.append(item)
            watcher.ready.set()

    def close(self) -> None:
        """End the iterators, later ones too, once they have given what they hold."""
        self._closed = True
        for watcher in self._watchers:
            watcher.closed = True
            watcher.ready.set()
        self._watchers.clear()
