"""What nft keeps beside tables, chains, rules, sets and elements: libnftnl's TLVs (udata.h)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from attrs import frozen

from ..._kernel.netlink import NetlinkDecodeError

__all__ = ["Comment", "SetUserdata", "pack_records", "records", "split_comment", "with_comment"]

_LONGEST: Final = 255


class Comment(IntEnum):
    """The type of the record that is a comment, by what it is a comment to.

    NFTNL_UDATA_TABLE_COMMENT, _CHAIN_COMMENT, _RULE_COMMENT, _SET_COMMENT, _SET_ELEM_COMMENT and
    _OBJ_COMMENT.
    """

    TABLE = 0
    CHAIN = 0
    RULE = 0
    ELEMENT = 0
    OBJECT = 0
    SET = 7


# enum nftnl_udata_set_types
_KEY_BYTEORDER: Final = 0
_DATA_BYTEORDER: Final = 1
_MERGE_ELEMENTS: Final = 2
_KEY_TYPEOF: Final = 3
_DATA_TYPEOF: Final = 4
_EXPRESSION: Final = 5
_DATA_INTERVAL: Final = 6


def records(raw: bytes) -> tuple[tuple[int, bytes], ...]:
    """The types and values of a run of TLVs, with a byte each for type and length.

    Raises:
        NetlinkDecodeError: It is none.
    """
    found: list[tuple[int, bytes]] = []
    offset, end = 0, len(raw)
    while offset < end:
        start = offset + 2
        if start > end or start + raw[offset + 1] > end:
            raise NetlinkDecodeError("a record of userdata is cut short", offset)
        stop = start + raw[offset + 1]
        found.append((raw[offset], raw[start:stop]))
        offset = stop
    return tuple(found)


def pack_records(pairs: Iterable[tuple[int, bytes]]) -> bytes:
    """TLVs of their types and values.

    Raises:
        ValueError: A type or a length does not fit its byte.
    """
    parts: list[bytes] = []
    for kind, value in pairs:
        if not 0 <= kind <= _LONGEST or len(value) > _LONGEST:
            raise ValueError(f"userdata: type {kind} with {len(value)} bytes does not fit")
        parts.append(bytes((kind, len(value))) + value)
    return b"".join(parts)


def with_comment(comment: str | None, rest: bytes, kind: Comment) -> bytes:
    """Userdata with a comment where nft has it, and with whatever else there is.

    Raises:
        ValueError: The comment is longer than 254 bytes.
    """
    if comment is None:
        return rest
    record = pack_records([(kind, _text(comment))])
    return rest + record if kind else record + rest


def split_comment(raw: bytes, kind: Comment) -> tuple[str | None, bytes]:
    """The comment in userdata, and what else is there; (None, all of it) where it is not nft's."""
    try:
        found = records(raw)
    except NetlinkDecodeError:
        return None, raw
    comments = [value for each, value in found if each == kind]
    if len(comments) != 1 or not _is_text(comments[0]):
        return None, raw
    return _untext(comments[0]), pack_records(pair for pair in found if pair[0] != kind)


@frozen
class SetUserdata:
    """What nft keeps beside a set or map.

    Attributes:
        key_byteorder: Of its keys: 1 is the machine's, 2 big-endian (enum byteorder in nftables).
        data_byteorder: Of what a map has for them.
        merge_elements: Whether nft joins ranges that touch (`auto-merge`).
        key_typeof: What `typeof` says of its keys, as nft packs it.
        data_typeof: What it says of the data.
        expression: What nft keeps of its statements.
        data_interval: Whether the data are ranges.
        comment: The comment.
        rest: Records of other types.
    """

    key_byteorder: int | None = None
    data_byteorder: int | None = None
    merge_elements: bool = False
    key_typeof: bytes | None = None
    data_typeof: bytes | None = None
    expression: bytes | None = None
    data_interval: bool = False
    comment: str | None = None
    rest: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def parse(cls, raw: bytes) -> SetUserdata:
        """Of a set's userdata.

        Raises:
            NetlinkDecodeError: It is malformed: not of nft.
        """
        said = dict(records(raw))
        comment = said.pop(Comment.SET, None)
        return cls(
            _maybe_number(said.pop(_KEY_BYTEORDER, None)),
            _maybe_number(said.pop(_DATA_BYTEORDER, None)),
            bool(_maybe_number(said.pop(_MERGE_ELEMENTS, None))),
            said.pop(_KEY_TYPEOF, None),
            said.pop(_DATA_TYPEOF, None),
            said.pop(_EXPRESSION, None),
            bool(_maybe_number(said.pop(_DATA_INTERVAL, None))),
            None if comment is None else _untext(comment),
            tuple(said.items()),
        )

    def packed(self) -> bytes:
        """As userdata, in nft's order.

        Raises:
            ValueError: The comment, or something else, is longer than 255 bytes.
        """
        comment = None if self.comment is None else _text(self.comment)
        pairs = (
            (_KEY_BYTEORDER, _number(self.key_byteorder)),
            (_DATA_BYTEORDER, _number(self.data_byteorder)),
            (_MERGE_ELEMENTS, _number(1 if self.merge_elements else None)),
            (_KEY_TYPEOF, self.key_typeof),
            (_DATA_TYPEOF, self.data_typeof),
            (_EXPRESSION, self.expression),
            (_DATA_INTERVAL, _number(1 if self.data_interval else None)),
            (Comment.SET, comment),
        )
        known = [(kind, value) for kind, value in pairs if value is not None]
        return pack_records([*known, *self.rest])


def _text(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape") + b"\0"


def _is_text(value: bytes) -> bool:
    return value != b"" and value.find(b"\0") == len(value) - 1


def _untext(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _number(value: int | None) -> bytes | None:
    return None if value is None else value.to_bytes(4, sys.byteorder)


def _maybe_number(value: bytes | None) -> int | None:
    if value is None:
        return None
    if len(value) != 4:
        raise NetlinkDecodeError(f"a number of {len(value)} bytes in userdata, not 4", 0)
    return int.from_bytes(value, sys.byteorder)
