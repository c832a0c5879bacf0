"""Chains and flowtables as bytes: the payloads of NFT_MSG_NEWCHAIN and NFT_MSG_NEWFLOWTABLE."""

from __future__ import annotations

import struct
from typing import Any, Final

from attrs import frozen

from ..._core.checks import unchecked
from ..._kernel.netlink import attribute_map, attributes, pack_attribute, pack_text
from ..desired.chain import POLICIES, Chain
from ..desired.families import HOOKS
from ..desired.flowtable import Flowtable
from .abi import ChainAttribute, ChainFlag, DeviceAttribute, HookAttribute
from .object_abi import FlowtableAttribute, FlowtableHookAttribute
from .userdata import Comment, split_comment, with_comment
from .words import pack_be32, s32_of, text_of, u32_of, u64_of

__all__ = [
    "ChainHead",
    "FlowtableHead",
    "decode",
    "decode_flowtable",
    "encode",
    "encode_flowtable",
    "encode_policy",
]

_A = ChainAttribute
_F = FlowtableAttribute
_S32: Final = struct.Struct(">i")


@frozen
class ChainHead:
    """A chain as the kernel shows it, without its rules.

    Attributes:
        chain: What it is; one that a rule has for itself has no name there.
        name: Its name in the kernel.
        handle: Its handle.
        bound: Whether it is one that a rule has for itself (NFT_CHAIN_BINDING).
    """

    chain: Chain
    name: str
    handle: int
    bound: bool


@frozen
class FlowtableHead:
    """A flowtable as the kernel shows it, and its handle."""

    flowtable: Flowtable
    handle: int


def decode(payload: bytes, family: str) -> tuple[str, ChainHead]:
    """A chain, and the name of its table.

    Args:
        payload: What follows nfgenmsg.
        family: The table's family.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    said = attribute_map(payload)
    flags = ChainFlag(u32_of(said.get(_A.FLAGS, bytes(4))))
    name = text_of(said.get(_A.NAME, b""))
    bound = ChainFlag.BINDING in flags
    hook = _hook(said[_A.HOOK], family) if _A.HOOK in said else (None, None, ())
    kind = said.get(_A.TYPE)
    policy = said.get(_A.POLICY)
    comment, _ = split_comment(said.get(_A.USERDATA, b""), Comment.CHAIN)
    chain = unchecked(
        Chain,
        "" if bound else name,
        (),
        hook[0],
        None if kind is None else text_of(kind),
        hook[1],
        None if policy is None else POLICIES[u32_of(policy) & 1],
        hook[2],
        ChainFlag.HW_OFFLOAD in flags,
        comment,
    )
    handle = u64_of(said.get(_A.HANDLE, bytes(8)))
    return text_of(said.get(_A.TABLE, b"")), ChainHead(chain, name, handle, bound)


def _hook(nest: bytes, family: str) -> tuple[str, int, tuple[str, ...]]:
    said = attribute_map(nest)
    number = u32_of(said.get(HookAttribute.HOOKNUM, b""))
    names = {each: name for name, each in HOOKS[family].items()}
    priority = s32_of(said.get(HookAttribute.PRIORITY, b""))
    devices = [text_of(said[HookAttribute.DEV])] if HookAttribute.DEV in said else []
    devices += _devices(said.get(HookAttribute.DEVS, b""))
    return names.get(number, f"hook {number}"), priority, tuple(sorted(set(devices)))


def _devices(nest: bytes) -> list[str]:
    return [text_of(value) for kind, value in attributes(nest) if kind == DeviceAttribute.NAME]


def encode(table: str, chain: Chain, family: str, *, name: str = "", number: int = 0) -> bytes:
    """What makes a chain, without its rules.

    Args:
        table: The name of its table.
        chain: The chain.
        family: The table's family.
        name: Its name, where the chain has none.
        number: What tells it from others of the same transaction (NFTA_CHAIN_ID); 0 for none.
    """
    parts = [pack_text(_A.TABLE, table)]
    if chain.name or name:
        parts.append(pack_text(_A.NAME, chain.name or name))
    flags = ChainFlag(0)
    if chain.hook is not None:
        parts.append(pack_attribute(_A.HOOK, _packed_hook(chain, family)))
        parts.append(pack_text(_A.TYPE, str(chain.type)))
        parts.append(pack_be32(_A.POLICY, POLICIES.index(str(chain.policy))))
        flags |= ChainFlag.BASE
    if chain.offload:
        flags |= ChainFlag.HW_OFFLOAD
    if not chain.name:
        flags |= ChainFlag.BINDING
    if flags & (ChainFlag.HW_OFFLOAD | ChainFlag.BINDING):
        parts.append(pack_be32(_A.FLAGS, int(flags)))
    if number:
        parts.append(pack_be32(_A.ID, number))
    if userdata := with_comment(chain.comment, b"", Comment.CHAIN):
        parts.append(pack_attribute(_A.USERDATA, userdata))
    return b"".join(parts)


def encode_policy(table: str, chain: Chain) -> bytes:
    """What changes the policy of a chain."""
    policy = POLICIES.index(str(chain.policy))
    return b"".join(
        (
            pack_text(_A.TABLE, table),
            pack_text(_A.NAME, chain.name),
            pack_be32(_A.POLICY, policy),
        )
    )


def _packed_hook(chain: Chain, family: str) -> bytes:
    number = HOOKS[family][str(chain.hook)]
    priority: Any = chain.priority
    parts = [
        pack_be32(HookAttribute.HOOKNUM, number),
        pack_attribute(HookAttribute.PRIORITY, _S32.pack(priority)),
    ]
    if len(chain.devices) == 1:
        parts.append(pack_text(HookAttribute.DEV, chain.devices[0]))
    elif chain.devices:
        parts.append(pack_attribute(HookAttribute.DEVS, _packed_devices(chain.devices)))
    return b"".join(parts)


def _packed_devices(devices: tuple[str, ...]) -> bytes:
    return b"".join(pack_text(DeviceAttribute.NAME, device) for device in devices)


def decode_flowtable(payload: bytes) -> tuple[str, FlowtableHead]:
    """A flowtable, and the name of its table.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    said = attribute_map(payload)
    hook = attribute_map(said.get(_F.HOOK, b""))
    value = unchecked(
        Flowtable,
        text_of(said.get(_F.NAME, b"")),
        tuple(sorted(set(_devices(hook.get(FlowtableHookAttribute.DEVS, b""))))),
        s32_of(hook.get(FlowtableHookAttribute.PRIORITY, bytes(4))),
        u32_of(said.get(_F.FLAGS, bytes(4))),
    )
    handle = u64_of(said.get(_F.HANDLE, bytes(8)))
    return text_of(said.get(_F.TABLE, b"")), FlowtableHead(value, handle)


def encode_flowtable(table: str, flowtable: Flowtable) -> bytes:
    """What makes a flowtable, or changes its devices."""
    priority: Any = flowtable.priority
    hook = b"".join(
        (
            pack_be32(FlowtableHookAttribute.NUM, 0),
            pack_attribute(FlowtableHookAttribute.PRIORITY, _S32.pack(priority)),
            pack_attribute(FlowtableHookAttribute.DEVS, _packed_devices(flowtable.devices)),
        )
    )
    parts = [
        pack_text(_F.TABLE, table),
        pack_text(_F.NAME, flowtable.name),
        pack_attribute(_F.HOOK, hook),
    ]
    if flowtable.flags:
        parts.append(pack_be32(_F.FLAGS, flowtable.flags))
    return b"".join(parts)
