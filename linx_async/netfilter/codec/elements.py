"""The elements of sets as bytes: the payloads of NFT_MSG_NEWSETELEM and NFT_MSG_DELSETELEM."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ..._kernel.netlink import (
    NetlinkDecodeError,
    attribute_map,
    attributes,
    pack_attribute,
    pack_text,
)
from ..desired.elements import CATCHALL, END, NOTHING, PLAIN, Rest, element_key
from .expressions import canonical, canonical_data
from .set_abi import ElementAttribute, ElementFlag, ElementListAttribute
from .userdata import Comment, split_comment, with_comment
from .words import be32, be64, text_of, u32_of, u64_of

__all__ = ["decode", "encode", "encode_keys"]

_KEY: Final = int(ElementAttribute.KEY)
_KEY_END: Final = int(ElementAttribute.KEY_END)
_DATA: Final = int(ElementAttribute.DATA)
_FLAGS: Final = int(ElementAttribute.FLAGS)
_TIMEOUT: Final = int(ElementAttribute.TIMEOUT)
_EXPIRATION: Final = int(ElementAttribute.EXPIRATION)
_EXPR: Final = int(ElementAttribute.EXPR)
_EXPRESSIONS: Final = int(ElementAttribute.EXPRESSIONS)
_USERDATA: Final = int(ElementAttribute.USERDATA)
_OBJREF: Final = int(ElementAttribute.OBJREF)
_LIST: Final = int(ElementListAttribute.ELEMENTS)
_VALUE: Final = 1  # NFTA_DATA_VALUE

_END: Final = int(ElementFlag.INTERVAL_END)
_CATCHALL: Final = int(ElementFlag.CATCHALL)

_ATTRIBUTE: Final = struct.Struct("=HH")
_KEYS: Final = struct.Struct("=HHHH")
_HEADS: Final = struct.Struct("=HHHHHH")
"""Of an element, of its key, and of the key's value."""
_MOST_SHAPES: Final = 4096
_MOST_BYTES: Final = 60_000
"""Of elements in one message: a nest has room for 65,531, and one element needs a few hundred."""


_Shapes = dict[tuple[bytes, bytes], tuple[bytes, Rest]]
"""By what is before and behind their keys: the first byte of elements' keys, and what they are."""


def decode(payloads: Iterable[bytes], length: int) -> dict[bytes, Rest]:
    """The elements in the messages of a dump.

    Args:
        payloads: What follows nfgenmsg in each.
        length: Bytes of a key of the set.

    Raises:
        NetlinkDecodeError: They are malformed.
    """
    found: dict[bytes, Rest] = {}
    shapes: _Shapes = {}
    for payload in payloads:
        nest = attribute_map(payload).get(_LIST)
        if nest is not None:
            _decode(nest, length, found, shapes)
    return found


def _decode(nest: bytes, length: int, found: dict[bytes, Rest], shapes: _Shapes) -> None:
    """Take the elements of a message; those that are a key and nothing else many at once."""
    if length > _MOST_BYTES:
        raise NetlinkDecodeError(f"a set with keys of {length} bytes", 0)
    padded = (length + 3) & ~3
    head = _HEADS.pack(padded + 12, 1, padded + 8, _KEY, length + 4, _VALUE)
    plain = struct.Struct(f"={len(head)}s{length}s{padded - length}x")
    offset, end = 0, len(nest)
    view = memoryview(nest)[: end // plain.size * plain.size]
    for start, key in plain.iter_unpack(view):
        if start != head:
            break
        found[PLAIN + key] = NOTHING
        offset += plain.size
    while offset < end:
        offset = _one(nest, offset, length, found, shapes)


def _one(nest: bytes, offset: int, length: int, found: dict[bytes, Rest], shapes: _Shapes) -> int:
    """Take one element; gives where the next one begins."""
    if len(nest) - offset < _ATTRIBUTE.size:
        raise NetlinkDecodeError("an element is cut short", offset)
    size: int = _ATTRIBUTE.unpack_from(nest, offset)[0]
    if not _ATTRIBUTE.size <= size <= len(nest) - offset:
        raise NetlinkDecodeError(f"an element of {size} bytes does not fit", offset)
    start = offset + _HEADS.size
    stop = start + length
    shape = nest[offset:start], nest[stop : offset + size]
    if (known := shapes.get(shape)) is not None:
        found[known[0] + nest[start:stop]] = known[1]
    else:
        key, rest = _element(nest[offset + _ATTRIBUTE.size : offset + size])
        found[key] = rest
        alike = _KEYS.pack(((length + 3) & ~3) + 8, _KEY, length + 4, _VALUE)
        fits = shape[0][_ATTRIBUTE.size :] == alike and key[1:] == nest[start:stop]
        if fits and not rest.expires and len(shapes) < _MOST_SHAPES:
            shapes[shape] = key[:1], rest
    return offset + ((size + 3) & ~3)


def _element(payload: bytes) -> tuple[bytes, Rest]:
    said = attribute_map(payload)
    flags = u32_of(said.get(_FLAGS, b"\0\0\0\0"))
    first = CATCHALL if flags & _CATCHALL else END if flags & _END else PLAIN
    key = element_key(_value(said.get(_KEY)), _value(said.get(_KEY_END)), first)
    comment, userdata = split_comment(said.get(_USERDATA, b""), Comment.ELEMENT)
    raw = said.get(_EXPRESSIONS)
    if raw is None and _EXPR in said:
        raw = pack_attribute(1, said[_EXPR])
    # An end has no time of its own: Linux 6.12 and later say 0 where the set has one.
    timeout = said.get(_TIMEOUT) if first != END else None
    rest = Rest(
        canonical_data(said[_DATA]) if _DATA in said else b"",
        text_of(said[_OBJREF]) if _OBJREF in said else "",
        None if timeout is None else u64_of(timeout),
        comment,
        canonical(raw).body if raw else b"",
        userdata,
        _EXPIRATION in said,
    )
    return key, NOTHING if rest == NOTHING and not rest.expires else rest


def _value(nest: bytes | None) -> bytes:
    return b"" if nest is None else attribute_map(nest).get(_VALUE, b"")


def encode(elements: Mapping[bytes, Rest], length: int) -> Iterator[bytes]:
    """The payloads of NFTA_SET_ELEM_LIST_ELEMENTS of as many messages as are needed.

    Args:
        elements: The elements.
        length: Bytes of a key of the set.
    """
    return _packed(_encoded(elements.items(), length))


def encode_keys(keys: Iterable[bytes], length: int) -> Iterator[bytes]:
    """The same for elements that are deleted."""
    return _packed(_encoded(((key, NOTHING) for key in keys), length))


def _packed(elements: Iterable[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    size = 0
    for element in elements:
        size += len(element)
        if size > _MOST_BYTES:
            yield b"".join(parts)
            parts, size = [], len(element)
        parts.append(element)
    if parts:
        yield b"".join(parts)


def _encoded(elements: Iterable[tuple[bytes, Rest]], length: int) -> Iterator[bytes]:
    """Each element; what comes before and behind the keys of those alike is made once."""
    shapes: dict[tuple[int, int], tuple[bytes, bytes, Rest]] = {}
    key_size = length + 1
    for key, rest in elements:
        shape = shapes.get((key[0], id(rest))) if len(key) == key_size else None
        if shape is None:
            element = _encode(key, rest, length)
            if len(key) == key_size:
                # The last one keeps the number of that object from being another's.
                shapes[key[0], id(rest)] = (
                    element[: _HEADS.size],
                    element[_HEADS.size + length :],
                    rest,
                )
            yield element
        else:
            yield shape[0] + key[1:] + shape[1]


def _encode(key: bytes, rest: Rest, length: int) -> bytes:
    first, value = key[:1], key[1:]
    parts: list[bytes] = []
    if first != CATCHALL:
        parts.append(pack_attribute(_KEY, pack_attribute(_VALUE, value[:length])))
        if len(value) > length:
            parts.append(pack_attribute(_KEY_END, pack_attribute(_VALUE, value[length:])))
    if first != PLAIN:
        parts.append(pack_attribute(_FLAGS, be32(_END if first == END else _CATCHALL)))
    if rest.data:
        parts.append(pack_attribute(_DATA, rest.data))
    if rest.timeout_ms is not None:
        parts.append(pack_attribute(_TIMEOUT, be64(rest.timeout_ms)))
    if rest.comment is not None or rest.userdata:
        parts.append(
            pack_attribute(_USERDATA, with_comment(rest.comment, rest.userdata, Comment.ELEMENT))
        )
    if rest.object:
        parts.append(pack_text(_OBJREF, rest.object))
    if rest.expressions:
        parts.append(_statements(rest.expressions))
    return pack_attribute(1, b"".join(parts))


def _statements(body: bytes) -> bytes:
    """One goes by itself (NFTA_SET_ELEM_EXPR): kernels before 5.11 know no list of them."""
    several = list(attributes(body))
    if len(several) == 1:
        return pack_attribute(_EXPR, several[0][1])
    return pack_attribute(_EXPRESSIONS, body)
