"""What happens to links, addresses, routes and so on: rtnetlink's announcements as events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from attrs import define, field, frozen

from .. import rtnl
from .._kernel.netlink import Flag
from .events import Event
from .monitor_listener import Tell, part_name

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace
    from ..rtnl.monitor import Kind

__all__ = ["NetworkListener", "NetworkStory"]

_REPLACE: Final = int(Flag.REPLACE)
_APPEND: Final = int(Flag.APPEND)
_BESIDES: Final = frozenset({"flags", "parent", "data", "unknown"})
"""Fields of a link of which it is told that they changed where nothing else did."""
_BYTES: Final = frozenset({"data", "unknown"})
"""Fields that say nothing to who reads JSON."""


@frozen
class NetworkListener:
    """Listens to rtnetlink in a network namespace.

    Attributes:
        netns: The namespace; None is here.
        kinds: What to listen to; none is all.
    """

    netns: NetworkNamespace | None
    kinds: tuple[Kind, ...] = ()

    @property
    def part(self) -> str:
        """What it is called in front of each line."""
        return part_name("rtnl", self.netns)

    @property
    def about(self) -> str:
        """The same with what it listens to."""
        return f"{self.part} ({', '.join(self.kinds)})" if self.kinds else self.part

    async def listen(
        self, tell: Tell, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        """Listen for ever.

        Raises:
            LinxError: The namespace cannot be listened to.
        """
        story = NetworkStory(self.part)
        async with rtnl.monitor(*self.kinds, scope=self.netns) as announcements:
            # After the monitor began: what comes meanwhile is told of, if as a change at times.
            story.learn(await rtnl.observe(scope=self.netns))
            task_status.started()
            async for told in announcements:
                tell([story.of(told)])
                if isinstance(told, rtnl.Lost):
                    story.learn(await rtnl.observe(scope=self.netns))


@define
class NetworkStory:
    """What there is, so as to tell what is new from what changed; pure.

    Attributes:
        part: What it is called in front of each line.
    """

    part: str
    _links: dict[int, rtnl.ObservedLink] = field(factory=dict, init=False)
    _others: set[tuple[object, ...]] = field(factory=set, init=False)

    def learn(self, observed: rtnl.Observed) -> None:
        """Take what there is from a look at it, and nothing from before."""
        self._links = {link.index: link for link in observed.links.values()}
        others = (*observed.addresses, *observed.neighbours, *observed.nexthops)
        self._others = {key for each in others if (key := _key(each)) is not None}

    def of(self, told: rtnl.Announcement | rtnl.Lost) -> Event:
        """The event that an announcement is."""
        if isinstance(told, rtnl.Lost):
            text = f"some were lost: {told.reason}"
            return Event("lost", self.part, text, {"count": None})
        value = told.value
        was: dict[str, Any] = {}
        if isinstance(value, rtnl.ObservedLink):
            verb, was = self._link(told.verb, value)
        else:
            verb = self._other(told)
        text = str(told).removeprefix(f"[{told.kind}] ").removeprefix("Deleted ")
        text = f"{verb} {told.kind} {text.removesuffix(' (replaced)')}{_changes(was)}"
        if told.port:
            text += f" (port {told.port})"
        return Event(verb, self.part, text, _Fields(told, was))

    def _link(self, verb: str, link: rtnl.ObservedLink) -> tuple[str, dict[str, Any]]:
        before = self._links.get(link.index)
        if verb == "del":
            self._links.pop(link.index, None)
            self._others = {key for key in self._others if key[1] != link.name}
            return "deleted", {}
        self._links[link.index] = link
        if before is None:
            return "added", {}
        if before.name != link.name:
            self._others = {
                (key[0], link.name, *key[2:]) if key[1] == before.name else key
                for key in self._others
            }
        names = [each.name for each in attrs.fields(rtnl.ObservedLink)]
        was = {
            name: getattr(before, name)
            for name in names
            if getattr(before, name) != getattr(link, name)
        }
        if was.keys() - _BESIDES:
            was = {name: value for name, value in was.items() if name not in _BESIDES}
        return "changed", was

    def _other(self, told: rtnl.Announcement) -> str:
        value = told.value
        key = _key(value)
        if told.verb == "del":
            self._others.discard(key or ())
            return "deleted"
        if isinstance(value, rtnl.Route):
            return "changed" if told.flags & _REPLACE or _is_appended(told, value) else "added"
        if key is None:
            return "added"
        is_known = key in self._others
        self._others.add(key)
        return "changed" if is_known else "added"


class _Fields(Mapping[str, Any]):
    """What more there is of an announcement for `--json`, made when it is asked for.

    Thousands a second may come, and be written as text.
    """

    __slots__ = ("_told", "_was")
    _NAMES: Final = ("what", "value", "was", "port")

    def __init__(self, told: rtnl.Announcement, was: Mapping[str, Any]) -> None:
        self._told = told
        self._was = was

    def __getitem__(self, name: str) -> Any:
        match name:
            case "what":
                return self._told.kind
            case "value":
                return plain(self._told.value)
            case "was":
                return plain(self._was) or None
            case "port":
                return self._told.port or None
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._NAMES)

    def __len__(self) -> int:
        return len(self._NAMES)


def _is_appended(told: rtnl.Announcement, route: rtnl.Route) -> bool:
    """Whether it is one more way of an IPv6 route; of IPv4 it would be a route of its own."""
    hops = getattr(route.forwarding, "nexthops", ())
    return bool(told.flags & _APPEND) and len(hops) > 1 and route.family == 6


def _key(value: object) -> tuple[object, ...] | None:
    """What something is known again by, its interface second; None for what never changes."""
    match value:
        case rtnl.Address():
            return ("address", value.interface, value.address, value.prefix_length)
        case rtnl.Neighbour():
            return ("neighbour", value.interface, value.address, value.proxy)
        case rtnl.Nexthop():
            return ("nexthop", None, value.id)
    return None


def _changes(was: Mapping[str, Any]) -> str:
    """What changed of a link, in words."""
    words = []
    for name, value in was.items():
        match name, value:
            case "up", bool():
                words.append("was up" if value else "was down")
            case (("data" | "unknown"), _):
                words.append("parameters changed")
            case "flags", int():
                words.append(f"flags were {value:#x}")
            case _:
                shown = "none" if value in ("", None) else value
                words.append(f"{name.removeprefix('oper')} was {shown}")
    return f" ({', '.join(dict.fromkeys(words))})" if words else ""


def plain(value: Any) -> Any:
    """A value as JSON can have it: numbers, text, lists, and objects by the names of fields."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case Mapping():
            items = ((str(name), each) for name, each in value.items())
            return {name: plain(each) for name, each in items if name not in _BYTES}
        case bytes():
            return value.hex()
        case set() | frozenset():
            return sorted(map(plain, value))
        case list() | tuple():
            return [plain(each) for each in value]
    if attrs.has(type(value)):
        names: Iterable[str] = (each.name for each in attrs.fields(type(value)))
        return plain({name: getattr(value, name) for name in names if not name.startswith("_")})
    return str(value)
