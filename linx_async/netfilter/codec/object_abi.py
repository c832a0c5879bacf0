"""The numbers of stateful objects and flowtables (nf_tables.h)."""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "CounterAttribute",
    "FlowtableAttribute",
    "FlowtableHookAttribute",
    "ObjectAttribute",
    "ObjectType",
]


class CounterAttribute(IntEnum):
    """NFTA_COUNTER_*: u64 each; also what a chain's and an object's counters are."""

    BYTES = 1
    PACKETS = 2
    PAD = 3


class ObjectType(IntEnum):
    """NFT_OBJECT_*."""

    COUNTER = 1
    QUOTA = 2
    CT_HELPER = 3
    LIMIT = 4
    CONNLIMIT = 5
    TUNNEL = 6
    CT_TIMEOUT = 7
    SECMARK = 8
    CT_EXPECT = 9
    SYNPROXY = 10


class ObjectAttribute(IntEnum):
    """NFTA_OBJ_*."""

    TABLE = 1
    NAME = 2
    TYPE = 3
    DATA = 4
    USE = 5
    HANDLE = 6
    PAD = 7
    USERDATA = 8


class FlowtableAttribute(IntEnum):
    """NFTA_FLOWTABLE_*."""

    TABLE = 1
    NAME = 2
    HOOK = 3
    USE = 4
    HANDLE = 5
    PAD = 6
    FLAGS = 7


class FlowtableHookAttribute(IntEnum):
    """NFTA_FLOWTABLE_HOOK_*: u32 hook, s32 priority, nest of `DeviceAttribute`."""

    NUM = 1
    PRIORITY = 2
    DEVS = 3
