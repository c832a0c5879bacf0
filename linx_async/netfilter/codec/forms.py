"""The canonical form of one expression, of data, and of a stateful object."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import frozen

from ..._kernel.netlink import NetlinkDecodeError, attributes
from .abi import DataAttribute, ExpressionAttribute, ListAttribute, ObjectType, VerdictAttribute
from .schema import SCHEMAS, SIZES, Kind, Schema
from .settling import Values

__all__ = [
    "canonical_data",
    "canonical_object",
    "check_depth",
    "elements",
    "expression_data",
    "expression_of",
    "expression_values",
    "pack",
    "pack_expression",
    "pack_values",
    "verdict_of",
]

_ATTRIBUTE: Final = struct.Struct("=HH")
_TYPE_MASK: Final = 0x3FFF
_ELEM: Final = int(ListAttribute.ELEM)
_NAME: Final = int(ExpressionAttribute.NAME)
_DATA: Final = int(ExpressionAttribute.DATA)
_VALUE: Final = int(DataAttribute.VALUE)
_VERDICT: Final = int(DataAttribute.VERDICT)
_CODE: Final = int(VerdictAttribute.CODE)
_CHAIN: Final = int(VerdictAttribute.CHAIN)
_CHAIN_ID: Final = int(VerdictAttribute.CHAIN_ID)

_DEEPEST: Final = 4
"""Expressions within expressions: the kernel itself has dynset's and inner's, one deep."""
_REGISTERS: Final = {struct.pack(">I", 8 + 4 * i): struct.pack(">I", 1 + i) for i in range(4)}
"""NFT_REG32_00, 04, 08 and 12 are dumped as NFT_REG_1 to 4 (nft_dump_register())."""
_OBJECTS: Final[Mapping[int, str]] = {
    ObjectType.COUNTER: "counter",
    ObjectType.QUOTA: "quota",
    ObjectType.LIMIT: "limit",
    ObjectType.CONNLIMIT: "connlimit",
    ObjectType.SYNPROXY: "synproxy",
}
"""The objects that have the attributes of an expression."""


def pack(kind: int, value: bytes) -> bytes:
    """An attribute with its padding.

    Raises:
        NetlinkDecodeError: It is longer than its length can say.
    """
    length = len(value) + 4
    if length > 0xFFFF:
        raise NetlinkDecodeError(f"attribute {kind} has {len(value)} bytes, too many to send", 0)
    if length & 3:
        return _ATTRIBUTE.pack(length, kind) + value + bytes(-length & 3)
    return _ATTRIBUTE.pack(length, kind) + value


def pack_values(values: Mapping[int, bytes]) -> bytes:
    """Attributes, sorted by type."""
    return b"".join([pack(kind, values[kind]) for kind in sorted(values)])


def pack_expression(name: bytes, data: bytes) -> bytes:
    """An expression as an element of a list."""
    inner = pack(_NAME, name + b"\0")
    return pack(_ELEM, inner + pack(_DATA, data) if data else inner)


def elements(raw: bytes) -> Iterator[bytes]:
    """The expressions in a list of them, each as NFTA_EXPR_* attributes.

    Raises:
        NetlinkDecodeError: It is malformed, or has something else.
    """
    for kind, value in attributes(raw):
        if kind != _ELEM:
            raise NetlinkDecodeError(f"an attribute of type {kind} in a list of expressions", 0)
        yield value


def expression_of(element: bytes) -> tuple[bytes, bytes]:
    """The name, without its NUL, and the data of an expression.

    Raises:
        NetlinkDecodeError: It is malformed, has no name, or has something else.
    """
    name, data = b"", b""
    for kind, value in attributes(element):
        if kind == _NAME:
            name = value.split(b"\0", 1)[0]
        elif kind == _DATA:
            data = value
        else:
            raise NetlinkDecodeError(f"an attribute of type {kind} beside an expression", 0)
    if not name:
        raise NetlinkDecodeError("an expression without a name", 0)
    return name, data


def expression_values(name: bytes, raw: bytes, depth: int = 0) -> Values | None:
    """The attributes of an expression by type, canonical; None of an unknown expression.

    Raises:
        NetlinkDecodeError: They are malformed.
    """
    shape = _SHAPES.get(name)
    if shape is None:
        return None
    sizes, readers = shape.sizes, shape.readers
    values: Values = {}
    for kind, value in attributes(raw):
        size = sizes.get(kind)
        if size is None:
            read = readers.get(kind)
            values[kind] = value if read is None else read(value, depth)
        elif size == len(value):
            values[kind] = value
        elif size:
            field = shape.schema.fields[kind]
            raise NetlinkDecodeError(f"{field.name}: {len(value)} bytes, not {size}", 0)
    if shape.schema.settle is not None:
        shape.schema.settle(values)
    if shape.schema.set is not None:
        _settle_set(values, *shape.schema.set)
    for kind, default in shape.defaults:
        if values.get(kind) == default:
            del values[kind]
    return values


def _settle_set(values: Values, name: int, number: int) -> None:
    """An id is for a set whose name the kernel has yet to make from a template."""
    if number in values and b"%" not in values.get(name, b""):
        del values[number]


def _register(value: bytes, depth: int) -> bytes:
    if len(value) != 4:
        raise NetlinkDecodeError(f"a register's {len(value)} bytes, not 4", 0)
    return _REGISTERS.get(value, value)


def _text(value: bytes, depth: int) -> bytes:
    return value.split(b"\0", 1)[0] + b"\0"


def _data(value: bytes, depth: int) -> bytes:
    return canonical_data(value)


def _list(value: bytes, depth: int) -> bytes:
    return b"".join([pack(_ELEM, _expression(each, depth)) for each in elements(value)])


def _expression(element: bytes, depth: int) -> bytes:
    check_depth(depth + 1)
    name, raw = expression_of(element)
    data = expression_data(name, raw, depth + 1)
    inner = pack(_NAME, name + b"\0")
    return inner + pack(_DATA, data) if data else inner


def check_depth(depth: int) -> None:
    """Refuse expressions too deep within others.

    Raises:
        NetlinkDecodeError: They are.
    """
    if depth > _DEEPEST:
        raise NetlinkDecodeError(f"expressions within expressions, more than {_DEEPEST} deep", 0)


def expression_data(name: bytes, raw: bytes, depth: int = 0) -> bytes:
    """The data of an expression (NFTA_EXPR_DATA), canonical; as it is, of one that is unknown.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    values = expression_values(name, raw, depth)
    return raw if values is None else pack_values(values)


def canonical_data(raw: bytes) -> bytes:
    """The canonical form of data (NFTA_DATA_*): a value, or a verdict.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    values = dict(attributes(raw))
    verdict = values.get(_VERDICT)
    if verdict is not None:
        values[_VERDICT] = _verdict(verdict)
    return pack_values(values)


def _verdict(raw: bytes) -> bytes:
    values = dict(attributes(raw))
    for kind in (_CODE, _CHAIN_ID):
        if kind in values and len(values[kind]) != 4:
            raise NetlinkDecodeError(f"a verdict's {len(values[kind])} bytes, not 4", 0)
    if _CHAIN in values:
        values[_CHAIN] = values[_CHAIN].split(b"\0", 1)[0] + b"\0"
        # nft_verdict_init() prefers the name.
        values.pop(_CHAIN_ID, None)
    return pack_values(values)


def verdict_of(data: bytes) -> Values | None:
    """The attributes of the verdict in data (NFTA_VERDICT_*), if there is one.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    verdict = dict(attributes(data)).get(_VERDICT)
    return None if verdict is None else dict(attributes(verdict))


def canonical_object(type: int, raw: bytes) -> bytes:
    """The canonical form of what a stateful object is told (NFTA_OBJ_DATA).

    Args:
        type: Its type (NFT_OBJECT_*).
        raw: The payload.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    name = _OBJECTS.get(type)
    if name is None:
        return b"".join([pack(kind & _TYPE_MASK, value) for kind, value in attributes(raw)])
    return expression_data(name.encode(), raw)


@frozen
class _Shape:
    """A schema, ready for use.

    Attributes:
        schema: The schema.
        sizes: Bytes of the attributes that are numbers, and 0 of those that are left out.
        readers: What makes others canonical.
        defaults: What is left out, by type.
    """

    schema: Schema
    sizes: Mapping[int, int]
    readers: Mapping[int, Callable[[bytes, int], bytes]]
    defaults: tuple[tuple[int, bytes], ...]


_READERS: Final[Mapping[Kind, Callable[[bytes, int], bytes]]] = {
    Kind.REGISTER: _register,
    Kind.TEXT: _text,
    Kind.SET: _text,
    Kind.OBJECT: _text,
    Kind.FLOWTABLE: _text,
    Kind.DATA: _data,
    Kind.EXPRESSION: _expression,
    Kind.LIST: _list,
}
_SIZES: Final[Mapping[Kind, int]] = {**SIZES, Kind.STATE: 0, Kind.OMITTED: 0}


def _shape(schema: Schema) -> _Shape:
    fields = schema.fields
    return _Shape(
        schema,
        {number: _SIZES[field.kind] for number, field in fields.items() if field.kind in _SIZES},
        {
            number: _READERS[field.kind]
            for number, field in fields.items()
            if field.kind in _READERS
        },
        tuple(
            (number, field.default) for number, field in fields.items() if field.default is not None
        ),
    )


_SHAPES: Final = {name.encode(): _shape(schema) for name, schema in SCHEMAS.items()}
