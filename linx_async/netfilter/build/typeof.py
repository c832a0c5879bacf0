"""What nft keeps beside a rule's own sets, to show them again (set_make_key() in nftables)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..codec.userdata import pack_records
from ..desired.datatypes import Order
from .numbers import host32

if TYPE_CHECKING:
    from .keys import Key

__all__ = ["of_map", "of_set", "packed"]

# enum nftnl_udata_set_types, and enum nftnl_udata_set_typeof_types
_KEY_ORDER: Final = 0
_DATA_ORDER: Final = 1
_KEY: Final = 3
_DATA: Final = 4
_DATA_INTERVAL: Final = 6
_EXPRESSION: Final = 0
_OF_EXPRESSION: Final = 1

_VERDICT: Final = 1
_CONCATENATION: Final = 13
"""Numbers of kinds of expressions (enum expr_types in nftables' expression.h)."""


def packed(kind: int, *records: tuple[int, int]) -> bytes:
    """What nft keeps of an expression of a kind."""
    inner = pack_records((number, host32(value)) for number, value in records)
    return pack_records(((_EXPRESSION, host32(kind)), (_OF_EXPRESSION, inner)))


def of_set(key: Key, *, interval: bool) -> bytes:
    """The user data of a set."""
    # A single byte needs no turning: nft just calls it big-endian.
    turned = interval and len(key.parts()) == 1 and key.parts()[0].length == 1
    order = Order.BIG if turned else _key_order(key)
    return pack_records([(_KEY_ORDER, host32(order)), *_of_key(key, interval=interval)])


def of_map(key: Key, data_order: int | None, verdicts: bool, *, interval: bool) -> bytes:
    """The user data of a map.

    Args:
        key: Its keys.
        data_order: The byte order of what it has for each (`Order`); None where that are objects.
        verdicts: Whether it has verdicts.
        interval: Whether keys are ranges.
    """
    records = [(_KEY_ORDER, host32(_key_order(key)))]
    if data_order is not None:
        records.append((_DATA_ORDER, host32(data_order)))
    if len(key.parts()) > 1:
        records += _of_key(key, interval=interval)
    if verdicts:
        records.append((_DATA, packed(_VERDICT)))
    records.append((_DATA_INTERVAL, host32(0)))
    return pack_records(records)


def _key_order(key: Key) -> Order:
    first, *others = key.parts()
    if others:
        return Order.NONE
    return Order.HOST if first.host else Order.BIG


def _of_key(key: Key, *, interval: bool) -> list[tuple[int, bytes]]:
    if len(key.parts()) == 1:
        field = key.parts()[0]
        return [(_KEY, field.typeof)] if field.is_plain and field.typeof else []
    parts: list[tuple[int, bytes]] = []
    for number, field in enumerate(key.parts()):
        # nft ends with the first that it has no words for.
        if field.shift or field.bits or not field.typeof or (interval and field.swaps):
            break
        parts.append((number, field.typeof))
    inner = pack_records(parts)
    return [
        (
            _KEY,
            pack_records(((_EXPRESSION, host32(_CONCATENATION)), (_OF_EXPRESSION, inner))),
        )
    ]
