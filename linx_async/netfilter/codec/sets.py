"""Sets and maps as bytes: the payloads of NFT_MSG_NEWSET."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from ..._core.checks import unchecked
from ..._kernel.netlink import (
    attribute_map,
    attributes,
    pack_attribute,
    pack_text,
)
from ..desired.elements import Elements
from ..desired.keys import KeyType
from ..desired.sets import Set
from .expressions import canonical
from .set_abi import SetAttribute, SetDescAttribute, SetFieldAttribute, SetFlag, SetPolicy
from .userdata import Comment, split_comment, with_comment
from .words import pack_be32, pack_be64, text_of, u32_of, u64_of

__all__ = ["SetHead", "decode", "encode"]

_A = SetAttribute
_DYNAMIC: Final = 0xFFFF  # what a rule that adds elements makes of a set without a size
_MERGE: Final = b"\x02\x04"  # NFTNL_UDATA_SET_MERGE_ELEMENTS, and the length of its number


@frozen
class SetHead:
    """A set as the kernel shows it, without its elements.

    Attributes:
        set: What it is; an anonymous one has no name there.
        name: Its name in the kernel.
        handle: Its handle.
        anonymous: Whether it is one that a rule has for itself.
        count: How many elements it has, or ranges (Linux 6.16); None where the kernel does not say.
    """

    set: Set
    name: str
    handle: int
    anonymous: bool
    count: int | None = field(default=None, eq=False)


def decode(payload: bytes) -> tuple[str, SetHead]:
    """A set, and the name of its table.

    Args:
        payload: What follows nfgenmsg.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    said = attribute_map(payload)
    name = text_of(said.get(_A.NAME, b""))
    flags = SetFlag(u32_of(said.get(_A.FLAGS, bytes(4))))
    size, fields = _description(said.get(_A.DESC, b""))
    anonymous = SetFlag.ANONYMOUS in flags
    comment, userdata = split_comment(said.get(_A.USERDATA, b""), Comment.SET)
    auto_merge, userdata = _without_merge(userdata)
    length = u32_of(said.get(_A.KEY_LEN, b""))
    data_type = said.get(_A.DATA_TYPE)
    data = None
    if data_type is not None and SetFlag.OBJECT not in flags:
        data = KeyType(u32_of(data_type), u32_of(said.get(_A.DATA_LEN, bytes(4))))
    timeout = said.get(_A.TIMEOUT)
    gc_interval = u32_of(said.get(_A.GC_INTERVAL, bytes(4)))
    value = unchecked(
        Set,
        "" if anonymous else name,
        KeyType(u32_of(said.get(_A.KEY_TYPE, bytes(4))), length, fields),
        Elements(),
        data,
        u32_of(said[_A.OBJ_TYPE]) if _A.OBJ_TYPE in said else None,
        SetFlag.INTERVAL in flags,
        SetFlag.CONSTANT in flags,
        SetFlag.EVAL in flags,
        SetFlag.TIMEOUT in flags,
        None if timeout is None else u64_of(timeout) or None,
        gc_interval or None,
        # Of an anonymous set it is how many elements nft put there.
        None if anonymous or (SetFlag.EVAL in flags and size == _DYNAMIC) else size,
        u32_of(said.get(_A.POLICY, bytes(4))) == SetPolicy.MEMORY,
        auto_merge,
        _expressions(said),
        comment,
        userdata,
        False,
    )
    handle = u64_of(said.get(_A.HANDLE, bytes(8)))
    count = said.get(_A.COUNT)
    head = SetHead(value, name, handle, anonymous, None if count is None else u32_of(count))
    return text_of(said.get(_A.TABLE, b"")), head


def _description(nest: bytes) -> tuple[int | None, tuple[int, ...]]:
    """How many elements it may have, and the bytes of each part of a key."""
    said = attribute_map(nest)
    size = said.get(SetDescAttribute.SIZE)
    fields = tuple(
        u32_of(attribute_map(field).get(SetFieldAttribute.LEN, b""))
        for _, field in attributes(said.get(SetDescAttribute.CONCAT, b""))
    )
    return None if size is None else u32_of(size), fields


def _expressions(said: dict[int, bytes]) -> bytes:
    several = said.get(_A.EXPRESSIONS)
    if several is None and _A.EXPR in said:
        several = pack_attribute(1, said[_A.EXPR])
    return canonical(several).body if several else b""


def _without_merge(userdata: bytes) -> tuple[bool, bytes]:
    """Whether ranges that touch may be joined, and what else there is."""
    offset, found, left = 0, False, []
    while offset + 2 <= len(userdata):
        end = offset + 2 + userdata[offset + 1]
        if userdata[offset : offset + 2] == _MERGE:
            found = any(userdata[offset + 2 : end])
        else:
            left.append(userdata[offset:end])
        offset = end
    return found, b"".join(left)


def flags_of(value: Set) -> SetFlag:
    """The flags of a set (NFTA_SET_FLAGS)."""
    flags = SetFlag(0)
    for said, flag in (
        (value.is_anonymous, SetFlag.ANONYMOUS),
        (value.constant, SetFlag.CONSTANT),
        (value.interval, SetFlag.INTERVAL),
        (value.data is not None, SetFlag.MAP),
        (value.objects is not None, SetFlag.OBJECT),
        (value.timeouts, SetFlag.TIMEOUT),
        (value.dynamic, SetFlag.EVAL),
        (bool(value.type.fields) and value.interval, SetFlag.CONCAT),
        (bool(value.expressions), SetFlag.EXPR),
    ):
        if said:
            flags |= flag
    return flags


def encode(table: str, value: Set, name: str, number: int) -> bytes:
    """What makes a set, without its elements.

    Args:
        table: The name of its table.
        value: The set.
        name: Its name; of an anonymous one a template, `__set%d`.
        number: What tells it from others of the same transaction (NFTA_SET_ID).
    """
    parts = [
        pack_text(_A.TABLE, table),
        pack_text(_A.NAME, name),
        pack_be32(_A.FLAGS, int(flags_of(value))),
        pack_be32(_A.KEY_TYPE, value.type.number),
        pack_be32(_A.KEY_LEN, value.type.length),
        pack_be32(_A.ID, number),
    ]
    if value.data is not None:
        parts.append(pack_be32(_A.DATA_TYPE, value.data.number))
        parts.append(pack_be32(_A.DATA_LEN, value.data.length))
    if value.objects is not None:
        parts.append(pack_be32(_A.OBJ_TYPE, value.objects))
    if value.memory:
        parts.append(pack_be32(_A.POLICY, SetPolicy.MEMORY))
    if description := _packed_description(value):
        parts.append(pack_attribute(_A.DESC, description))
    if value.timeout_ms is not None:
        parts.append(pack_be64(_A.TIMEOUT, value.timeout_ms))
    if value.gc_interval_ms is not None:
        parts.append(pack_be32(_A.GC_INTERVAL, value.gc_interval_ms))
    userdata = (_MERGE + b"\1\0\0\0" if value.auto_merge else b"") + value.userdata
    if userdata := with_comment(value.comment, userdata, Comment.SET):
        parts.append(pack_attribute(_A.USERDATA, userdata))
    if value.expressions:
        parts.append(_packed_expressions(value.expressions))
    return b"".join(parts)


def _packed_description(value: Set) -> bytes:
    size = len(value.elements) if value.is_anonymous else value.size
    parts = [] if size is None else [pack_be32(SetDescAttribute.SIZE, size)]
    if value.type.fields:
        fields = b"".join(
            pack_attribute(1, pack_be32(SetFieldAttribute.LEN, length))
            for length in value.type.fields
        )
        parts.append(pack_attribute(SetDescAttribute.CONCAT, fields))
    return b"".join(parts)


def _packed_expressions(body: bytes) -> bytes:
    """One goes by itself (NFTA_SET_EXPR): kernels before 5.11 know no list of them."""
    several = list(attributes(body))
    if len(several) == 1:
        return pack_attribute(_A.EXPR, several[0][1])
    return pack_attribute(_A.EXPRESSIONS, body)
