"""nft's datatypes: their names, numbers and lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from attrs import evolve, frozen

from ..._core.checks import wrong
from .keys import VERDICT, KeyType

__all__ = [
    "DATATYPES",
    "DataType",
    "Order",
    "is_range_of",
    "parts_of",
    "to_data_type",
    "to_key_type",
]

_BITS: Final = 6  # of a datatype's number among several (TYPE_BITS in nftables' datatype.h)
_MOST_FIELDS: Final = 5  # a concatenation has 64 bytes, and number 32 bits
_MOST_BYTES: Final = 64  # NFT_DATA_VALUE_MAXLEN
_INTERVAL: Final = "interval "


class Order(IntEnum):
    """Byte orders, as nft numbers them (enum byteorder in nftables' datatype.h)."""

    NONE = 0
    HOST = 1
    BIG = 2


@frozen
class DataType:
    """One of nft's datatypes.

    Attributes:
        name: Its name in nft's syntax.
        number: nft's number of it, of which the kernel knows nothing.
        bits: How many bits of its bytes a value has.
        order: What nft notes of its byte order.
    """

    name: str
    number: int
    bits: int
    order: Order = Order.BIG

    @property
    def length(self) -> int:
        """Bytes of a value."""
        return (self.bits + 7) // 8

    @property
    def swapped(self) -> bool:
        """Whether its values are integers in the machine's byte order, but for ranges."""
        return self.order == Order.HOST and self.number != _IFNAME

    @property
    def most(self) -> int:
        """The greatest value, as an integer."""
        return (1 << self.bits) - 1


_IFNAME: Final = 41

DATATYPES: Final[Mapping[str, DataType]] = {
    each.name: each
    for each in (
        DataType("nf_proto", 2, 8, Order.NONE),
        DataType("ipv4_addr", 7, 32),
        DataType("ipv6_addr", 8, 128),
        DataType("ether_addr", 9, 48),
        DataType("ether_type", 10, 16),
        DataType("arp_op", 11, 16),
        DataType("inet_proto", 12, 8, Order.NONE),
        DataType("inet_service", 13, 16),
        DataType("icmp_type", 14, 8),
        DataType("tcp_flag", 15, 8),
        DataType("dccp_pkttype", 16, 4, Order.NONE),
        DataType("mh_type", 17, 8),
        DataType("time", 18, 32, Order.HOST),
        DataType("mark", 19, 32, Order.HOST),
        DataType("iface_index", 20, 32, Order.HOST),
        DataType("iface_type", 21, 16, Order.HOST),
        DataType("realm", 22, 32, Order.HOST),
        DataType("classid", 23, 32, Order.HOST),
        DataType("uid", 24, 32, Order.HOST),
        DataType("gid", 25, 32, Order.HOST),
        DataType("ct_state", 26, 32, Order.HOST),
        DataType("ct_dir", 27, 8, Order.NONE),
        DataType("ct_status", 28, 32, Order.HOST),
        DataType("icmpv6_type", 29, 8),
        DataType("pkt_type", 31, 8, Order.HOST),
        DataType("icmp_code", 32, 8),
        DataType("icmpv6_code", 33, 8),
        DataType("icmpx_code", 34, 8),
        DataType("devgroup", 35, 32, Order.HOST),
        DataType("dscp", 36, 6),
        DataType("ecn", 37, 2),
        DataType("fib_addrtype", 38, 32, Order.HOST),
        DataType("boolean", 39, 1, Order.NONE),
        DataType("ifname", _IFNAME, 128, Order.HOST),
        DataType("igmp_type", 42, 8),
        DataType("cgroupsv2", 46, 64, Order.HOST),
    )
}
"""Datatypes by name (nft(8), "DATA TYPES"; enum datatypes in nftables' datatype.h).

All that `type` takes in a set's declaration; others, as `ct_label`, nft only knows by `typeof`.
"""

_BY_NUMBER: Final = {each.number: each for each in DATATYPES.values()}


def to_key_type(value: Any, what: str, *, interval: bool = False) -> KeyType:
    """What keys are, by nft's names: one, or several with ` . ` in between.

    Args:
        value: The names, or what they stand for.
        what: The field's name.
        interval: Whether the elements may be ranges; of several that are concatenated the kernel
            is told the lengths then (NFTA_SET_DESC_CONCAT), and only then.

    Raises:
        DesiredStateError: It is none.
    """
    if isinstance(value, KeyType):
        return value
    if value == "verdict":
        raise wrong(what, "verdicts are no keys; of a map they can be the data")
    if not isinstance(value, str):
        raise wrong(what, f"expected the name of a datatype, got {value!r}")
    names = [part.strip() for part in value.split(".")]
    for name in names:
        if name not in DATATYPES:
            raise wrong(what, f"{name!r} is no datatype; known are {', '.join(sorted(DATATYPES))}")
    types = [DATATYPES[name] for name in names]
    if len(types) == 1:
        return KeyType(types[0].number, types[0].length)
    if len(types) > _MOST_FIELDS:
        raise wrong(what, f"{value!r} has more than {_MOST_FIELDS} parts")
    number = 0
    for each in types:
        number = number << _BITS | each.number
    length = sum(_padded(each) for each in types)
    if length > _MOST_BYTES:
        raise wrong(what, f"{value!r} takes {length} bytes, the kernel has {_MOST_BYTES}")
    return KeyType(number, length, tuple(each.length for each in types) if interval else ())


def to_data_type(value: Any, what: str) -> KeyType:
    """What the data of a map are: as `to_key_type`, or `verdict`; ranges of it with `interval `.

    Raises:
        DesiredStateError: It is none.
    """
    if value == "verdict":
        return VERDICT
    if not isinstance(value, str) or not value.startswith(_INTERVAL):
        return to_key_type(value, what)
    one = to_key_type(value.removeprefix(_INTERVAL), what)
    if one.length * 2 > _MOST_BYTES:
        raise wrong(what, f"{value!r} takes {one.length * 2} bytes, the kernel has {_MOST_BYTES}")
    return evolve(one, length=one.length * 2)


def parts_of(key: KeyType) -> tuple[DataType, ...] | None:
    """The datatypes of a key, or of data; None where nft's `type` does not know one of them."""
    number, types = key.number, list[DataType]()
    if key == VERDICT:
        return None
    while number:
        found = _BY_NUMBER.get(number & ((1 << _BITS) - 1))
        if found is None:
            return None
        types.insert(0, found)
        number >>= _BITS
    length = _length(types)
    return tuple(types) if types and key.length in (length, 2 * length) else None


def is_range_of(key: KeyType, types: tuple[DataType, ...]) -> bool:
    """Whether data are ranges of those types."""
    return key.length == 2 * _length(types)


def _length(types: Sequence[DataType]) -> int:
    return sum(map(_padded, types)) if len(types) > 1 else sum(each.length for each in types)


def _padded(each: DataType) -> int:
    return (each.length + 3) & ~3
