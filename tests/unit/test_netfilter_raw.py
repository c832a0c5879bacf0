"""Dumps that lack elements of a set are asked for again, where it is told how many there are."""

from __future__ import annotations

import struct

import pytest

from linx_async import SourceError
from linx_async._kernel.conversation import Conversation
from linx_async._kernel.netlink import Message, pack_attribute, pack_nested, pack_text
from linx_async.netfilter.codec.abi import Message as Number
from linx_async.netfilter.codec.set_abi import SetAttribute, SetFlag
from linx_async.netfilter.text import raw

GENMSG = bytes([1, 0, 0, 0])
TABLE = pack_text(1, "fw")
SET = TABLE + pack_text(2, "few")


def be32(kind: int, value: int) -> bytes:
    return pack_attribute(kind, struct.pack(">I", value))


def elements(count: int) -> bytes:
    keys = (pack_nested(1, pack_nested(1, be32(1, key))) for key in range(count))
    return SET + pack_nested(3, b"".join(keys))


class Told(Conversation):
    """A kernel that has a table with a set, and tells more of its elements each time."""

    def __init__(self, declared: bytes, counts: list[int]) -> None:
        self.declared = declared
        self.counts = counts

    def request(
        self, type: int, flags: int = 0, payload: bytes = b"", *, key: str
    ) -> list[Message]:
        said: dict[int, bytes] = {Number.GETTABLE: TABLE, Number.GETSET: SET + self.declared}
        if type == Number.GETSETELEM:
            count = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
            said[type] = elements(count)
        return [Message(type, 0, 0, 0, GENMSG + said[type])] if type in said else []

    def pause(self, seconds: float) -> None:
        """Time does not pass here."""


COUNT = be32(SetAttribute.COUNT, 3)


@pytest.mark.parametrize("counts", [[3], [1, 3], [0, 2, 3], [5]])
def test_as_many_as_there_are_have_to_be_told(counts: list[int]) -> None:
    last = counts[-1]
    (table,) = raw.dumped(Told(COUNT, counts))
    assert table.sets[0].elements == (elements(last),)


@pytest.mark.parametrize("declared", [b"", COUNT + be32(SetAttribute.FLAGS, SetFlag.INTERVAL)])
def test_a_number_that_is_not_told_or_is_one_of_ranges_is_not_compared(declared: bytes) -> None:
    (table,) = raw.dumped(Told(declared, [2]))
    assert table.sets[0].elements == (elements(2),)


def test_some_that_are_never_told_are_an_error() -> None:
    with pytest.raises(SourceError, match="the elements of set few are not all there"):
        raw.dumped(Told(COUNT, [2]))
