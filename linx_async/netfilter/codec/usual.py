"""The expressions that rules have most of, just as the kernel tells them: seen at a glance."""

from __future__ import annotations

import struct
from typing import Final

from .expression_abi import Cmp
from .forms import pack
from .object_abi import CounterAttribute
from .words import be32

__all__ = ["is_usual_comparison", "is_usual_counter"]

_HEADER: Final = struct.Struct("=HH")

_COUNTER_LENGTH: Final = 40
_COUNTER_START: Final = pack(1, b"counter\0") + pack(2, bytes(24))[:4]
_BYTES: Final = pack(CounterAttribute.BYTES, bytes(8))[:4]
_PACKETS: Final = pack(CounterAttribute.PACKETS, bytes(8))[:4]

_CMP_START: Final = pack(1, b"cmp\0")
_CMP_DATA: Final = 12
_SREGS: Final = frozenset(pack(Cmp.SREG, be32(register)) for register in range(1, 5))
_OP: Final = pack(Cmp.OP, bytes(4))[:4]
_VALUE: Final = struct.Struct("=HHHH")
_VALUE_AT: Final = 28


def is_usual_counter(element: bytes) -> bool:
    """Whether it is a counter just as nft_counter_do_dump() tells it; each has other numbers."""
    return (
        len(element) == _COUNTER_LENGTH
        and element.startswith(_COUNTER_START)
        and element[16:20] == _BYTES
        and element[28:32] == _PACKETS
    )


def is_usual_comparison(element: bytes) -> bool:
    """Whether it is canonical as it is: a comparison with a value, as nft_cmp_dump() tells it."""
    size = len(element)
    if size < _VALUE_AT + _VALUE.size or size & 3 or not element.startswith(_CMP_START):
        return False
    outer, kind, length, value = _VALUE.unpack_from(element, _VALUE_AT)
    padding = -length & 3
    return (
        element[8:12] == _HEADER.pack(size - 8, 2)
        and element[_CMP_DATA:20] in _SREGS
        and element[20:24] == _OP
        and kind == Cmp.DATA
        and value == 1
        and outer == length + padding + 4
        and _VALUE_AT + outer == size
        and length >= 4
        and not any(element[size - padding :])
    )
