"""Expressions, each as its name and its canonical data (NFTA_EXPR_DATA)."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from typing import Final, TypeAlias

from ..codec.abi import DataAttribute, Verdict, VerdictAttribute
from ..codec.expression_abi import (
    Bitwise,
    Byteorder,
    Cmp,
    Immediate,
    Lookup,
    Objref,
    Payload,
    Range,
)
from ..codec.forms import pack, pack_values
from ..codec.op_abi import BitwiseOp, ByteorderOp, CmpOp, LookupFlag, RangeOp
from ..codec.words import be32

__all__ = [
    "Expression",
    "bitwise",
    "compare",
    "data_of",
    "decide",
    "expression",
    "immediate",
    "in_range",
    "load_payload",
    "lookup",
    "object_reference",
    "object_reference_by_map",
    "register",
    "shift_right",
    "text",
    "to_big_endian",
    "verdict_data",
]

Expression: TypeAlias = tuple[str, bytes]

_OLD: Final = 4  # 16-byte registers have numbers of their own, and dumps use them


def register(index: int) -> bytes:
    """A register by how many words of 4 bytes come before it (nft_dump_register())."""
    return be32(1 + index // _OLD if index % _OLD == 0 else 8 + index)


def text(value: str) -> bytes:
    """A string as attributes have it."""
    return value.encode() + b"\0"


def expression(name: str, values: Mapping[int, bytes]) -> Expression:
    """An expression of its attributes."""
    return name, pack_values(values)


def data_of(value: bytes) -> bytes:
    """A value as NFTA_DATA_VALUE."""
    return pack(DataAttribute.VALUE, value)


def verdict_data(code: Verdict, chain: str | None = None) -> bytes:
    """A verdict as NFTA_DATA_VERDICT."""
    values: dict[int, bytes] = {VerdictAttribute.CODE: struct.pack(">i", code)}
    if chain is not None:
        values[VerdictAttribute.CHAIN] = text(chain)
    return pack(DataAttribute.VERDICT, pack_values(values))


def load_payload(index: int, base: int, offset: int, length: int) -> Expression:
    """Bytes of the packet into a register."""
    return expression(
        "payload",
        {
            Payload.DREG: register(index),
            Payload.BASE: be32(base),
            Payload.OFFSET: be32(offset),
            Payload.LEN: be32(length),
        },
    )


def compare(op: CmpOp, value: bytes, index: int = 0) -> Expression:
    """End the rule unless a register compares so."""
    return expression(
        "cmp", {Cmp.SREG: register(index), Cmp.OP: be32(op), Cmp.DATA: data_of(value)}
    )


def in_range(op: RangeOp, first: bytes, last: bytes) -> Expression:
    """End the rule unless a register is within, or outside."""
    return expression(
        "range",
        {
            Range.SREG: register(0),
            Range.OP: be32(op),
            Range.FROM_DATA: data_of(first),
            Range.TO_DATA: data_of(last),
        },
    )


def bitwise(index: int, mask: bytes, xor: bytes) -> Expression:
    """Bits of a register masked, and others flipped."""
    return expression(
        "bitwise",
        {
            Bitwise.SREG: register(index),
            Bitwise.DREG: register(index),
            Bitwise.LEN: be32(len(mask)),
            Bitwise.MASK: data_of(mask),
            Bitwise.XOR: data_of(xor),
        },
    )


def shift_right(index: int, length: int, bits: int) -> Expression:
    """Bits of a register moved."""
    return expression(
        "bitwise",
        {
            Bitwise.SREG: register(index),
            Bitwise.DREG: register(index),
            Bitwise.LEN: be32(length),
            Bitwise.OP: be32(BitwiseOp.RSHIFT),
            Bitwise.DATA: data_of(bits.to_bytes(4, sys.byteorder)),
        },
    )


def to_big_endian(index: int, length: int) -> Expression:
    """The bytes of a register in the order in which numbers compare as bytes do."""
    return expression(
        "byteorder",
        {
            Byteorder.SREG: register(index),
            Byteorder.DREG: register(index),
            Byteorder.OP: be32(ByteorderOp.HTON),
            Byteorder.LEN: be32(length),
            Byteorder.SIZE: be32(length),
        },
    )


def immediate(index: int, data: bytes) -> Expression:
    """Data into a register."""
    return expression("immediate", {Immediate.DREG: register(index), Immediate.DATA: data})


def decide(data: bytes) -> Expression:
    """A verdict."""
    return expression("immediate", {Immediate.DREG: be32(0), Immediate.DATA: data})


def lookup(
    name: str, *, negated: bool = False, into: int | None = None, verdict: bool = False
) -> Expression:
    """Look a register up in a set; what a map has for it goes to another, or is the verdict."""
    values: dict[int, bytes] = {Lookup.SET: text(name), Lookup.SREG: register(0)}
    if verdict:
        values[Lookup.DREG] = be32(0)
    elif into is not None:
        values[Lookup.DREG] = register(into)
    if negated:
        values[Lookup.FLAGS] = be32(LookupFlag.INV)
    return expression("lookup", values)


def object_reference(kind: int, name: str) -> Expression:
    """A stateful object, by name."""
    return expression("objref", {Objref.IMM_TYPE: be32(kind), Objref.IMM_NAME: text(name)})


def object_reference_by_map(name: str) -> Expression:
    """The stateful object that a map has for a register."""
    return expression("objref", {Objref.SET_SREG: register(0), Objref.SET_NAME: text(name)})
