"""Bytes made worse at random, most of all where netlink has lengths and types."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

__all__ = ["LARGEST", "mutated"]

LARGEST: Final = 65536
"""Bytes that a mutation grows to, at most: what a read from a socket gives."""

_NESTED: Final = 0x8000
_U16: Final = (0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 20, 0x7FFF, 0x8000, 0xC000, 0xFFFC, 0xFFFF)
_U32: Final = (*_U16, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)

Mutation = Callable[[Random, bytearray, Sequence[bytes]], None]


def _place(random: Random, data: bytearray, width: int = 1) -> int:
    """A place in the data; of a number mostly where netlink has one."""
    last = max(0, len(data) - width)
    return random.randrange(last + 1) if random.random() < 0.3 else random.randrange(0, last + 1, 4)


def _change_bytes(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    for _ in range(random.randint(1, 4)):
        if data:
            data[random.randrange(len(data))] = random.choice(
                (0, 1, 0x7F, 0xFF, random.getrandbits(8))
            )


def _change_bit(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _change_u16(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if len(data) >= 2:
        value = random.choice((*_U16, len(data), random.randrange(80)))
        at = _place(random, data, 2) + random.choice((0, 0, 2))
        if at + 2 <= len(data):
            struct.pack_into("=H", data, at, value & 0xFFFF)


def _change_u32(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if len(data) >= 4:
        value = random.choice((*_U32, len(data), random.randrange(256)))
        struct.pack_into(random.choice("=>") + "I", data, _place(random, data, 4), value)


def _cut(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    del data[_place(random, data) :]


def _take_out(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(random, data)
    del data[at : at + random.choice((1, 4, 8, 16))]


def _put_in(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(random, data)
    data[at:at] = random.randbytes(random.choice((1, 2, 4, 8, 20)))


def _repeat(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(random, data)
    part = data[at : at + random.choice((4, 8, 16, 36, 100))]
    data[at:at] = part * random.choice((1, 2, 10, 1000))


def _put_part_of_another(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    start = _place(random, bytearray(other))
    part = other[start : start + random.choice((4, 8, 16, 64, 4096))]
    at = _place(random, data)
    data[at : at + random.choice((0, len(part)))] = part


def _nest(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    """The rest as a member of an attribute, as deep as may be."""
    at = _place(random, data)
    kind = random.randrange(70) | random.choice((0, _NESTED))
    for _ in range(random.choice((1, 2, 50, 2000))):
        length = len(data) - at + 4
        if length > 0xFFFF:
            break
        data[at:at] = struct.pack("=HH", length, kind)


def _add_attribute(random: Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    value = random.randbytes(random.choice((0, 1, 2, 4, 6, 8, 16, 17, 200)))
    kind = random.randrange(80) | random.choice((0, 0, _NESTED))
    one = struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) & 3)
    data += bytes(-len(data) & 3) + one * random.choice((1, 1, 1, 3000))


_MUTATIONS: Final[Sequence[Mutation]] = (
    _change_bytes,
    _change_bit,
    _change_u16,
    _change_u16,
    _change_u32,
    _cut,
    _take_out,
    _put_in,
    _repeat,
    _put_part_of_another,
    _nest,
    _add_attribute,
)


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed a few times."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        random.choice(_MUTATIONS)(random, data, seeds)
        del data[LARGEST:]
    return bytes(data)
