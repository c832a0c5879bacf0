"""A nexthop object, as it is declared and as the kernel shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from .checks import (
    IP,
    U32,
    Checked,
    IPLike,
    Unknown,
    between,
    check_flag,
    check_interface,
    or_none,
    specified_address,
    to_protocol,
    wrong,
)

__all__ = ["Nexthop"]

_HEAVIEST: Final = 256


@frozen(init=False)
class Nexthop(Checked):
    """A nexthop object (RTM_NEWNEXTHOP: ip-nexthop(8), Linux 5.3).

    It is one of three: a way (an interface, a gateway, or both), a blackhole, or a group.

    Args:
        id: Its number, 1 to 2^32-1: what routes name it by.
        gateway: The gateway's address.
        interface: The interface's name.
        onlink: Whether the gateway is to be taken as reachable on the link.
        blackhole: Whether packets are dropped.
        family: 4 or 6, where neither gateway nor group tells; default: the gateway's, else 4.
        group: Numbers of nexthops to spread over, each with its weight from 1 to 256 where it is
            a pair.
        protocol: Who put it there (nh_protocol); None in a desired one: the source.
        flags: The kernel's flags (RTNH_F_*); in an observed one.
        unknown: Attributes that are not known here, as they came; in an observed one.

    Raises:
        DesiredStateError: A field is wrong, or does not go with the others.
    """

    id: int
    gateway: IP | None
    interface: str | None
    onlink: bool
    blackhole: bool
    family: int | None
    group: tuple[tuple[int, int], ...]
    protocol: int | None
    flags: int = field(eq=False)
    unknown: Unknown = field(eq=False)

    def __init__(
        self,
        id: int,
        gateway: IPLike | None = None,
        interface: str | None = None,
        *,
        onlink: bool = False,
        blackhole: bool = False,
        family: int | None = None,
        group: Iterable[int | tuple[int, int]] = (),
        protocol: int | None = None,
        flags: int = 0,
        unknown: Unknown = (),
    ) -> None:
        number = between(id, "id", 1, U32)
        members = _members(group, number)
        via = or_none(gateway, "gateway", specified_address)
        way = via is not None or interface is not None
        if way + check_flag(blackhole, "blackhole") + bool(members) != 1:
            raise wrong(
                "gateway",
                f"nexthop {number} needs one alone of a gateway or an interface, blackhole, and"
                " a group",
            )
        if check_flag(onlink, "onlink") and via is None:
            raise wrong("onlink", f"nexthop {number} has no gateway")
        if via is not None and interface is None:
            raise wrong("interface", f"nexthop {number} needs one beside its gateway {via}")
        self.__attrs_init__(
            number,
            via,
            or_none(interface, "interface", check_interface),
            onlink,
            blackhole,
            _family(family, via, members),
            members,
            or_none(protocol, "protocol", to_protocol),
            flags,
            unknown,
        )

    @property
    def key(self) -> str:
        """What the kernel tells nexthops apart by."""
        return f"nexthop {self.id}"

    def __str__(self) -> str:
        if self.group:
            members = "/".join(f"{n},{w}" if w != 1 else str(n) for n, w in self.group)
            return f"{self.id} group {members}"
        if self.blackhole:
            return f"{self.id} blackhole"
        via = "" if self.gateway is None else f" via {self.gateway}"
        dev = "" if self.interface is None else f" dev {self.interface}"
        return f"{self.id}{via}{dev}{' onlink' if self.onlink else ''}"


def _members(group: Any, number: int) -> tuple[tuple[int, int], ...]:
    if isinstance(group, str | Mapping) or not isinstance(group, Iterable):
        raise wrong("group", f"expected numbers, or pairs of number and weight, got {group!r}")
    members = []
    for member in group:
        pair = member if isinstance(member, tuple) else (member, 1)
        if len(pair) != 2:
            raise wrong("group", f"expected a number, or a number and a weight, got {member!r}")
        other, weight = between(pair[0], "group", 1, U32), between(pair[1], "group", 1, _HEAVIEST)
        if other == number:
            raise wrong("group", f"nexthop {number} cannot be in its own group")
        members.append((other, weight))
    if len({other for other, _ in members}) != len(members):
        raise wrong("group", f"names a nexthop twice: {group!r}")
    return tuple(members)


def _family(family: int | None, via: IP | None, members: tuple[tuple[int, int], ...]) -> int | None:
    if members:
        if family is not None:
            raise wrong("family", "a group has none")
        return None
    if via is None:
        return 4 if family is None else _version(family)
    if family is not None and _version(family) != via.version:
        raise wrong("family", f"{family} is not that of the gateway {via}")
    return via.version


def _version(family: int) -> int:
    if isinstance(family, bool) or family not in (4, 6):
        raise wrong("family", f"expected 4 or 6, got {family!r}")
    return family
