"""One value of a datatype, or a range of them, as an author writes it down."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
)
from typing import Any, Final, TypeAlias

from ..._core.checks import check_interface, wrong
from ..._core.errors import DesiredStateError
from .datatypes import DataType
from .symbols import FLAGS, SYMBOLS

__all__ = ["IFNAMSIZ", "Range", "to_range"]

Range: TypeAlias = tuple[int, int]
"""The first and the last value, as integers of a big-endian reading."""

IFNAMSIZ: Final = 16
_DECIMAL: Final = re.compile(r"\A(?:0x[0-9a-fA-F]+|\d+)\Z", re.ASCII)
_MAC: Final = re.compile(r"\A[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}\Z")
_TIME: Final = re.compile(
    r"\A(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?\Z", re.ASCII
)
_SPAN: Final = (86_400_000, 3_600_000, 60_000, 1_000, 1)
_CLASSID: Final = re.compile(r"\A([0-9a-fA-F]{0,4}):([0-9a-fA-F]{0,4})\Z")

Scalar: TypeAlias = Callable[[Any, DataType], int]


class _Unfit(Exception):
    """A value is none of its datatype; the message says what is expected."""


def to_range(value: Any, kind: DataType, what: str, *, interval: bool) -> Range:
    """The first and the last value of what is one value, or may be a range.

    Args:
        value: A value, a pair of the first and the last, both in one text with `-` in between, or
            of addresses a network; of interfaces the start of a name with `*`.
        kind: Its datatype.
        what: What to call it.
        interval: Whether it may be a range.

    Raises:
        DesiredStateError: It is none, or a range where that may not be.
    """
    try:
        first, last = _range(value, kind)
    except (_Unfit, ValueError, DesiredStateError) as error:
        expected = f"expected {_EXPECTED.get(kind.name) or _number_or_name(kind)}"
        told = f": {error}" if str(error) else ""
        raise wrong(what, f"{value!r:.100} is no {kind.name}{told}; {expected}") from None
    if first > last:
        raise wrong(what, f"{value!r} is a range whose last value comes before its first")
    if first != last and not interval:
        raise wrong(what, f"{value!r} is a range, which needs interval=True")
    return first, last


def _range(value: Any, kind: DataType) -> Range:
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise _Unfit("a range is a pair of the first and the last")
        if kind.name == "ifname":
            raise _Unfit("names of interfaces have no ranges")
        return _one(value[0], kind), _one(value[1], kind)
    if kind.name == "ifname":
        return _interface(value)
    if isinstance(value, IPv4Network | IPv6Network):
        return _network(value, kind)
    if isinstance(value, str) and kind.name in _NETWORKS and "/" in value:
        network = _NETWORKS[kind.name]
        return _network(network(value.strip()), kind)
    try:
        one = _one(value, kind)
    except (_Unfit, ValueError):
        if not isinstance(value, str) or "-" not in value:
            raise
    else:
        return one, one
    first, _, last = value.partition("-")
    return _one(first.strip(), kind), _one(last.strip(), kind)


def _one(value: Any, kind: DataType) -> int:
    number = _SCALARS.get(kind.name, _integer)(value, kind)
    if not 0 <= number <= kind.most:
        raise _Unfit(f"it is not within 0 to {kind.most}")
    return number


def _integer(value: Any, kind: DataType) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if not isinstance(value, str):
        raise _Unfit
    word = value.strip()
    names = SYMBOLS.get(kind.name, {})
    if word in names:
        return names[word]
    if _DECIMAL.match(word):
        return int(word, 0) if word.startswith("0x") else int(word)
    if kind.name in FLAGS and "|" in word:
        return _flags(word, kind)
    raise _Unfit


def _flags(word: str, kind: DataType) -> int:
    number = 0
    for part in word.split("|"):
        number |= _integer(part, kind)
    return number


def _boolean(value: Any, kind: DataType) -> int:
    return int(value) if isinstance(value, bool) else _integer(value, kind)


def _ipv4(value: Any, kind: DataType) -> int:
    if isinstance(value, str):
        value = value.strip()
    elif not isinstance(value, IPv4Address):
        raise _Unfit
    return int(IPv4Address(value))


def _ipv6(value: Any, kind: DataType) -> int:
    if isinstance(value, str):
        value = value.strip()
    elif not isinstance(value, IPv6Address):
        raise _Unfit
    found = IPv6Address(value)
    if found.scope_id is not None:
        raise _Unfit("an address in a set has no zone")
    return int(found)


def _network(value: IPv4Network | IPv6Network, kind: DataType) -> Range:
    if not isinstance(value, _NETWORKS.get(kind.name, ())):
        raise _Unfit
    return int(value.network_address), int(value.broadcast_address)


def _ethernet(value: Any, kind: DataType) -> int:
    if isinstance(value, bytes) and len(value) == kind.length:
        return int.from_bytes(value, "big")
    if not isinstance(value, str) or not _MAC.match(value):
        raise _Unfit
    return int.from_bytes(bytes(int(part, 16) for part in value.split(":")), "big")


def _time(value: Any, kind: DataType) -> int:
    if isinstance(value, timedelta):
        return round(value / timedelta(milliseconds=1))
    if isinstance(value, str) and (found := _TIME.match(value.strip())):
        return sum(int(part or 0) * unit for part, unit in zip(found.groups(), _SPAN, strict=True))
    return _integer(value, kind) * 1000


def _classid(value: Any, kind: DataType) -> int:
    if not isinstance(value, str) or ":" not in value:
        return _integer(value, kind)
    if (found := _CLASSID.match(value.strip())) is None:
        raise _Unfit
    return int(found[1] or "0", 16) << 16 | int(found[2] or "0", 16)


def _interface(value: Any) -> Range:
    """A name, or the start of one: nft sends a range over the bytes of all that begin so."""
    if not isinstance(value, str) or not value.endswith("*") or value.endswith("\\*"):
        name = value[:-2] + "*" if isinstance(value, str) and value.endswith("\\*") else value
        number = int.from_bytes(
            check_interface(name, "name").encode().ljust(IFNAMSIZ, b"\0"), "big"
        )
        return number, number
    start = check_interface(value[:-1], "start of a name").encode() if value != "*" else b""
    if not start:
        raise _Unfit("a set of interfaces has no wildcard for all")
    first = int.from_bytes(start.ljust(IFNAMSIZ, b"\0"), "big")
    return first, int.from_bytes(start.ljust(IFNAMSIZ, b"\xff"), "big")


def _number_or_name(kind: DataType) -> str:
    names = list(SYMBOLS.get(kind.name, ()))
    number = f"an integer from 0 to {kind.most}"
    if not names:
        return number
    return f"{number}, or {', '.join(names[:12])}{'…' if len(names) > 12 else ''}"


_SCALARS: Final[Mapping[str, Scalar]] = {
    "ipv4_addr": _ipv4,
    "ipv6_addr": _ipv6,
    "ether_addr": _ethernet,
    "time": _time,
    "classid": _classid,
    "boolean": _boolean,
}
_NETWORKS: Final[Mapping[str, type[IPv4Network | IPv6Network]]] = {
    "ipv4_addr": IPv4Network,
    "ipv6_addr": IPv6Network,
}
_EXPECTED: Final = {
    "ipv4_addr": "an IPv4 address, network or range",
    "ipv6_addr": "an IPv6 address, network or range",
    "ether_addr": "an Ethernet address, 02:00:00:00:00:01",
    "time": "a timedelta, seconds, or text as 1d2h5s",
    "classid": "text as 1:5, both hexadecimal, or an integer",
    "ifname": "the name of an interface, or the start of one with *",
    "boolean": "True or False",
}
