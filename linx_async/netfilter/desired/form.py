"""What the elements of a set are like."""

from __future__ import annotations

import sys
from typing import Any, Final

from attrs import field, frozen

from ..._core.checks import U32, between, wrong
from .datatypes import DataType, is_range_of, parts_of
from .elements import CATCHALL, NOTHING, Elements, Rest
from .keys import VERDICT, KeyType
from .ranges import OPEN, zero_end

__all__ = ["Form", "check_size", "constant_size", "default_userdata", "packed"]

# enum nftnl_udata_set_types, as nft's mnl_nft_set_add() fills them in.
_KEY_ORDER, _DATA_ORDER, _KEY_TYPEOF, _DATA_TYPEOF, _DATA_INTERVAL = 0, 1, 3, 4, 6
_CONCATENATION: Final = b"\x00\x04\x0d\x00\x00\x00\x01\x00"
"""What nft notes of a concatenation besides its number: EXPR_CONCAT, without data."""


@frozen
class Form:
    """What the elements of a set are like.

    Attributes:
        key: What their keys are.
        data: What a map has for each.
        objects: Of which kind the objects are that a map has for each.
        interval: Whether they may be ranges.
        auto_merge: Whether ranges that touch are joined.
        timeouts: Whether they may have a time to go.
        timeout_ms: The time that they have where they do not say.
        expressions: The statements that each has.
    """

    key: KeyType
    data: KeyType | None = None
    objects: int | None = None
    interval: bool = False
    auto_merge: bool = False
    timeouts: bool = False
    timeout_ms: int | None = None
    expressions: bytes = b""
    types: tuple[DataType, ...] | None = field(init=False, eq=False)
    plain: Rest = field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "types", parts_of(self.key))
        rest = Rest(expressions=self.expressions) if self.expressions else NOTHING
        object.__setattr__(self, "plain", rest)

    @property
    def in_ranges(self) -> bool:
        """Whether elements are kept by where ranges begin and end (rbtree), not by key."""
        return self.interval and not self.is_concatenation

    @property
    def is_concatenation(self) -> bool:
        """Whether keys are of several parts."""
        return bool(self.key.fields) or (self.types is not None and len(self.types) > 1)

    @property
    def is_map(self) -> bool:
        """Whether there is something for each key."""
        return self.data is not None or self.objects is not None

    @property
    def scalar(self) -> DataType:
        """What keys are that are no concatenations.

        Raises:
            DesiredStateError: nft's `type` does not know it, so that nothing is known of its order.
        """
        if self.types is None:
            raise wrong("type", f"ranges of datatype {self.key.number} cannot be told; nft's can")
        return self.types[0]


def packed(value: int, kind: DataType, *, big: bool) -> bytes:
    """A value's bytes as the kernel has them.

    Args:
        value: It, as an integer.
        kind: Its datatype.
        big: Whether they are big-endian whatever the datatype, as all keys of ranges are.
    """
    order = sys.byteorder if kind.swapped and not big else "big"
    return value.to_bytes(kind.length, order)


def constant_size(elements: Elements) -> int | None:
    """How many elements nft says that a constant set has: twice as many as it has ranges."""
    size = len(elements) + sum(OPEN in rest.userdata for rest in elements.values())
    return size or None


def check_size(value: Any, what: str, elements: Elements, form: Form) -> int:
    """How many elements a set may have, which is no less than it has.

    Of a range kernels count one element, or older ones (Linux 6.1) each end; of `*` none
    (nft_add_set_elem() in net/netfilter/nf_tables_api.c).

    Raises:
        DesiredStateError: It is none, or fewer.
    """
    size = between(value, what, 1, U32)
    least = len(elements) - (CATCHALL in elements)
    if form.in_ranges:
        # One up to the last value has no end, and an end at zero is of no range.
        least = (least - (zero_end(form.key.length) in elements) + 1) // 2
    if least > size:
        raise wrong(what, f"{size} is less than the {least} elements that are declared")
    return size


def default_userdata(key: KeyType, data: KeyType | None, *, is_map: bool) -> bytes:
    """What nft notes with a set for itself, so as to show it; empty where it cannot be known."""
    types = parts_of(key)
    if types is None:
        return b""
    parts = [_number(_KEY_ORDER, _order(types))]
    data_types = None if data is None or data == VERDICT else parts_of(data)
    if data is not None:
        parts.append(_number(_DATA_ORDER, 0 if data_types is None else _order(data_types)))
    if len(types) > 1:
        parts.append(_record(_KEY_TYPEOF, _CONCATENATION))
    if data_types is not None and len(data_types) > 1:
        parts.append(_record(_DATA_TYPEOF, _CONCATENATION))
    if is_map:
        ranges = data is not None and data_types is not None and is_range_of(data, data_types)
        parts.append(_number(_DATA_INTERVAL, int(ranges)))
    return b"".join(parts)


def _order(types: tuple[DataType, ...]) -> int:
    return int(types[0].order) if len(types) == 1 else 0


def _number(kind: int, value: int) -> bytes:
    return _record(kind, value.to_bytes(4, sys.byteorder))


def _record(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value))) + value
