"""What maps have for their keys, and statements take: values of a datatype, or of several."""

from __future__ import annotations

import sys
from typing import Any, Final

from ..._core.checks import wrong
from ..desired.datatypes import DATATYPES, DataType, Order
from ..desired.values import to_range
from . import wire
from .verdicts import Verdict

__all__ = ["data_of_value", "data_order", "kind_of", "value_bytes"]

_SEPARATOR: Final = " . "
_INTEGER: Final = 4  # TYPE_INTEGER in nftables' datatype.h


def value_bytes(value: Any, name: str, what: str) -> bytes:
    """One value of a datatype, as registers have it.

    Raises:
        DesiredStateError: It is none.
    """
    kind = DATATYPES[name]
    number, _ = to_range(value, kind, what, interval=False)
    return number.to_bytes(kind.length, sys.byteorder if kind.swapped else "big")


def data_of_value(value: Any, names: str, what: str) -> bytes:
    """A value as NFTA_SET_ELEM_DATA has it.

    Args:
        value: The value; of several datatypes a tuple of as many.
        names: The datatype, several with ` . ` in between, or `verdict`.
        what: What to call it.

    Raises:
        DesiredStateError: It is none.
    """
    if names == "verdict":
        if not isinstance(value, Verdict):
            raise wrong(what, f"expected a verdict, got {value!r:.200}")
        return value.data
    parts = names.split(_SEPARATOR)
    if len(parts) == 1:
        return wire.data_of(value_bytes(value, names, what))
    if not isinstance(value, tuple) or len(value) != len(parts):
        raise wrong(what, f"expected a tuple of {len(parts)} values, got {value!r:.200}")
    packed = [value_bytes(each, name, what) for each, name in zip(value, parts, strict=True)]
    return wire.data_of(b"".join(part + bytes(-len(part) % 4) for part in packed))


def data_order(names: str) -> int:
    """What nft notes of the byte order of such data."""
    if names == "verdict" or _SEPARATOR in names:
        return Order.NONE
    return DATATYPES[names].order


def kind_of(name: str | int) -> DataType:
    """A datatype by name, or the one of whole numbers of so many bits."""
    if isinstance(name, str):
        return DATATYPES[name]
    return DataType("integer", _INTEGER, name, Order.HOST)
