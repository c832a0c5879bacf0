"""What wakes a sysctl loop: inotify, netconf and link multicast, and poll."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskGroup, TaskStatus
from attrs import field, frozen

from .._core.groups import ungrouped
from .._core.hints import HintQueue
from .._core.model import Hint
from .._kernel.announcements import (
    IPV4_NETCONF,
    IPV6_NETCONF,
    LINK,
    LinkChange,
    NetconfChange,
    announced,
)
from .._kernel.files import Location, duplicate
from .._kernel.inotify import Change, Lost, Mask, Watches, watching
from .._kernel.netns import Target
from .._kernel.poll import PolledFile
from .._kernel.socket import EventsLost, NetlinkSocket
from .keys import interface_of, location, parts_of
from .knobs import influences

__all__ = ["Interest", "Subscription", "subscription"]

_POLLED = frozenset({"kernel.hostname", "kernel.domainname"})
_ANNOUNCED = {
    "ipv4": frozenset({"forwarding", "rp_filter", "proxy_arp", "ignore_routes_with_linkdown"}),
    "ipv6": frozenset({"forwarding", "proxy_ndp", "ignore_routes_with_linkdown"}),
}
_NETCONF_GROUPS = {"ipv4": IPV4_NETCONF, "ipv6": IPV6_NETCONF}

K = TypeVar("K")


@frozen
class Interest:
    """What a set of keys wants to hear of.

    Attributes:
        by_file: The keys that a write to a file may change.
        by_interface: The keys of an interface.
        by_setting: The keys that netconf announces, by family and name of the setting.
        polled: The keys that only poll(2) tells of.
    """

    by_file: Mapping[Location, frozenset[str]] = field(factory=dict)
    by_interface: Mapping[str, frozenset[str]] = field(factory=dict)
    by_setting: Mapping[tuple[str, str], frozenset[str]] = field(factory=dict)
    polled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keys: Iterable[str]) -> Interest:
        """What those keys want to hear of."""
        files = defaultdict[Location, set[str]](set)
        interfaces = defaultdict[str, set[str]](set)
        settings = defaultdict[tuple[str, str], set[str]](set)
        polled = set()
        for key in keys:
            for cause in influences(key):
                files[location(cause)].add(key)
                for setting in _settings(cause):
                    settings[setting].add(key)
            if interface := interface_of(key):
                interfaces[interface].add(key)
            if key in _POLLED:
                polled.add(key)
        return cls(_frozen(files), _frozen(interfaces), _frozen(settings), frozenset(polled))

    @property
    def directories(self) -> frozenset[str]:
        """The directories below /proc/sys that have to be watched."""
        return frozenset(directory for directory, _ in self.by_file)

    @property
    def groups(self) -> frozenset[int]:
        """The multicast groups that have to be joined."""
        groups = {_NETCONF_GROUPS[family] for family, _ in self.by_setting}
        return frozenset(groups | {LINK} if self.by_interface else groups)


def _frozen(found: Mapping[K, set[str]]) -> dict[K, frozenset[str]]:
    return {what: frozenset(keys) for what, keys in found.items()}


def _settings(key: str) -> Iterator[tuple[str, str]]:
    match parts_of(key):
        case ("net", "ipv4", "ip_forward"):
            yield "ipv4", "forwarding"
        case ("net", "ipv4" | "ipv6" as family, "conf", _, name) if name in _ANNOUNCED[family]:
            yield family, name


class Subscription:
    """The hints of one source while somebody listens."""

    def __init__(self, target: Target, watches: Watches, tasks: TaskGroup) -> None:
        self.hints: HintQueue = HintQueue()
        self._target = target
        self._watches = watches
        self._tasks = tasks
        self._interest = Interest()
        self._groups: frozenset[int] = frozenset()
        self._polled: frozenset[str] = frozenset()

    async def follow(self, keys: Sequence[str]) -> frozenset[str]:
        """Listen to all that these keys need, from before they are read.

        Returns:
            The directories to watch; `watch` takes them.
        """
        self._interest = await to_thread.run_sync(Interest.of, keys)
        groups = self._interest.groups - self._groups
        if groups:
            await self._tasks.start(self._listen, groups)
            self._groups |= groups
        for key in self._interest.polled - self._polled:
            await self._tasks.start(self._poll, key)
            self._polled |= {key}
        return self._interest.directories

    def watch(self, directory: str, fd: int) -> None:
        """Watch a directory that was opened; in a thread."""
        self._watches.add(duplicate(fd), directory, Mask.MODIFY)

    def keep(self, directories: AbstractSet[str]) -> None:
        """Watch these directories alone, of those that are watched; in a thread."""
        for label in self._watches.labels() - directories:
            self._watches.discard(label)

    async def take_changes(self) -> None:
        """Turn what inotify says into hints, for ever."""
        async for change in self._watches:
            if isinstance(change, Lost):
                self.hints.put(Hint("the inotify queue overflowed", lost=True))
            elif change.mask & Mask.MODIFY:
                self._written(change)

    def _written(self, change: Change) -> None:
        keys = self._interest.by_file.get((str(change.label), change.name))
        if keys:
            self.hints.put(Hint(f"/proc/sys/{change.label}/{change.name} was written", keys))

    async def _listen(
        self, groups: frozenset[int], *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        async with await NetlinkSocket.open(groups=groups, opener=self._target.call) as socket:
            task_status.started()
            while True:
                try:
                    for message in await socket.receive():
                        self._told(announced(message))
                except EventsLost as error:
                    self.hints.put(Hint(f"rtnetlink: {error}", lost=True))

    def _told(self, change: LinkChange | NetconfChange | None) -> None:
        match change:
            case LinkChange(name=name):
                keys = self._interest.by_interface.get(name)
                if keys:
                    what = "went" if change.gone else "appeared or changed"
                    self.hints.put(Hint(f"link {name} {what}", keys))
            case NetconfChange(family=family):
                for setting in change.names:
                    keys = self._interest.by_setting.get((family, setting))
                    if keys:
                        where = change.place or "an interface"
                        self.hints.put(Hint(f"{family} {setting} of {where} changed", keys))

    async def _poll(self, key: str, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        path = "/proc/sys/" + "/".join(location(key))
        file = await to_thread.run_sync(PolledFile.open, path)
        try:
            task_status.started()
            while True:
                await file.wait()
                self.hints.put(Hint(f"{key} changed in some UTS namespace", frozenset({key})))
        finally:
            file.close()


@asynccontextmanager
async def subscription(target: Target) -> AsyncGenerator[Subscription, None]:
    """A subscription, live until the context ends; it hears of nothing before `follow`."""
    with ungrouped():
        async with watching() as watches, anyio.create_task_group() as tasks:
            made = Subscription(target, watches, tasks)
            tasks.start_soon(made.take_changes)
            yield made
            tasks.cancel_scope.cancel()
