"""Tables and objects as bytes: the payloads of NFT_MSG_NEWTABLE and NFT_MSG_NEWOBJ."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from ..._core.checks import unchecked
from ..._kernel.netlink import attribute_map, pack_attribute, pack_text
from ..desired.objects import Object
from .abi import TableAttribute
from .expressions import canonical_object
from .object_abi import ObjectAttribute
from .userdata import Comment, split_comment, with_comment
from .words import pack_be32, text_of, u32_of, u64_of

__all__ = [
    "OUR_MARK",
    "ObjectHead",
    "TableHead",
    "decode",
    "decode_object",
    "encode",
    "encode_object",
]

_T = TableAttribute
_O = ObjectAttribute

OUR_MARK: Final = b"\x4c\x0alinx-async"
"""What tables of ours have in their user data, beside a comment; nft passes over what it does not
know there."""


@frozen
class TableHead:
    """A table as the kernel shows it, without what is in it.

    Attributes:
        name: Its name.
        flags: Its flags (NFT_TABLE_F_*).
        handle: Its handle, which no other table of the namespace has ever had.
        owner: The port id of the socket that owns it; 0 where none does.
        comment: What nft shows with it.
        userdata: What else there is in its user data, but for our mark.
        ours: Whether our mark is there.
    """

    name: str
    flags: int
    handle: int
    owner: int
    comment: str | None
    userdata: bytes
    ours: bool


def decode(payload: bytes) -> TableHead:
    """A table.

    Args:
        payload: What follows nfgenmsg.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    said = attribute_map(payload)
    comment, userdata = split_comment(said.get(_T.USERDATA, b""), Comment.TABLE)
    ours = OUR_MARK in userdata
    owner = said.get(_T.OWNER)
    return TableHead(
        text_of(said.get(_T.NAME, b"")),
        u32_of(said.get(_T.FLAGS, bytes(4))),
        u64_of(said.get(_T.HANDLE, bytes(8))),
        0 if owner is None else u32_of(owner),
        comment,
        userdata.replace(OUR_MARK, b"", 1),
        ours,
    )


def encode(name: str, flags: int, comment: str | None, userdata: bytes) -> bytes:
    """What makes a table of ours, or takes it over again."""
    marked = with_comment(comment, OUR_MARK + userdata, Comment.TABLE)
    return b"".join(
        (
            pack_text(_T.NAME, name),
            pack_be32(_T.FLAGS, flags),
            pack_attribute(_T.USERDATA, marked),
        )
    )


@frozen
class ObjectHead:
    """An object as the kernel shows it.

    Attributes:
        object: What it is.
        handle: Its handle.
        raw: What it is told, and what it counted (NFTA_OBJ_DATA).
    """

    object: Object
    handle: int
    raw: bytes


def decode_object(payload: bytes) -> tuple[str, ObjectHead]:
    """An object, and the name of its table.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    said = attribute_map(payload)
    comment, userdata = split_comment(said.get(_O.USERDATA, b""), Comment.OBJECT)
    kind = u32_of(said.get(_O.TYPE, b""))
    raw = said.get(_O.DATA, b"")
    value = unchecked(
        Object,
        text_of(said.get(_O.NAME, b"")),
        kind,
        canonical_object(kind, raw),
        comment,
        userdata,
    )
    handle = u64_of(said.get(_O.HANDLE, bytes(8)))
    return text_of(said.get(_O.TABLE, b"")), ObjectHead(value, handle, raw)


def encode_object(table: str, value: Object, body: bytes | None = None) -> bytes:
    """What makes an object.

    Args:
        table: The name of its table.
        value: The object.
        body: What it is told instead, with what it counted before.
    """
    parts = [
        pack_text(_O.TABLE, table),
        pack_text(_O.NAME, value.name),
        pack_be32(_O.TYPE, value.type),
        pack_attribute(_O.DATA, value.body if body is None else body),
    ]
    if userdata := with_comment(value.comment, value.userdata, Comment.OBJECT):
        parts.append(pack_attribute(_O.USERDATA, userdata))
    return b"".join(parts)
