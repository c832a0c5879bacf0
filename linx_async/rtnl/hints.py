"""What wakes a rtnetlink loop: multicast messages, as far as they can matter to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus
from attrs import field, frozen

from .._core.groups import ungrouped
from .._core.hints import HintQueue
from .._core.model import Hint
from .._kernel.netlink import Flag, Message, NetlinkDecodeError
from .._kernel.netns import Target
from .._kernel.socket import EventsLost, NetlinkSocket
from .codec import address, link, nexthop, rule
from .codec.route import forwarding_of
from .codec.wire import Names, Type, name_of
from .desired.desired import Desired
from .desired.routes import RouteTable, route_key

__all__ = ["GROUPS", "NEIGHBOURS", "Interest", "Subscription", "subscription"]

# RTNLGRP_*, include/uapi/linux/rtnetlink.h
GROUPS: Final[Mapping[str, frozenset[int]]] = {
    "links": frozenset({1}),
    "addresses": frozenset({5, 9}),
    "routes": frozenset({7, 11}),
    "rules": frozenset({8, 19}),
    "nexthops": frozenset({32}),
    "neighbours": frozenset({3}),
}
"""The multicast groups that announce each kind of object."""

NEIGHBOURS: Final = GROUPS["neighbours"]
_ALWAYS: Final = frozenset().union(*GROUPS.values()) - NEIGHBOURS

_RECEIVE_BUFFER: Final = 4 * 1024 * 1024
"""Bytes: room for a burst of some thousand notifications."""
_REPLACE: Final = int(Flag.REPLACE)
_ROUTE_PROTOCOL: Final = 5  # the byte of rtmsg that has rtm_protocol


@frozen
class Interest:
    """What a desired state wants to hear of.

    Attributes:
        interfaces: Names of interfaces; None is any.
        routes: The desired routes.
        neighbours: Whether neighbours are desired.
    """

    interfaces: frozenset[str] | None = None
    routes: RouteTable = field(factory=RouteTable)
    neighbours: bool = False

    @classmethod
    def of(cls, desired: Desired) -> Interest:
        """What a desired state wants to hear of."""
        names: set[str | None] = set()
        for each in desired.links:
            names |= {each.name, each.parent or each.name, each.master or each.name}
            names.add(each.peer or each.name)
        names.update(each.interface for each in desired.addresses)
        names.update(each.interface for each in desired.neighbours)
        names.update(each.interface for each in desired.nexthops if not each.group)
        shared = {id(f): f for group in desired.routes.groups.values() for f in group.values()}
        for way in shared.values():
            if way.nexthops:
                names.update(hop.interface for hop in way.nexthops)
            elif way.gateway is not None or way.interface is not None:
                names.add(way.interface)
        known = frozenset(name for name in names if name is not None)
        # A gateway without an interface may be behind any.
        interfaces = None if None in names else known
        return cls(interfaces, desired.routes, bool(desired.neighbours))


class Subscription:
    """The hints of one source while somebody listens."""

    def __init__(self, target: Target, tasks: TaskGroup, protocol: int) -> None:
        self.hints: HintQueue = HintQueue()
        self._target = target
        self._tasks = tasks
        self._protocol = protocol
        self._interest = Interest()
        self._names: Names = {}
        self._groups: frozenset[int] = frozenset()

    async def follow(self, interest: Interest) -> None:
        """Listen to all that it needs, from before anything is read."""
        self._interest = interest
        groups = _ALWAYS | NEIGHBOURS if interest.neighbours else _ALWAYS
        missing = groups - self._groups
        if missing:
            await self._tasks.start(self._listen, missing)
            self._groups |= missing

    def know(self, names: Names) -> None:
        """The interfaces by index, as they were last seen."""
        self._names = names

    async def _listen(
        self, groups: frozenset[int], *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        opening = NetlinkSocket.open(
            groups=groups, opener=self._target.call, receive_buffer=_RECEIVE_BUFFER
        )
        async with await opening as socket:
            task_status.started()
            while True:
                try:
                    for message in await socket.receive():
                        self._told(message)
                except EventsLost as error:
                    self.hints.put(Hint(f"rtnetlink: {error}", lost=True))

    def _told(self, message: Message) -> None:
        try:
            reason = self._reason(message)
        except NetlinkDecodeError as error:
            reason = f"a notification of type {message.type} that cannot be read: {error}"
        if reason:
            self.hints.put(Hint(reason))

    def _reason(self, message: Message) -> str:
        """Why to look; empty where it cannot matter."""
        payload = message.payload
        gone = " went" if message.type in _DELETES else " appeared or changed"
        match message.type:
            case Type.NEWLINK | Type.DELLINK:
                return self._link(payload, gone)
            case Type.NEWROUTE | Type.DELROUTE:
                return self._route(message, gone)
            case Type.NEWADDR | Type.DELADDR if address.is_ours(payload):
                return f"address {address.decode(payload, self._names)}{gone}"
            case Type.NEWRULE | Type.DELRULE if rule.is_ours(payload):
                return f"rule {rule.decode(payload, self._names)}{gone}"
            case Type.NEWNEXTHOP | Type.DELNEXTHOP:
                return f"nexthop {nexthop.decode(payload, self._names)}{gone}"
            case Type.NEWNEIGH | Type.DELNEIGH:
                return f"a neighbour{gone}"
        return ""

    def _link(self, payload: bytes, gone: str) -> str:
        if not link.is_ours(payload):
            return ""
        index, name = link.index_and_name(payload)
        wanted = self._interest.interfaces
        # By its last name too: a rename tells the new one alone.
        if wanted is not None and not {name, name_of(self._names, index)} & wanted:
            return ""
        return f"link {name}{gone}"

    def _route(self, message: Message, gone: str) -> str:
        payload = message.payload
        if len(payload) <= _ROUTE_PROTOCOL or payload[0] not in {2, 10}:
            return ""
        if payload[_ROUTE_PROTOCOL] == self._protocol:
            prefix, packed, _ = forwarding_of(payload, self._names)
            return f"{route_key(prefix, packed)}{gone}"
        # Another's: it matters where it took the place of ours, or leaves one that is desired.
        if message.type == Type.NEWROUTE and not message.flags & _REPLACE:
            return ""
        prefix, packed, _ = forwarding_of(payload, self._names)
        if packed not in self._interest.routes.groups.get(prefix, {}):
            return ""
        return f"foreign {route_key(prefix, packed)}{gone}"


_DELETES: Final = frozenset(
    {
        Type.DELLINK,
        Type.DELADDR,
        Type.DELROUTE,
        Type.DELRULE,
        Type.DELNEXTHOP,
        Type.DELNEIGH,
    }
)


@asynccontextmanager
async def subscription(target: Target, protocol: int) -> AsyncGenerator[Subscription, None]:
    """A subscription, live until the context ends; it hears of nothing before `follow`."""
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            made = Subscription(target, tasks, protocol)
            yield made
            tasks.cancel_scope.cancel()
