"""File watches: inotify as an async iterator, one descriptor for a whole event loop run."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from contextlib import ExitStack, asynccontextmanager
from typing import Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from .._core.groups import uninterrupted
from .inotify_abi import (
    CHANGES,
    LARGEST_RECORD,
    WATCHABLE,
    Change,
    Lost,
    Mask,
    add_watch,
    close_pin,
    decode,
    failure,
    open_inotify,
    remove_watch,
)

__all__ = ["CHANGES", "Change", "Lost", "Mask", "Watches", "watching"]

_OVERFLOW: Final = int(Mask.Q_OVERFLOW)
_IGNORED: Final = int(Mask.IGNORED)
_READ_SIZE: Final = 65536
_READS_A_TURN: Final = 16
_QUEUE_LIMIT: Final = 4096


class _Hub:
    """The one descriptor of a run, who watches what, and whose turn it is to wait for it.

    There is no task that reads the descriptor. Among the subscribers that wait, one leads: it
    waits for the descriptor and hands the changes out. Whoever stops leading names the next one,
    so that while anybody waits somebody leads.
    """

    def __init__(self) -> None:
        self.fd: int = open_inotify()
        # Guards the tables of watches, which worker threads change; all else is the loop's own.
        self.lock: threading.Lock = threading.Lock()
        self.watched: dict[int, dict[tuple[Watches, Hashable], int]] = {}
        self.members: set[Watches] = set()
        self._followers: dict[Watches, anyio.Event] = {}
        self._leader: Watches | None = None
        self._nap: anyio.CancelScope | None = None

    async def take_turn(self, watches: Watches) -> None:
        """Wait until there may be something for `watches`."""
        if self._leader is None:
            self._leader = watches
        if self._leader is watches:
            await self._lead(watches)
            return
        wake = self._followers[watches] = anyio.Event()
        try:
            await wake.wait()
        finally:
            del self._followers[watches]

    async def _lead(self, watches: Watches) -> None:
        self._nap = anyio.CancelScope()
        try:
            with self._nap:
                await anyio.wait_readable(self.fd)
        except OSError as error:
            raise failure("cannot wait for changes", error.errno or 0) from error
        finally:
            self._nap = None
        # The descriptor is open for sure only while the subscriber is a member.
        if watches in self.members:
            self.pump()

    def step_down(self, watches: Watches) -> None:
        """Name the next leader, if `watches` leads; a subscriber that waits no more calls this."""
        if self._leader is not watches:
            return
        self._leader = None
        for follower, wake in self._followers.items():
            # One that is awake already has changes of its own and is about to leave.
            if not wake.is_set():
                self._leader = follower
                wake.set()
                return

    def wake(self, watches: Watches) -> None:
        """Let the task that waits in `watches`, if any, look at its queue."""
        if wake := self._followers.get(watches):
            wake.set()
        elif self._leader is watches and self._nap:
            self._nap.cancel()

    def pump(self) -> None:
        """Hand out what the kernel has queued, without waiting."""
        for _ in range(_READS_A_TURN):
            try:
                buffer = os.read(self.fd, _READ_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                raise failure("cannot read changes", error.errno or 0) from error
            with self.lock:
                for wd, mask, name in decode(buffer):
                    self._deliver(wd, mask, name)
            if len(buffer) < _READ_SIZE - LARGEST_RECORD:
                return

    def _deliver(self, wd: int, mask: int, name: str) -> None:
        if mask & _OVERFLOW:
            for watches in self.members:
                watches.put(Lost())
        elif mask & _IGNORED:
            for watches, label in self.watched.pop(wd, {}):
                watches.forget(label)
                watches.put(Change(label, "", mask))
        else:
            for (watches, label), wanted in self.watched.get(wd, {}).items():
                if mask & wanted:
                    watches.put(Change(label, name, mask))

    def watch(self, watches: Watches, label: Hashable, pin: int, mask: int) -> int:
        """Watch what `pin` holds; the lock is held. Returns the watch descriptor."""
        wd = add_watch(self.fd, pin, mask, label)
        self.watched.setdefault(wd, {})[watches, label] = mask
        return wd

    def unwatch(self, watches: Watches, label: Hashable, wd: int) -> None:
        """Undo `watch`; the lock is held. The kernel's watch goes with the last that shares it."""
        sharing = self.watched.get(wd, {})
        sharing.pop((watches, label), None)
        if not sharing and self.watched.pop(wd, None) is not None:
            remove_watch(self.fd, wd)


class Watches:
    """One subscriber's watches, and an async iterator over what changed; from `watching()`.

    Changes are hints, not a history: equal ones that were not yet taken are told once, and a
    subscriber that falls 4096 changes behind gets `Lost` in their place. One task at a time
    iterates; a second one gets anyio.BusyResourceError.
    """

    def __init__(self, hub: _Hub) -> None:
        self._hub = hub
        self._held: dict[Hashable, tuple[int, int]] = {}
        self._queue: dict[Change | Lost, None] = {}
        self._iterating = anyio.ResourceGuard("iterating over")
        self._closed = False
        hub.members.add(self)

    def add(self, pin: int, label: Hashable, mask: int = CHANGES) -> None:
        """Watch the file or directory that a descriptor holds, from any thread.

        Changes from here on are told, whether or not somebody waits. A label that is in use
        already is moved to the new file. Deletion of the file itself is announced by its parent
        directory's watch alone: the pin keeps the inode, and IN_DELETE_SELF waits for its end.

        Args:
            pin: An O_PATH descriptor, taken over even if this fails, and held while the watch
                lives: an inode of procfs that leaves memory takes its watches along, silently.
            label: What the changes will be labelled with.
            mask: `Mask` bits to be told of, `IN_MODIFY` to `IN_MOVE_SELF` of inotify(7).

        Raises:
            SourceError: A limit of the kernel's was hit, or the file cannot be watched.
            ValueError: The mask has no bit that a watch could announce.
            anyio.ClosedResourceError: The watches are closed.
        """
        with ExitStack() as undo, self._hub.lock:
            undo.callback(close_pin, pin)
            if not mask & WATCHABLE or mask & ~WATCHABLE:
                raise ValueError(f"mask: {mask:#x} is no set of changes that can be watched")
            if self._closed:
                raise anyio.ClosedResourceError
            before = self._held.get(label)
            wd = self._hub.watch(self, label, pin, int(mask))
            self._held[label] = (pin, wd)
            undo.pop_all()
            if before:
                self._let_go(label, *before, still=wd)

    def discard(self, label: Hashable) -> None:
        """Stop watching, from any thread. What was queued before may still be told."""
        with self._hub.lock:
            if held := self._held.pop(label, None):
                self._let_go(label, *held)

    def _let_go(self, label: Hashable, pin: int, wd: int, *, still: int | None = None) -> None:
        if wd != still:
            self._hub.unwatch(self, label, wd)
        close_pin(pin)

    def labels(self) -> frozenset[Hashable]:
        """What is watched, from any thread."""
        with self._hub.lock:
            return frozenset(self._held)

    def drain(self) -> list[Change | Lost]:
        """What has changed so far and was not yet taken, without waiting.

        Raises:
            SourceError: The descriptor could not be read.
        """
        if not self._closed:
            self._hub.pump()
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def __aiter__(self) -> AsyncIterator[Change | Lost]:
        return self

    async def __anext__(self) -> Change | Lost:
        with self._iterating:
            await anyio.lowlevel.checkpoint()
            try:
                while not self._queue and not self._closed:
                    await self._hub.take_turn(self)
            finally:
                self._hub.step_down(self)
            if self._closed:
                raise StopAsyncIteration
            return self._take()

    def _take(self) -> Change | Lost:
        oldest = next(iter(self._queue))
        del self._queue[oldest]
        return oldest

    def put(self, change: Change | Lost) -> None:
        """Queue a change, on the event loop's thread."""
        if Lost() in self._queue:
            return
        if isinstance(change, Lost) or len(self._queue) >= _QUEUE_LIMIT:
            self._queue.clear()
            change = Lost()
        self._queue[change] = None
        self._hub.wake(self)

    def forget(self, label: Hashable) -> None:
        """Let go of a watch that the kernel has dropped; the hub's lock is held."""
        pin, _wd = self._held.pop(label)
        close_pin(pin)

    def close(self) -> Callable[[], None]:
        """End the iteration; the work that is left may block, and belongs in a thread."""
        self._closed = True
        self._queue.clear()
        self._hub.members.discard(self)
        self._hub.wake(self)
        return self._let_go_of_all

    def _let_go_of_all(self) -> None:
        with self._hub.lock:
            while self._held:
                label, held = self._held.popitem()
                self._let_go(label, *held)


_current_hub: Final = anyio.lowlevel.RunVar[_Hub | None]("inotify", None)


@asynccontextmanager
async def watching() -> AsyncGenerator[Watches, None]:
    """Watches of one's own, none at first. They end with the context, and so does an iteration.

    Raises:
        SourceError: No inotify descriptor could be opened; the message names the limit.
    """
    hub = _current_hub.get()
    if hub is None:
        hub = _Hub()
        _current_hub.set(hub)
    watches = Watches(hub)
    try:
        yield watches
    finally:
        last_work = [watches.close()]
        if not hub.members:
            _current_hub.set(None)
            last_work.append(lambda: os.close(hub.fd))
        await uninterrupted(lambda: _finish(last_work))


async def _finish(work: list[Callable[[], None]]) -> None:
    # A leader that was just woken leaves the descriptor before that is closed.
    await anyio.lowlevel.checkpoint()
    # Closing waits for the kernel's readers of the watches to be gone (fsnotify's SRCU): it was
    # seen to take 14 ms.
    await anyio.to_thread.run_sync(lambda: [step() for step in work])
