"""What the attributes of each expression are: numbers, registers, names, data, expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from typing import Any, Final

from attrs import frozen

from . import expression_abi as e
from . import key_abi as k
from . import op_abi as o
from . import settling
from . import statement_abi as s
from .object_abi import CounterAttribute
from .settling import Values

__all__ = ["COUNTING", "SCHEMAS", "SIZES", "Field", "Kind", "Schema"]


class Kind(Enum):
    """What an attribute is.

    Numbers are big-endian. STATE is a number that the kernel counts, and OMITTED is padding:
    neither is part of the canonical form, and neither is an attribute at its default.
    """

    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    REGISTER = "register"
    TEXT = "text"
    SET = "set"
    SET_ID = "set id"
    OBJECT = "object"
    FLOWTABLE = "flowtable"
    BYTES = "bytes"
    DATA = "data"
    EXPRESSION = "expression"
    LIST = "list"
    STATE = "state"
    OMITTED = "omitted"


SIZES: Final[Mapping[Kind, int]] = {
    Kind.U8: 1,
    Kind.U16: 2,
    Kind.U32: 4,
    Kind.U64: 8,
    Kind.SET_ID: 4,
}
"""Bytes of an attribute, where they are fixed."""


@frozen
class Field:
    """What an attribute is.

    Attributes:
        name: Its name in nf_tables.h, in small letters.
        kind: What it is.
        default: What the kernel takes it for where it is left out; None where it makes a difference
            whether it is there.
        values: What its number may be, for people.
    """

    name: str
    kind: Kind
    default: bytes | None = None
    values: type[IntEnum] | None = None


@frozen
class Schema:
    """What an expression's attributes are.

    Attributes:
        fields: By type.
        settle: What else is to be made of the values for one form of what means the same.
        set: The type of the attribute that names a set, and of the one with its id in a batch.
    """

    fields: Mapping[int, Field]
    settle: Callable[[Values], None] | None
    set: tuple[int, int] | None


_Spec = tuple[Kind, int | None, type[IntEnum] | None]


def _u8(default: int | None = None, values: type[IntEnum] | None = None) -> _Spec:
    return Kind.U8, default, values


def _u16(default: int | None = None) -> _Spec:
    return Kind.U16, default, None


def _u32(default: int | None = None, values: type[IntEnum] | None = None) -> _Spec:
    return Kind.U32, default, values


def _of(
    numbers: type[IntEnum],
    settled: Callable[[Values], None] | None = None,
    /,
    **specs: Kind | _Spec,
) -> Schema:
    fields: dict[int, Field] = {}
    places: dict[Kind, int] = {}
    for name, spec in specs.items():
        kind, default, values = (spec, None, None) if isinstance(spec, Kind) else spec
        number = int(numbers[name])
        packed = None if default is None else default.to_bytes(SIZES[kind], "big")
        fields[number] = Field(name.lower(), kind, packed, values)
        places[kind] = number
    named = Kind.SET in places
    return Schema(fields, settled, (places[Kind.SET], places[Kind.SET_ID]) if named else None)


_REG: Final = Kind.REGISTER
_U32: Final = Kind.U32
_XT: Final[dict[str, Any]] = {"NAME": Kind.TEXT, "REV": _U32, "INFO": Kind.BYTES}

SCHEMAS: Final[Mapping[str, Schema]] = {
    "immediate": _of(e.Immediate, DREG=_REG, DATA=Kind.DATA),
    "payload": _of(
        e.Payload,
        DREG=_REG,
        BASE=_u32(values=k.PayloadBase),
        OFFSET=_U32,
        LEN=_U32,
        SREG=_REG,
        CSUM_TYPE=_u32(0, k.ChecksumType),
        CSUM_OFFSET=_u32(0),
        CSUM_FLAGS=_u32(0),
    ),
    "exthdr": _of(
        e.Exthdr,
        settling.settle_exthdr,
        DREG=_REG,
        TYPE=Kind.U8,
        OFFSET=_U32,
        LEN=_U32,
        FLAGS=_u32(0),
        OP=_u32(0, k.ExthdrOp),
        SREG=_REG,
    ),
    "meta": _of(e.Meta, DREG=_REG, KEY=_u32(values=k.MetaKey), SREG=_REG),
    "ct": _of(e.Ct, DREG=_REG, KEY=_u32(values=k.CtKey), DIRECTION=Kind.U8, SREG=_REG),
    "rt": _of(e.Rt, DREG=_REG, KEY=_u32(values=k.RtKey)),
    "socket": _of(e.Socket, KEY=_u32(values=k.SocketKey), DREG=_REG, LEVEL=_U32),
    # nft_osf_init() refuses flags of 0.
    "osf": _of(e.Osf, DREG=_REG, TTL=_u8(0), FLAGS=_u32(0)),
    "fib": _of(e.Fib, DREG=_REG, RESULT=_u32(values=k.FibResult), FLAGS=_U32),
    "hash": _of(
        e.Hash,
        SREG=_REG,
        DREG=_REG,
        LEN=_U32,
        MODULUS=_U32,
        SEED=_U32,
        OFFSET=_u32(0),
        TYPE=_u32(0, k.HashType),
    ),
    "numgen": _of(
        e.Numgen, DREG=_REG, MODULUS=_U32, TYPE=_u32(values=k.NumgenType), OFFSET=_u32(0)
    ),
    "xfrm": _of(e.Xfrm, DREG=_REG, KEY=_u32(values=k.XfrmKey), DIR=Kind.U8, SPNUM=_u32(0)),
    "tunnel": _of(e.Tunnel, KEY=_u32(values=k.TunnelKey), DREG=_REG, MODE=_u32(0)),
    "inner": _of(e.Inner, NUM=_U32, TYPE=_U32, FLAGS=_U32, HDRSIZE=_U32, EXPR=Kind.EXPRESSION),
    "bitwise": _of(
        e.Bitwise,
        SREG=_REG,
        DREG=_REG,
        LEN=_U32,
        MASK=Kind.DATA,
        XOR=Kind.DATA,
        OP=_u32(0, o.BitwiseOp),
        DATA=Kind.DATA,
        SREG2=_REG,
    ),
    "byteorder": _of(
        e.Byteorder, SREG=_REG, DREG=_REG, OP=_u32(values=o.ByteorderOp), LEN=_U32, SIZE=_U32
    ),
    "cmp": _of(e.Cmp, SREG=_REG, OP=_u32(values=o.CmpOp), DATA=Kind.DATA),
    "range": _of(
        e.Range, SREG=_REG, OP=_u32(values=o.RangeOp), FROM_DATA=Kind.DATA, TO_DATA=Kind.DATA
    ),
    "lookup": _of(e.Lookup, SET=Kind.SET, SREG=_REG, DREG=_REG, SET_ID=Kind.SET_ID, FLAGS=_u32(0)),
    # nft_dynset_init() refuses a timeout, be it 0, for a set that has none.
    "dynset": _of(
        e.Dynset,
        settling.settle_dynset,
        SET_NAME=Kind.SET,
        SET_ID=Kind.SET_ID,
        OP=_u32(values=o.DynsetOp),
        SREG_KEY=_REG,
        SREG_DATA=_REG,
        TIMEOUT=(Kind.U64, 0, None),
        EXPR=Kind.EXPRESSION,
        PAD=Kind.OMITTED,
        FLAGS=_u32(0),
        EXPRESSIONS=Kind.LIST,
    ),
    "objref": _of(
        e.Objref,
        IMM_TYPE=_U32,
        IMM_NAME=Kind.OBJECT,
        SET_SREG=_REG,
        SET_NAME=Kind.SET,
        SET_ID=Kind.SET_ID,
    ),
    "limit": _of(
        s.Limit,
        settling.settle_limit,
        RATE=Kind.U64,
        UNIT=Kind.U64,
        BURST=_U32,
        TYPE=_u32(0, o.LimitType),
        FLAGS=_u32(0),
        PAD=Kind.OMITTED,
    ),
    "connlimit": _of(s.Connlimit, COUNT=_U32, FLAGS=_u32(0)),
    "counter": _of(CounterAttribute, BYTES=Kind.STATE, PACKETS=Kind.STATE, PAD=Kind.OMITTED),
    "quota": _of(
        s.Quota,
        settling.settle_quota,
        BYTES=Kind.U64,
        FLAGS=_u32(0),
        PAD=Kind.OMITTED,
        CONSUMED=Kind.STATE,
    ),
    "last": _of(s.Last, SET=Kind.STATE, MSECS=Kind.STATE, PAD=Kind.OMITTED),
    "log": _of(
        s.Log,
        settling.settle_log,
        GROUP=Kind.U16,
        PREFIX=Kind.TEXT,
        SNAPLEN=_U32,
        QTHRESHOLD=_u16(0),
        LEVEL=_u32(values=o.LogLevel),
        FLAGS=_u32(0),
    ),
    "nat": _of(
        s.Nat,
        settling.settle_nat,
        TYPE=_u32(values=o.NatType),
        FAMILY=_U32,
        REG_ADDR_MIN=_REG,
        REG_ADDR_MAX=_REG,
        REG_PROTO_MIN=_REG,
        REG_PROTO_MAX=_REG,
        FLAGS=_u32(0),
    ),
    "masq": _of(
        s.Masq, settling.settle_masq, FLAGS=_u32(0), REG_PROTO_MIN=_REG, REG_PROTO_MAX=_REG
    ),
    "redir": _of(
        s.Redir, settling.settle_redir, REG_PROTO_MIN=_REG, REG_PROTO_MAX=_REG, FLAGS=_u32(0)
    ),
    "tproxy": _of(s.Tproxy, FAMILY=_U32, REG_ADDR=_REG, REG_PORT=_REG),
    "queue": _of(s.Queue, NUM=Kind.U16, TOTAL=_u16(1), FLAGS=_u16(0), SREG_QNUM=_REG),
    "reject": _of(
        s.Reject, settling.settle_reject, TYPE=_u32(values=o.RejectType), ICMP_CODE=Kind.U8
    ),
    "fwd": _of(s.Fwd, SREG_DEV=_REG, SREG_ADDR=_REG, NFPROTO=_U32),
    "dup": _of(s.Dup, SREG_ADDR=_REG, SREG_DEV=_REG),
    "flow_offload": _of(s.FlowOffload, TABLE_NAME=Kind.FLOWTABLE),
    "synproxy": _of(s.Synproxy, MSS=_u16(0), WSCALE=_u8(0), FLAGS=_u32(0)),
    "match": _of(s.Match, **_XT),
    "target": _of(s.Target, **_XT),
    "notrack": Schema({}, None, None),
}
"""By the name of the expression."""


def _states(schema: Schema) -> frozenset[int]:
    return frozenset(n for n, each in schema.fields.items() if each.kind is Kind.STATE)


COUNTING: Final[Mapping[bytes, frozenset[int]]] = {
    name.encode(): _states(schema) for name, schema in SCHEMAS.items() if _states(schema)
}
"""The attributes that tell state, of the expressions that have some."""
