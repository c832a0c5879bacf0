"""Keys, data and elements of sets as text for people, as nft writes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from ..._kernel.netlink import NetlinkDecodeError, attribute_map
from ..codec.abi import DataAttribute, Verdict, VerdictAttribute
from ..codec.words import s32_of, text_of
from .datatypes import DataType, is_range_of, parts_of
from .elements import CATCHALL, END, Rest
from .form import Form
from .keys import VERDICT, KeyType
from .symbols import FLAGS, NAMES

__all__ = ["elements_shown", "range_text", "shown", "shown_data"]

_JOINED: Final = " . "
_IN_HEX: Final = frozenset({"mark"})
_SPAN: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def shown(value: bytes, key: KeyType, *, big_endian: bool = False) -> str:
    """A key, or a value of data, as nft writes it: `10.0.0.1 . 22`.

    Args:
        value: Its bytes, with those of the last key behind where it is a range of a concatenation.
        key: What keys are.
        big_endian: Whether they are big-endian whatever the datatype, as in sets of ranges.
    """
    types = parts_of(key)
    size = key.length // 2 if types is not None and is_range_of(key, types) else key.length
    if types is None or len(value) not in (size, 2 * size):
        return f"0x{value.hex()}" if value else "*"
    first = _numbers(value[:size], types, big_endian)
    last = _numbers(value[size:], types, big_endian) if len(value) > size else first
    return _JOINED.join(map(range_text, first, last, types))


def _numbers(value: bytes, types: tuple[DataType, ...], big_endian: bool) -> list[int]:
    found: list[int] = []
    offset = 0
    for kind in types:
        order = sys.byteorder if kind.swapped and not big_endian else "big"
        found.append(int.from_bytes(value[offset : offset + kind.length], order))
        offset += (kind.length + 3) & ~3
    return found


def range_text(first: int, last: int, kind: DataType) -> str:
    """A value, a network or a range."""
    if first == last:
        return _text(first, kind)
    size = last - first + 1
    if kind.name in _ADDRESSES and size & (size - 1) == 0 and first % size == 0:
        return f"{_text(first, kind)}/{kind.bits - size.bit_length() + 1}"
    if kind.name == "ifname":
        name = first.to_bytes(kind.length, "big").rstrip(b"\0")
        return f'"{_decoded(name)}*"'
    return f"{_text(first, kind)}-{_text(last, kind)}"


def _text(number: int, kind: DataType) -> str:
    if (maker := _ADDRESSES.get(kind.name)) is not None:
        return str(maker(number))
    raw = number.to_bytes(kind.length, "big")
    if kind.name == "ether_addr":
        return raw.hex(":")
    if kind.name == "ifname":
        return f'"{_decoded(raw.rstrip(bytes(1)))}"'
    if kind.name == "time":
        return _time(number)
    if kind.name == "classid":
        return f"{number >> 16:x}:{number & 0xFFFF:x}"
    names = NAMES.get(kind.name, {})
    if number in names:
        return names[number]
    if kind.name in FLAGS and number:
        return _flags(number, names)
    return f"0x{number:08x}" if kind.name in _IN_HEX else str(number)


def _flags(number: int, names: Mapping[int, str]) -> str:
    words = [name for bit, name in sorted(names.items()) if number & bit]
    unknown = number & ~sum(names)
    return " | ".join([*words, f"0x{unknown:x}"] if unknown else words)


def _time(number: int) -> str:
    words = ""
    for unit, size in _SPAN:
        if number >= size:
            words += f"{number // size}{unit}"
            number %= size
    return words or "0s"


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


_ADDRESSES: Final = {"ipv4_addr": IPv4Address, "ipv6_addr": IPv6Address}


def shown_data(data: bytes, kind: KeyType) -> str:
    """What a map has for a key: a value, or a verdict.

    Args:
        data: The payload of NFTA_SET_ELEM_DATA.
        kind: What data are.
    """
    try:
        said = attribute_map(data)
        if kind != VERDICT:
            return shown(said.get(DataAttribute.VALUE, b""), kind)
        verdict = attribute_map(said.get(DataAttribute.VERDICT, b""))
        code = s32_of(verdict.get(VerdictAttribute.CODE, b""))
        chain = text_of(verdict.get(VerdictAttribute.CHAIN, b""))
    except NetlinkDecodeError:
        return f"0x{data.hex()}"
    word = Verdict(code).name.lower() if code in set(Verdict) else f"verdict {code}"
    return f"{word} {chain}".strip()


def elements_shown(elements: Mapping[bytes, Rest], form: Form) -> Iterator[str]:
    """Each element as nft writes it: `10.0.0.0/8 timeout 1h comment "x" : accept`.

    Args:
        elements: The elements, or some of them. Of ranges the ends alone may be among them.
        form: What they are like.
    """
    if form.in_ranges:
        unknown = DataType("integer", form.key.number, 8 * form.key.length)
        yield from _ranges_shown(elements, form, form.types[0] if form.types else unknown)
    else:
        for key, rest in elements.items():
            text = shown(key[1:], form.key, big_endian=form.interval)
            yield ("*" if key == CATCHALL else text) + _besides(rest, form)


def _ranges_shown(elements: Mapping[bytes, Rest], form: Form, kind: DataType) -> Iterator[str]:
    bounds = sorted((key[1:], key[:1] != END, key) for key in elements if key != CATCHALL)
    begun: tuple[int, bytes] | None = None
    for value, begins, key in bounds:
        number = int.from_bytes(value, "big")
        if begun is not None:
            first, start = begun
            # Without its end it goes on to where the next one begins, or is only changed itself.
            last = first if begins else number - 1
            yield range_text(first, last, kind) + _besides(elements[start], form)
        elif not begins and number:
            yield f"the end of a range at {_text(number - 1, kind)}"
        begun = (number, key) if begins else None
    if begun is not None:
        rest = elements[begun[1]]
        last = kind.most if rest.userdata else begun[0]
        yield range_text(begun[0], last, kind) + _besides(rest, form)
    if CATCHALL in elements:
        yield "*" + _besides(elements[CATCHALL], form)


def _besides(rest: Rest, form: Form) -> str:
    words = "" if rest.timeout_ms is None else f" timeout {_time(rest.timeout_ms)}"
    if rest.comment is not None:
        words += f' comment "{rest.comment}"'
    if rest.object:
        return f'{words} : "{rest.object}"'
    if rest.data and form.data is not None:
        return f"{words} : {shown_data(rest.data, form.data)}"
    return words
