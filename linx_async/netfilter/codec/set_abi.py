"""The numbers of sets, maps and their elements (nf_tables.h)."""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = [
    "DataType",
    "ElementAttribute",
    "ElementFlag",
    "ElementListAttribute",
    "SetAttribute",
    "SetDescAttribute",
    "SetFieldAttribute",
    "SetFlag",
    "SetPolicy",
]


class SetFlag(IntFlag):
    """NFT_SET_*."""

    ANONYMOUS = 0x1
    CONSTANT = 0x2
    INTERVAL = 0x4
    MAP = 0x8
    TIMEOUT = 0x10
    EVAL = 0x20
    OBJECT = 0x40
    CONCAT = 0x80
    EXPR = 0x100


class SetPolicy(IntEnum):
    """NFT_SET_POL_*."""

    PERFORMANCE = 0
    MEMORY = 1


class SetAttribute(IntEnum):
    """NFTA_SET_*; TYPE and COUNT are told by later kernels, and not asked for."""

    TABLE = 1
    NAME = 2
    FLAGS = 3
    KEY_TYPE = 4
    KEY_LEN = 5
    DATA_TYPE = 6
    DATA_LEN = 7
    POLICY = 8
    DESC = 9
    ID = 10
    TIMEOUT = 11
    GC_INTERVAL = 12
    USERDATA = 13
    PAD = 14
    OBJ_TYPE = 15
    HANDLE = 16
    EXPR = 17
    EXPRESSIONS = 18
    TYPE = 19
    COUNT = 20


class SetDescAttribute(IntEnum):
    """NFTA_SET_DESC_*: u32 size, nest of lists of `SetFieldAttribute`."""

    SIZE = 1
    CONCAT = 2


class SetFieldAttribute(IntEnum):
    """NFTA_SET_FIELD_*: u32 bytes."""

    LEN = 1


class ElementFlag(IntFlag):
    """NFT_SET_ELEM_*."""

    INTERVAL_END = 0x1
    CATCHALL = 0x2


class ElementAttribute(IntEnum):
    """NFTA_SET_ELEM_*."""

    KEY = 1
    DATA = 2
    FLAGS = 3
    TIMEOUT = 4
    EXPIRATION = 5
    USERDATA = 6
    EXPR = 7
    PAD = 8
    OBJREF = 9
    KEY_END = 10
    EXPRESSIONS = 11


class ElementListAttribute(IntEnum):
    """NFTA_SET_ELEM_LIST_*."""

    TABLE = 1
    SET = 2
    ELEMENTS = 3
    SET_ID = 4


class DataType(IntEnum):
    """NFT_DATA_*: what a map's data is; all below the verdict is the author's own."""

    VALUE = 0
    VERDICT = 0xFFFFFF00
