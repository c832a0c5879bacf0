"""A rule of policy routing, as it is declared and as the kernel shows it."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from attrs import field, frozen

from .checks import (
    U8,
    U32,
    Checked,
    Network,
    NetworkLike,
    Unknown,
    between,
    check_flag,
    check_interface,
    one_of,
    or_none,
    to_network,
    to_protocol,
    to_table,
    wrong,
)

__all__ = ["ACTIONS", "Rule"]

Range: TypeAlias = tuple[int, int]

ACTIONS: Final = {
    "lookup": 1,
    "goto": 2,
    "nop": 3,
    "blackhole": 6,
    "unreachable": 7,
    "prohibit": 8,
}
"""What a rule does, by name (FR_ACT_*, include/uapi/linux/fib_rules.h)."""

_TOS_BITS: Final = {4: 0x1C, 6: 0xFC}
"""The bits of the byte that a rule can have (fib4_rule_configure(), inet_validate_dscp())."""
_LAST_PORT: Final = 65534
"""fib_rule_port_range_valid() in include/net/fib_rules.h refuses 65535."""


@frozen(init=False)
class Rule(Checked):
    """A rule of policy routing (RTM_NEWRULE: ip-rule(8)).

    All that it says tells it from another, so a changed rule is a new one and an old one less.

    Args:
        priority: Its place: the lowest is looked at first.
        table: The table to look up, by number or by name; of `lookup` alone.
        source: What packets come from; None is anything.
        destination: Where they go to; None is anywhere.
        family: 4 or 6, where neither source nor destination tells; default: 4.
        fwmark: The mark they carry; None is any, and so is 0 with a mask of 0.
        fwmask: The bits of the mark to compare.
        iif: The interface they came in by; None is any.
        oif: The interface a local socket is bound to; None is any.
        tos: The type-of-service byte; 0 is any. Of IPv4 the bits of 0x1c, of IPv6 those of 0xfc.
        uid_range: User ids, first and last, of who sent them; None is anybody.
        ip_protocol: Their protocol, by number: 6 is TCP; None is any.
        source_ports: Source ports, first and last, or one, 1 to 65534; None is any.
        destination_ports: Destination ports, likewise.
        invert: Whether it is for what does not match (FIB_RULE_INVERT).
        action: `lookup`, `goto`, `nop`, `blackhole`, `unreachable` or `prohibit`.
        goto: The priority to go on with; of `goto` alone.
        suppress_prefix_length: Routes of at most this prefix length do not count; None counts all.
        suppress_group: Routes by interfaces of this group do not count; None counts all.
        l3mdev: Whether the table is that of the packet's VRF.
        protocol: Who put it there (FRA_PROTOCOL); None in a desired one: the source.
        flags: The kernel's flags (FIB_RULE_*); in an observed one.
        unknown: Attributes that are not known here, as they came; in an observed one.

    Raises:
        DesiredStateError: A field is wrong, or does not go with the others.
    """

    priority: int
    table: int | None
    source: Network | None
    destination: Network | None
    family: int
    fwmark: int | None
    fwmask: int | None
    iif: str | None
    oif: str | None
    tos: int
    uid_range: Range | None
    ip_protocol: int | None
    source_ports: Range | None
    destination_ports: Range | None
    invert: bool
    action: str
    goto: int | None
    suppress_prefix_length: int | None
    suppress_group: int | None
    l3mdev: bool
    protocol: int | None
    flags: int = field(eq=False)
    unknown: Unknown = field(eq=False)

    def __init__(
        self,
        priority: int,
        table: int | str | None = None,
        *,
        source: NetworkLike | None = None,
        destination: NetworkLike | None = None,
        family: int | None = None,
        fwmark: int | None = None,
        fwmask: int | None = None,
        iif: str | None = None,
        oif: str | None = None,
        tos: int = 0,
        uid_range: Range | int | None = None,
        ip_protocol: int | None = None,
        source_ports: Range | int | None = None,
        destination_ports: Range | int | None = None,
        invert: bool = False,
        action: str = "lookup",
        goto: int | None = None,
        suppress_prefix_length: int | None = None,
        suppress_group: int | None = None,
        l3mdev: bool = False,
        protocol: int | None = None,
        flags: int = 0,
        unknown: Unknown = (),
    ) -> None:
        what = f"rule {priority!r}"
        does = one_of(action, "action", ACTIONS)
        looked_up = or_none(table, "table", to_table)
        needs_table = does == "lookup" and not check_flag(l3mdev, "l3mdev")
        if needs_table != (looked_up is not None):
            raise wrong(
                "table", f"{what} needs one" if needs_table else f"{what} has no use for it"
            )
        if (does == "goto") != (goto is not None):
            raise wrong(
                "goto",
                f"{what} needs the priority that it goes to"
                if goto is None
                else f"{what} has no use for it: its action is {does}",
            )
        if fwmask is not None and fwmark is None:
            raise wrong("fwmask", f"{what} has no fwmark")
        place = between(priority, "priority", 0, U32)
        target = or_none(goto, "goto", lambda v, name: between(v, name, place + 1, U32))
        origin = or_none(source, "source", to_network)
        goal = or_none(destination, "destination", to_network)
        version = _family(family, origin, goal)
        mark, mask = _mark(fwmark, fwmask)
        self.__attrs_init__(
            place,
            looked_up,
            # No bits to compare are no condition, and the kernel shows none.
            origin if origin is not None and origin.prefixlen else None,
            goal if goal is not None and goal.prefixlen else None,
            version,
            mark,
            mask,
            or_none(iif, "iif", check_interface),
            or_none(oif, "oif", check_interface),
            _tos(tos, version),
            or_none(uid_range, "uid_range", lambda v, name: _range(v, name, U32 - 1)),
            or_none(ip_protocol, "ip_protocol", lambda v, name: between(v, name, 1, U8)),
            or_none(source_ports, "source_ports", _ports),
            or_none(destination_ports, "destination_ports", _ports),
            check_flag(invert, "invert"),
            does,
            target,
            or_none(
                suppress_prefix_length,
                "suppress_prefix_length",
                lambda v, name: between(v, name, 0, 128),
            ),
            or_none(suppress_group, "suppress_group", _group),
            l3mdev,
            or_none(protocol, "protocol", to_protocol),
            flags,
            unknown,
        )

    @property
    def key(self) -> str:
        """All that it says: what the kernel tells rules apart by (rule_exists(), fib_rules.c)."""
        return f"IPv{self.family} rule {self}"

    def __str__(self) -> str:
        words = [f"{self.priority}:", *(["not"] if self.invert else [])]
        words.append(f"from {'all' if self.source is None else self.source}")
        if self.destination is not None:
            words.append(f"to {self.destination}")
        if self.fwmark is not None:
            words.append(f"fwmark {self.fwmark:#x}/{self.fwmask:#x}")
        for name in ("iif", "oif", "tos", "ip_protocol", "l3mdev"):
            value = getattr(self, name)
            if value:
                words.append(f"{name} {value}")
        for name in ("uid_range", "source_ports", "destination_ports"):
            value = getattr(self, name)
            if value is not None:
                words.append(f"{name} {value[0]}-{value[1]}")
        words.append(self.action)
        if self.table is not None:
            words.append(str(self.table))
        if self.goto is not None:
            words.append(str(self.goto))
        for name in ("suppress_prefix_length", "suppress_group"):
            value = getattr(self, name)
            if value is not None:
                words.append(f"{name} {value}")
        return " ".join(words)


def _mark(mark: int | None, mask: int | None) -> tuple[int | None, int | None]:
    if mark is None:
        return None, None
    value = between(mark, "fwmark", 0, U32)
    bits = between(U32 if mask is None else mask, "fwmask", 0, U32)
    # No mark and no bits to compare are no condition, and the kernel shows none.
    return (value, bits) if value or bits else (None, None)


def _tos(value: Any, version: int) -> int:
    tos, bits = between(value, "tos", 0, U8), _TOS_BITS[version]
    if tos & ~bits:
        raise wrong(
            "tos", f"{tos:#x} has bits outside of {bits:#x}, which an IPv{version} rule has"
        )
    return tos


def _group(value: Any, what: str) -> int:
    return between(value, what, 0, 2**31 - 1)


def _ports(value: Any, what: str) -> Range:
    return _range(value, what, _LAST_PORT, 1)


def _range(value: Any, what: str, highest: int, lowest: int = 0) -> Range:
    pair = value if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2:
        raise wrong(what, f"expected the first and the last, got {value!r}")
    first, last = (between(number, what, lowest, highest) for number in pair)
    if first > last:
        raise wrong(what, f"{first} is more than {last}")
    return first, last


def _family(family: int | None, source: Network | None, destination: Network | None) -> int:
    if family is not None and (isinstance(family, bool) or family not in (4, 6)):
        raise wrong("family", f"expected 4 or 6, got {family!r}")
    said: set[int] = {each.version for each in (source, destination) if each is not None}
    if family is not None:
        said.add(family)
    if len(said) > 1:
        told = {"family": family, "source": source, "destination": destination}
        mixed = ", ".join(f"{name} {value}" for name, value in told.items() if value is not None)
        raise wrong("family", f"IPv4 and IPv6 in one rule: {mixed}")
    return said.pop() if said else 4
