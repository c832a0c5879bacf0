"""Expressions for people, and the names in them."""

from __future__ import annotations

import struct

import pytest

from linx_async._kernel.netlink import NetlinkDecodeError, pack_attribute
from linx_async.netfilter.codec.describing import described
from linx_async.netfilter.codec.expressions import canonical, encoded, joined


def be32(value: int) -> bytes:
    return struct.pack(">i" if value < 0 else ">I", value)


def u32(kind: int, value: int) -> bytes:
    return pack_attribute(kind, be32(value))


def lookup(name: str) -> tuple[str, bytes]:
    return "lookup", pack_attribute(1, name.encode() + b"\0") + u32(2, 1)


def jump(chain: str) -> tuple[str, bytes]:
    verdict = u32(1, -3) + pack_attribute(2, chain.encode() + b"\0")
    return "immediate", u32(1, 0) + pack_attribute(2, pack_attribute(2, verdict))


def test_a_rule_is_told_in_one_line() -> None:
    body = joined(
        [
            ("meta", u32(1, 1) + u32(2, 16)),
            ("cmp", u32(1, 1) + u32(2, 0) + pack_attribute(3, pack_attribute(1, b"\6"))),
            lookup("ports"),
            ("counter", b""),
            ("unheard-of", b"\1\2"),
            jump("other"),
        ]
    )
    assert described(body) == (
        "meta dreg=r1 key=l4proto; cmp sreg=r1 op=eq data=06; lookup set='ports' sreg=r1;"
        " counter; unheard-of 0102; jump 'other'"
    )


def test_attributes_nobody_knows_are_kept_and_told() -> None:
    body = joined([("meta", u32(1, 1) + u32(2, 99) + pack_attribute(0x8000 | 77, b"\1"))])
    assert described(canonical(body).body) == "meta dreg=r1 key=99 77=01"


def test_anonymous_names_are_numbered_by_first_use() -> None:
    raw = joined(
        [lookup("__map9"), lookup("__set4"), lookup("s"), lookup("__map9"), jump("__chain3")]
    )
    found = canonical(raw, {"__map9", "__set4"}, {"__chain3"})
    assert (found.sets, found.chains) == (("__map9", "__set4"), ("__chain3",))
    assert found.references.sets == ("s",)
    assert found.body == joined(
        [lookup("__set0"), lookup("__set1"), lookup("s"), lookup("__set0"), jump("__chain0")]
    )


def test_a_name_is_anonymous_only_where_it_is_said_to_be() -> None:
    raw = joined([lookup("__set4"), jump("__chain3")])
    found = canonical(raw)
    assert (found.sets, found.chains, found.body) == ((), (), raw)


def test_ids_take_the_place_of_anonymous_names() -> None:
    body = joined([lookup("__set0"), jump("__chain0")])
    sent = encoded(body, [("__map%d", 7)], [8])
    assert sent == joined(
        [
            ("lookup", lookup("__map%d")[1] + u32(4, 7)),
            ("immediate", u32(1, 0) + pack_attribute(2, pack_attribute(2, u32(1, -3) + u32(3, 8)))),
        ]
    )
    assert canonical(sent).body == body


@pytest.mark.parametrize(
    ("body", "message"),
    [(joined([lookup("__set1")]), "set_ids: 1 are"), (joined([jump("__chain0")]), "chain_ids: 0")],
)
def test_an_anonymous_name_without_an_id_is_told(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encoded(body, [("__set%d", 1)])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (pack_attribute(2, b""), "type 2"),
        (b"\1", "cut short"),
        (pack_attribute(1, b""), "without a name"),
        (pack_attribute(1, pack_attribute(3, b"")), "type 3"),
        (joined([("cmp", u32(1, 1) + pack_attribute(2, b"\0"))]), "op: 1 bytes, not 4"),
    ],
)
def test_malformed_expressions_are_told(raw: bytes, message: str) -> None:
    with pytest.raises(NetlinkDecodeError, match=message):
        canonical(raw)
