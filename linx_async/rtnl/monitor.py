"""What happens in a network namespace, told as it does: `ip monitor` with values."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal, TypeAlias

from attrs import frozen

from .._core.errors import DesiredStateError
from .._kernel.netlink import Flag, Message, NetlinkDecodeError, split
from .._kernel.pinning import pinned
from .._kernel.scopes import namespace_of
from .._kernel.socket import EventsLost, NetlinkSocket
from .codec import address, link, neighbour, nexthop, route, rule
from .codec.wire import Names, Type
from .desired import Address, Neighbour, Nexthop, Route, Rule
from .interest import GROUPS
from .listening import RECEIVE_BUFFER
from .observed_link import ObservedLink
from .source import Scope

__all__ = ["Announced", "Announcement", "Kind", "Lost", "monitor"]

Kind: TypeAlias = Literal["link", "address", "route", "rule", "neighbour", "nexthop"]
"""What announcements can be about."""
Announced: TypeAlias = ObservedLink | Address | Route | Rule | Neighbour | Nexthop
"""What is announced: the values that an observation has, the kernel's tags and flags included."""

_REPLACE: Final = int(Flag.REPLACE)


@frozen
class Announcement:
    """Something appeared, changed or went, by word of the kernel.

    Attributes:
        verb: `new` where it appeared or changed, `del` where it went.
        kind: What it is.
        value: What it is like now, or was when it went. An interface whose name is not known is
            `ifindex/N`.
        flags: nlmsg_flags: NLM_F_REPLACE (0x100) of a route that took another's place,
            NLM_F_APPEND (0x800) of one that was added beside it.
        port: nlmsg_pid: the port id of the netlink socket that asked for it; 0 where the kernel
            did it by itself, or does not say.
    """

    verb: Literal["new", "del"]
    kind: Kind
    value: Announced
    flags: int
    port: int

    def __str__(self) -> str:
        went = "Deleted " if self.verb == "del" else ""
        value = self.value
        text = _link_text(value) if isinstance(value, ObservedLink) else str(value)
        tag = getattr(value, "protocol", None)
        whose = f" proto {tag}" if tag else ""
        replaced = self.kind == "route" and self.verb == "new" and self.flags & _REPLACE
        return f"[{self.kind}] {went}{text}{whose}{' (replaced)' if replaced else ''}"


@frozen
class Lost:
    """Some announcements were lost, or one could not be read: anything may have happened.

    Attributes:
        reason: What is known of it.
    """

    reason: str

    def __str__(self) -> str:
        return f"[lost] {self.reason}"


def _link_text(value: ObservedLink) -> str:
    words = [f"{value.index}: {value.name}:", "up" if value.up else "down"]
    words += [value.kind] if value.kind else []
    words += [f"mtu {value.mtu}", f"state {value.operstate}"]
    words += [f"master {value.master}"] if value.master else []
    words += [f"lladdr {value.address}"] if value.address else []
    return " ".join(words)


@frozen(eq=False)
class _Codec:
    """How announcements of a kind are read.

    Attributes:
        kind: The kind.
        is_ours: Whether a payload is of a family that we know.
        decode: What makes a value of one.
    """

    kind: Kind
    is_ours: Callable[[bytes], bool]
    decode: Callable[[bytes, Names], Announced]


_NEW: Final[Mapping[int, _Codec]] = {
    Type.NEWLINK: _Codec("link", link.is_ours, lambda payload, _: link.decode(payload)),
    Type.NEWADDR: _Codec("address", address.is_ours, address.decode),
    Type.NEWROUTE: _Codec("route", route.is_ours, route.decode),
    Type.NEWNEIGH: _Codec("neighbour", neighbour.is_ours, neighbour.decode),
    Type.NEWRULE: _Codec("rule", rule.is_ours, rule.decode),
    Type.NEWNEXTHOP: _Codec("nexthop", nexthop.is_ours, nexthop.decode),
}
_DELETED: Final = {kind + 1: codec for kind, codec in _NEW.items()}  # RTM_DEL* follows RTM_NEW*


class Reader:
    """Reads announcements, and follows the names of interfaces; pure.

    Args:
        kinds: What to tell of.
    """

    def __init__(self, kinds: frozenset[str]) -> None:
        self.names: dict[int, str] = {}
        self._kinds = kinds

    def read(self, message: Message) -> Announcement | Lost | None:
        """What a message says; None where it is of another kind or family."""
        codec = _NEW.get(message.type) or _DELETED.get(message.type)
        try:
            if codec is None or not codec.is_ours(message.payload):
                return None
            went = message.type in _DELETED
            value: Announced | None = None
            if codec.kind in self._kinds:
                value = codec.decode(message.payload, self.names)
            if codec.kind == "link":
                self._follow(message.payload, went=went)
        except NetlinkDecodeError as error:
            return Lost(f"a notification of type {message.type} cannot be read: {error}")
        if value is None:
            return None
        verb: Literal["new", "del"] = "del" if went else "new"
        return Announcement(verb, codec.kind, value, message.flags, message.pid)

    def learn(self, datagrams: Iterable[bytes]) -> None:
        """Forget all names, and take those of a dump; what is malformed there has none."""
        self.names.clear()
        for datagram in datagrams:
            with suppress(NetlinkDecodeError):
                for message in split(datagram):
                    if message.type == Type.NEWLINK and link.is_ours(message.payload):
                        self._follow(message.payload, went=False)

    def _follow(self, payload: bytes, *, went: bool) -> None:
        index, name = link.index_and_name(payload)
        if went:
            self.names.pop(index, None)
        else:
            self.names[index] = name


class _Announcements:
    """The announcements of one namespace, as they come; nothing waits but in the kernel's queue.

    Args:
        reader: What reads them.
        socket: One that listens.
        requests: One in the same namespace for requests.
    """

    def __init__(self, reader: Reader, socket: NetlinkSocket, requests: NetlinkSocket) -> None:
        self._reader = reader
        self._socket = socket
        self._requests = requests
        self._messages: deque[Message] = deque()
        self._is_named = False

    def __aiter__(self) -> AsyncIterator[Announcement | Lost]:
        return self

    async def __anext__(self) -> Announcement | Lost:
        if not self._is_named:
            await self.learn_names()
        while True:
            while self._messages:
                found = self._reader.read(self._messages.popleft())
                if found is not None:
                    return found
            try:
                self._messages.extend(await self._socket.receive())
            except EventsLost as error:
                self._is_named = False
                return Lost(str(error))

    async def learn_names(self) -> None:
        """Learn the names of all interfaces anew, by a dump.

        What changes meanwhile is announced too, and read after it: a torn dump does no harm.
        """
        dump = await self._requests.dump(Type.GETLINK, link.DUMP, key="links")
        self._reader.learn(dump.datagrams)
        self._is_named = True


@asynccontextmanager
async def monitor(
    *kinds: Kind, scope: Scope = None
) -> AsyncGenerator[AsyncIterator[Announcement | Lost], None]:
    """What happens in a network namespace, as values; enter it with `async with`.

    Live once the context is entered. Whoever reads slowly, or not at all, holds no more than the
    kernel's queue does: once that is full, the kernel drops what comes (netlink(7), ENOBUFS), and
    the stream has a `Lost`. What the kernel does not announce is not here either.

    ```python
    async with rtnl.monitor("link", "address") as announcements:
        async for announcement in announcements:
            print(announcement)  # [address] 10.0.0.2/24 on eth0 proto 76
    ```

    Args:
        kinds: What to tell of; none is all.
        scope: Where; None is here.

    Raises:
        DesiredStateError: No such kind, or no such form of a scope.
        ScopeGone: The namespace is not there.
        SourceError: It cannot be reached, or a limit of the kernel's was hit.
    """
    for kind in kinds:
        if kind not in GROUPS:
            raise DesiredStateError(f"kinds: {kind!r} is none of {', '.join(GROUPS)}")
    wanted = frozenset[str](kinds or GROUPS)
    # Links always: they name the interfaces of all else.
    groups = GROUPS["link"].union(*(GROUPS[kind] for kind in wanted))
    namespace = namespace_of(scope)
    async with pinned(namespace) as target:
        opening = NetlinkSocket.open(
            groups=groups, opener=target.call, receive_buffer=RECEIVE_BUFFER
        )
        async with (
            await opening as socket,
            await NetlinkSocket.open(opener=target.call) as requests,
        ):
            announcements = _Announcements(Reader(wanted), socket, requests)
            await announcements.learn_names()
            yield announcements
