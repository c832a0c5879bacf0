"""Checks and conversions of what an author writes; each error names the field and the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final, TypeAlias

from ..._core.checks import (
    U8,
    U16,
    U32,
    Checked,
    between,
    check_flag,
    check_interface,
    check_text,
    one_of,
    or_none,
    unchecked,
    wrong,
)

__all__ = [
    "IP",
    "SCOPES",
    "TABLES",
    "U8",
    "U16",
    "U32",
    "Checked",
    "IPLike",
    "Network",
    "NetworkLike",
    "Unknown",
    "between",
    "check_flag",
    "check_interface",
    "check_text",
    "either_address",
    "hardware_address",
    "network_of",
    "one_of",
    "or_none",
    "specified_address",
    "to_address",
    "to_network",
    "to_protocol",
    "to_scope",
    "to_table",
    "unchecked",
    "wrong",
]

IP: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
IPLike: TypeAlias = IPv4Address | IPv6Address | str
NetworkLike: TypeAlias = IPv4Network | IPv6Network | IPv4Address | IPv6Address | str
Unknown: TypeAlias = tuple[tuple[int, bytes], ...]
"""Attributes that are not known here, by type, as they came."""

SCOPES: Final = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
"""Scopes by name (RT_SCOPE_*, include/uapi/linux/rtnetlink.h)."""

TABLES: Final[Mapping[str, int]] = {"default": 253, "main": 254, "local": 255}
"""The routing tables that have a name in every kernel (RT_TABLE_*)."""

_HARDWARE = re.compile(r"\A[0-9a-f]{2}(?::[0-9a-f]{2}){0,31}\Z")


def to_address(value: IPLike, what: str) -> IP:
    """An IP address, of text too; an IPv6 zone (`%eth0`) is no part of it.

    Raises:
        DesiredStateError: It is none.
    """
    if isinstance(value, IPv4Address | IPv6Address) and getattr(value, "scope_id", None) is None:
        return value
    if isinstance(value, str) and "%" not in value:
        try:
            return ip_address(value)
        except ValueError:
            pass
    raise wrong(what, f"{value!r} is no IP address")


def specified_address(value: IPLike, what: str) -> IP:
    """An IP address other than the unspecified one, which the kernel takes for none said.

    Raises:
        DesiredStateError: It is none.
    """
    address = to_address(value, what)
    if address.is_unspecified:
        raise wrong(what, f"{address} is none; leave it out")
    return address


def to_network(value: NetworkLike, what: str) -> Network:
    """A network, or one address as the network of itself.

    Raises:
        DesiredStateError: It is none, or a bit is set that belongs to the host part.
    """
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if isinstance(value, IPv4Address | IPv6Address):
        return network_of(value)
    if isinstance(value, str) and "%" not in value:
        try:
            return ip_network(value)
        except ValueError:
            pass
        try:
            meant = ip_network(value, strict=False)
        except ValueError:
            pass
        else:
            raise wrong(what, f"{value!r} has host bits set; the network is {meant}")
    raise wrong(what, f"{value!r} is no network")


def network_of(address: IP) -> Network:
    """The network of one address alone."""
    if isinstance(address, IPv4Address):
        return IPv4Network(int(address))
    return IPv6Network(int(address))


def either_address(value: IPLike, what: str, version: int) -> IP:
    """An IP address of one family.

    Raises:
        DesiredStateError: It is none, or of the other family.
    """
    address = to_address(value, what)
    if address.version != version:
        raise wrong(what, f"{address} is not of IPv{version}")
    return address


def hardware_address(value: Any, what: str) -> str:
    """A link-layer address, 1 to 32 bytes, in lower case with colons.

    Raises:
        DesiredStateError: It is none.
    """
    if isinstance(value, str):
        text = value.lower().replace("-", ":")
        if _HARDWARE.match(text):
            return text
    raise wrong(what, f"{value!r} is no link-layer address, like '02:00:00:00:00:01'")


def to_table(value: int | str, what: str) -> int:
    """A routing table, by number or by one of the names that every kernel has.

    Raises:
        DesiredStateError: It is none.
    """
    if isinstance(value, str):
        if value not in TABLES:
            raise wrong(
                what, f"{value!r} is no table: expected a number, or {', '.join(sorted(TABLES))}"
            )
        return TABLES[value]
    return between(value, what, 1, U32)


def to_scope(value: int | str, what: str) -> int:
    """A scope, by number or by name.

    Raises:
        DesiredStateError: It is none.
    """
    if isinstance(value, str):
        return SCOPES[one_of(value, what, SCOPES)]
    return between(value, what, 0, U8)


def to_protocol(value: Any, what: str) -> int:
    """A protocol tag: who put something into the kernel (RTPROT_*, rtnetlink(7)).

    Raises:
        DesiredStateError: It is none.
    """
    return between(value, what, 0, U8)
