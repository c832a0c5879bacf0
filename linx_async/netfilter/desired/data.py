"""What a map has for its keys, as an author writes it down."""

from __future__ import annotations

from typing import Any, Final

from ..._core.checks import wrong
from ..codec.abi import DataAttribute, Verdict, VerdictAttribute
from ..codec.forms import pack
from ..codec.words import be32
from .concatenations import to_fields
from .datatypes import is_range_of, parts_of
from .form import packed
from .keys import VERDICT, KeyType
from .names import check_name

__all__ = ["to_data", "verdict_data"]

_PLAIN: Final = {
    "accept": Verdict.ACCEPT,
    "drop": Verdict.DROP,
    "return": Verdict.RETURN,
    "continue": Verdict.CONTINUE,
}
_CHAINED: Final = {"jump": Verdict.JUMP, "goto": Verdict.GOTO}


def to_data(value: Any, data: KeyType, what: str) -> bytes:
    """Data of a map: the payload of NFTA_SET_ELEM_DATA.

    Raises:
        DesiredStateError: They are none of their datatype.
    """
    if data == VERDICT:
        return verdict_data(value, what)
    types = parts_of(data)
    if types is None:
        if isinstance(value, bytes) and len(value) == data.length:
            return pack(DataAttribute.VALUE, value)
        raise wrong(what, f"expected {data.length} bytes of datatype {data.number}, got {value!r}")
    ranges = is_range_of(data, types)
    fields = to_fields(value, types, what, interval=ranges)
    ends = [[each[0] for each in fields], [each[1] for each in fields]][: 2 if ranges else 1]
    several = len(types) > 1
    raw = b"".join(
        part + bytes(-len(part) & 3 if several else 0)
        for end in ends
        for part in (packed(n, kind, big=False) for n, kind in zip(end, types, strict=True))
    )
    return pack(DataAttribute.VALUE, raw)


def verdict_data(value: Any, what: str) -> bytes:
    """A verdict as data: `accept`, `drop`, `return`, `continue`, `jump CHAIN` or `goto CHAIN`.

    Raises:
        DesiredStateError: It is none.
    """
    words = value.split() if isinstance(value, str) else []
    if len(words) == 1 and words[0] in _PLAIN:
        return _verdict(_PLAIN[words[0]], b"")
    if len(words) == 2 and words[0] in _CHAINED:
        chain = check_name(words[1], what).encode() + b"\0"
        return _verdict(_CHAINED[words[0]], pack(VerdictAttribute.CHAIN, chain))
    raise wrong(
        what,
        f"expected accept, drop, return, continue, jump CHAIN or goto CHAIN, got {value!r:.100}",
    )


def _verdict(code: Verdict, chain: bytes) -> bytes:
    number = be32(code & 0xFFFFFFFF)
    return pack(DataAttribute.VERDICT, pack(VerdictAttribute.CODE, number) + chain)
