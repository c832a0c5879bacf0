"""Keys of several parts, as an author writes them down."""

from __future__ import annotations

from typing import Any

from ..._core.checks import wrong
from .datatypes import DataType
from .values import Range, to_range

__all__ = ["to_fields"]


def to_fields(value: Any, types: tuple[DataType, ...], what: str, *, interval: bool) -> list[Range]:
    """The first and the last value of each part; of a single one, of itself.

    Args:
        value: A tuple of the parts, or text with ` . ` in between.
        types: The parts' datatypes.
        what: What to call it.
        interval: Whether parts may be ranges.

    Raises:
        DesiredStateError: It is none.
    """
    if len(types) == 1:
        return [to_range(value, types[0], what, interval=interval)]
    parts = value.split(" . ") if isinstance(value, str) else value
    if not isinstance(parts, tuple | list) or len(parts) != len(types):
        names = " . ".join(each.name for each in types)
        raise wrong(what, f"expected {len(types)} parts, {names}, got {value!r:.100}")
    return [
        to_range(part, kind, f"{what}, part {place}", interval=interval)
        for place, (part, kind) in enumerate(zip(parts, types, strict=True), 1)
    ]
