"""The numbers of nf_tables (include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h)."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

from .object_abi import (
    CounterAttribute,
    FlowtableAttribute,
    FlowtableHookAttribute,
    ObjectAttribute,
    ObjectType,
)
from .set_abi import (
    DataType,
    ElementAttribute,
    ElementFlag,
    ElementListAttribute,
    SetAttribute,
    SetDescAttribute,
    SetFieldAttribute,
    SetFlag,
    SetPolicy,
)

__all__ = [
    "SUBSYSTEM",
    "BatchMessage",
    "ChainAttribute",
    "ChainFlag",
    "CounterAttribute",
    "DataAttribute",
    "DataType",
    "DeviceAttribute",
    "ElementAttribute",
    "ElementFlag",
    "ElementListAttribute",
    "ExpressionAttribute",
    "Family",
    "FlowtableAttribute",
    "FlowtableHookAttribute",
    "HookAttribute",
    "ListAttribute",
    "Message",
    "ObjectAttribute",
    "ObjectType",
    "RuleAttribute",
    "SetAttribute",
    "SetDescAttribute",
    "SetFieldAttribute",
    "SetFlag",
    "SetPolicy",
    "TableAttribute",
    "TableFlag",
    "Verdict",
    "VerdictAttribute",
]

SUBSYSTEM: Final = 10
"""NFNL_SUBSYS_NFTABLES: the upper byte of a message's type, and res_id of a batch's messages."""


class Family(IntEnum):
    """nfgen_family: NFPROTO_* of include/uapi/linux/netfilter.h."""

    UNSPEC = 0
    INET = 1
    IP = 2
    ARP = 3
    NETDEV = 5
    BRIDGE = 7
    IP6 = 10


class BatchMessage(IntEnum):
    """The messages around a batch (NFNL_MSG_BATCH_*), types of their own."""

    BEGIN = 16
    END = 17


class Message(IntEnum):
    """NFT_MSG_*, with the subsystem: as nlmsg_type has it."""

    @property
    def number(self) -> int:
        """The same without the subsystem, as a `Change` has it."""
        return int(self) & 0xFF

    NEWTABLE = 0xA00
    GETTABLE = 0xA01
    DELTABLE = 0xA02
    NEWCHAIN = 0xA03
    GETCHAIN = 0xA04
    DELCHAIN = 0xA05
    NEWRULE = 0xA06
    GETRULE = 0xA07
    DELRULE = 0xA08
    NEWSET = 0xA09
    GETSET = 0xA0A
    DELSET = 0xA0B
    NEWSETELEM = 0xA0C
    GETSETELEM = 0xA0D
    DELSETELEM = 0xA0E
    NEWGEN = 0xA0F
    GETGEN = 0xA10
    TRACE = 0xA11
    NEWOBJ = 0xA12
    GETOBJ = 0xA13
    DELOBJ = 0xA14
    GETOBJ_RESET = 0xA15
    NEWFLOWTABLE = 0xA16
    GETFLOWTABLE = 0xA17
    DELFLOWTABLE = 0xA18
    GETRULE_RESET = 0xA19
    DESTROYTABLE = 0xA1A
    DESTROYCHAIN = 0xA1B
    DESTROYRULE = 0xA1C
    DESTROYSET = 0xA1D
    DESTROYSETELEM = 0xA1E
    DESTROYOBJ = 0xA1F
    DESTROYFLOWTABLE = 0xA20
    GETSETELEM_RESET = 0xA21


class ListAttribute(IntEnum):
    """NFTA_LIST_*."""

    ELEM = 1


class HookAttribute(IntEnum):
    """NFTA_HOOK_*: u32 hook, s32 priority, string device, nest of `DeviceAttribute`."""

    HOOKNUM = 1
    PRIORITY = 2
    DEV = 3
    DEVS = 4


class DeviceAttribute(IntEnum):
    """NFTA_DEVICE_*: strings; a prefix is of Linux 6.16."""

    NAME = 1
    PREFIX = 2


class TableFlag(IntFlag):
    """NFT_TABLE_F_*; PERSIST is of Linux 6.9."""

    DORMANT = 0x1
    OWNER = 0x2
    PERSIST = 0x4


class TableAttribute(IntEnum):
    """NFTA_TABLE_*: string, u32, u32, u64, padding, bytes, u32 port id."""

    NAME = 1
    FLAGS = 2
    USE = 3
    HANDLE = 4
    PAD = 5
    USERDATA = 6
    OWNER = 7


class ChainFlag(IntFlag):
    """NFT_CHAIN_*."""

    BASE = 0x1
    HW_OFFLOAD = 0x2
    BINDING = 0x4


class ChainAttribute(IntEnum):
    """NFTA_CHAIN_*."""

    TABLE = 1
    HANDLE = 2
    NAME = 3
    HOOK = 4
    POLICY = 5
    USE = 6
    TYPE = 7
    COUNTERS = 8
    PAD = 9
    FLAGS = 10
    ID = 11
    USERDATA = 12


class RuleAttribute(IntEnum):
    """NFTA_RULE_*."""

    TABLE = 1
    CHAIN = 2
    HANDLE = 3
    EXPRESSIONS = 4
    COMPAT = 5
    POSITION = 6
    USERDATA = 7
    PAD = 8
    ID = 9
    POSITION_ID = 10
    CHAIN_ID = 11


class DataAttribute(IntEnum):
    """NFTA_DATA_*: bytes, nest of `VerdictAttribute`."""

    VALUE = 1
    VERDICT = 2


class Verdict(IntEnum):
    """NF_* and NFT_*: s32. A queue's number is in the upper half of QUEUE."""

    DROP = 0
    ACCEPT = 1
    STOLEN = 2
    QUEUE = 3
    REPEAT = 4
    CONTINUE = -1
    BREAK = -2
    JUMP = -3
    GOTO = -4
    RETURN = -5


class VerdictAttribute(IntEnum):
    """NFTA_VERDICT_*: s32, string, u32."""

    CODE = 1
    CHAIN = 2
    CHAIN_ID = 3


class ExpressionAttribute(IntEnum):
    """NFTA_EXPR_*: string, nest by the name."""

    NAME = 1
    DATA = 2
