"""What wakes a rtnetlink loop: multicast messages, as far as they can matter to it."""

from __future__ import annotations

from typing import Final

from .._core.model import Hint
from .._kernel.netlink import U32, Message, NetlinkDecodeError, attribute_map
from .codec import address, link, neighbour, nexthop, rule
from .codec.route import forwarding_of
from .codec.route_abi import RTA_DST, RTA_PRIORITY, RTA_TABLE, RTMSG
from .codec.wire import VERSIONS, Names, Type, u32
from .desired.protocols import KERNEL_TAGS
from .desired.route import Prefix
from .desired.routes import route_key
from .interest import Interest

__all__ = ["Listener"]

_PROTOCOL: Final = 5  # the byte of rtmsg that has rtm_protocol
_INDEX: Final = slice(4, 8)  # of ifaddrmsg and ndmsg
_LINKS: Final = frozenset({Type.NEWLINK, Type.DELLINK})
_ROUTES: Final = frozenset({Type.NEWROUTE, Type.DELROUTE})
_DELETES: Final = frozenset(kind for kind in Type if kind.name.startswith("DEL"))

_THERE: Final = "appeared or changed"
_GONE: Final = "went"
# Many of our own changes are one hint, and need not be understood.
_OWN: Final = Hint("our own changes: look whether they are as they should be")


class Listener:
    """Makes hints of notifications; pure.

    A rename tells the new name alone. So the names are followed, message by message, and are sure
    once a dump has told those that no message spoke of. Where they are not, everything matters.

    Args:
        protocol: Our tag.
        port: The port id of the socket that we change things by.
    """

    def __init__(self, protocol: int, port: int) -> None:
        self.interest: Interest | None = None
        self._protocol = protocol
        self._port = port
        self._names: dict[int, str] = {}
        self._losses = 0
        self._known_losses = -1

    @property
    def is_sure(self) -> bool:
        """Whether the name that each link had before the next message is known."""
        return self._known_losses == self._losses

    @property
    def losses(self) -> int:
        """How often something was lost."""
        return self._losses

    def know(self, names: Names, losses: int) -> None:
        """Learn of interfaces by a dump.

        Args:
            names: Their names by index.
            losses: What `losses` was before the dump.
        """
        # What messages said comes first: they are told in order, and the dump is ahead of them.
        for index, name in names.items():
            self._names.setdefault(index, name)
        self._known_losses = losses

    def lost(self, reason: str) -> Hint:
        """Notifications were lost, and names with them."""
        self._names.clear()
        self._losses += 1
        return Hint(f"rtnetlink: {reason}", lost=True)

    def hint(self, message: Message) -> Hint | None:
        """Why to look; None where it cannot matter."""
        try:
            if message.type in _LINKS:
                return self._link(message) if link.is_ours(message.payload) else None
            if message.pid == self._port:
                return _OWN
            gone = _GONE if message.type in _DELETES else _THERE
            if message.type in _ROUTES:  # of nothing else there are as many
                return self._route(message.payload, gone)
            return self._other(message.type, message.payload, gone)
        except NetlinkDecodeError as error:
            return Hint(f"a notification of type {message.type} that cannot be read: {error}")

    def _other(self, kind: int, payload: bytes, gone: str) -> Hint | None:
        match kind:
            case Type.NEWADDR | Type.DELADDR if address.is_ours(payload):
                return self._address(payload, gone)
            case Type.NEWNEIGH | Type.DELNEIGH if neighbour.is_ours(payload):
                return self._neighbour(payload, gone)
            case Type.NEWRULE | Type.DELRULE if rule.is_ours(payload):
                return self._rule(payload, gone)
            case Type.NEWNEXTHOP | Type.DELNEXTHOP if nexthop.is_ours(payload):
                return self._nexthop(payload, gone)
        return None

    def _link(self, message: Message) -> Hint | None:
        index, name = link.index_and_name(message.payload)
        before = self._names.pop(index, name)
        if message.type == Type.NEWLINK:
            self._names[index] = name
        if message.pid == self._port:
            return _OWN
        gone = _GONE if message.type == Type.DELLINK else _THERE
        names = {name, before}
        interest = self.interest
        if interest is not None:
            if self.is_sure and interest.links is not None and not names & interest.links:
                return None
            if names & interest.peers:
                # A veth that cannot be had as desired may leave its other end to be heard of.
                return Hint(f"link {name} {gone}")
        renamed = f" (it was {before})" if before != name else ""
        return Hint(f"link {name}{renamed} {gone}", frozenset(f"link {each}" for each in names))

    def _route(self, payload: bytes, gone: str) -> Hint | None:
        if payload[:1] not in {b"\x02", b"\x0a"}:
            return None
        if len(payload) < RTMSG.size:
            raise NetlinkDecodeError(f"a route of {len(payload)} bytes", 0)
        interest = self.interest
        whose = ""
        if interest is not None and payload[_PROTOCOL] != self._protocol:
            if gone == _GONE and self._lets_go(payload, interest):
                return Hint("another's route went, and what was left for its sake may go")
            # It matters where it has the key of a desired one: it took its place, or leaves it, or
            # is another way of ours now (an IPv6 route of one key is dumped as one, by the first).
            if (payload[0], payload[1]) not in interest.shapes:
                return None
            prefix, packed = _route_key(payload)
            if packed not in interest.routes.groups.get(prefix, ()):
                return None
            whose = "another's "
        else:
            prefix, packed, _ = forwarding_of(payload, self._names)
        key = route_key(prefix, packed)
        return Hint(f"{whose}{key} {gone}", frozenset({key}))

    def _lets_go(self, payload: bytes, interest: Interest) -> bool:
        """Whether it may be for a foreign route's sake that something of ours was left."""
        if not (interest.bearing or interest.used):
            return False
        prefix, _, way = forwarding_of(payload, self._names)
        if way.nexthop_id:
            return way.nexthop_id in interest.used
        names = {way.interface, *(hop.interface for hop in way.nexthops)}
        return (
            prefix.family == 4
            and way.protocol not in KERNEL_TAGS
            and not names.isdisjoint(interest.bearing)
        )

    def _address(self, payload: bytes, gone: str) -> Hint | None:
        found = address.decode(payload, self._names)
        interest = self.interest
        if (
            interest is not None
            and interest.carriers is not None
            and found.protocol != self._protocol
            and found.interface not in interest.carriers
            and found.address not in interest.sources
            and self._is_named(payload)
        ):
            return None
        return Hint(f"address {found} {gone}", frozenset({found.key}))

    def _rule(self, payload: bytes, gone: str) -> Hint | None:
        found = rule.decode(payload, self._names)
        key = found.key
        interest = self.interest
        if interest is not None and found.protocol != self._protocol and key not in interest.rules:
            return None
        return Hint(f"{key} {gone}", frozenset({key}))

    def _nexthop(self, payload: bytes, gone: str) -> Hint | None:
        found = nexthop.decode(payload, self._names)
        interest = self.interest
        if (
            interest is not None
            and found.protocol != self._protocol
            and found.id not in interest.nexthops
        ):
            return None
        return Hint(f"{found.key} {gone}", frozenset({found.key}))

    def _neighbour(self, payload: bytes, gone: str) -> Hint | None:
        found = neighbour.decode(payload, self._names)
        key = found.key
        interest = self.interest
        if (
            interest is not None
            and found.protocol != self._protocol
            and key not in interest.neighbours
            # Where none are desired any more, the group was not left.
            and (self._is_named(payload) or not interest.neighbours)
        ):
            return None
        return Hint(f"{key} {gone}", frozenset({key}))

    def _is_named(self, payload: bytes) -> bool:
        return self.is_sure and U32.unpack(payload[_INDEX])[0] in self._names


def _route_key(payload: bytes) -> tuple[Prefix, bytes]:
    """What tells a route from others, at less cost than the whole of it."""
    found = attribute_map(payload, RTMSG.size)
    version = VERSIONS[payload[0]]
    table = found.get(RTA_TABLE)
    metric = found.get(RTA_PRIORITY)
    prefix = Prefix(
        version,
        payload[1],
        payload[4] if table is None else u32(table),
        0 if metric is None else u32(metric),
        payload[3],
    )
    return prefix, found.get(RTA_DST, bytes(4 if version == 4 else 16))
