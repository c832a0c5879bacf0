"""What other programs put into tables of theirs, which no desired table may say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from linx_async import DesiredStateError, NetworkNamespace, SourceError, netfilter
from linx_async._kernel.netlink import Flag, pack_attribute, pack_nested, pack_text
from linx_async._kernel.nfnetlink import Change, NfnetlinkSocket
from linx_async.testing.namespaces import Namespaces
from tests.kernel.nft_families import ANY
from tests.kernel.nft_messages import (
    APPEND,
    CREATE,
    FAMILY,
    NEWRULE,
    NEWTABLE,
    a_set,
    be32,
    chain,
    done,
    elements,
    rule,
    ruleset,
    sock,
    table,
)
from tests.kernel.nft_place import needs_nft

__all__ = ["ruleset", "sock"]

pytestmark = pytest.mark.anyio

NEWOBJ = 18
NO_UTF8 = b"caf\xe9"
AS_TEXT = NO_UTF8.decode("utf-8", "surrogateescape")
LONG = b"c" * 200
TABLE = f"table {ANY} theirs"


def comment(kind: int, text: bytes) -> bytes:
    """User data as nft keeps it, but for what nft takes for a comment."""
    return pack_attribute(kind, bytes((0, len(text) + 1)) + text + b"\0")


def commented_table(text: bytes) -> Change:
    return Change(NEWTABLE, CREATE, FAMILY, pack_text(1, "theirs") + comment(6, text))


def commented_rule(of: str, text: bytes) -> Change:
    accepts = pack_nested(2, be32(1, 0), pack_nested(2, pack_nested(2, be32(1, 1))))
    body = pack_nested(4, pack_nested(1, pack_text(1, "immediate") + accepts))
    names = pack_text(1, "theirs") + pack_text(2, of)
    return Change(NEWRULE, APPEND, FAMILY, names + body + comment(7, text))


def counter(name: str) -> Change:
    """A counter object of that name."""
    said = pack_text(1, "theirs") + pack_text(2, name) + be32(3, 1) + pack_nested(4)
    return Change(NEWOBJ, int(Flag.CREATE), FAMILY, said)


async def pulled(box: Namespaces) -> netfilter.ObservedTable:
    scope = NetworkNamespace.at_path(box.path("net"))
    found = await netfilter.pull(ANY, "theirs", scope=scope)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([table("theirs"), chain("theirs", AS_TEXT)], id="chain"),
        pytest.param([table("theirs"), a_set("theirs", AS_TEXT)], id="set"),
        pytest.param([table("theirs"), counter(AS_TEXT)], id="object"),
        pytest.param([table("theirs"), chain("theirs", "__chain7")], id="as the kernel names"),
        pytest.param([commented_table(NO_UTF8)], id="table's comment"),
        pytest.param([commented_table(LONG)], id="table's long comment"),
    ],
)
async def test_a_table_that_no_desired_table_can_say_is_read_and_told_so(
    box: Namespaces, sock: NfnetlinkSocket, changes: Sequence[Change]
) -> None:
    await done(sock, *changes)
    found = await pulled(box)
    assert [*found.chains, *found.sets, *found.objects] or found.head.comment
    with pytest.raises(SourceError, match=f"{TABLE}: it cannot be declared as it is"):
        _ = found.table


async def test_names_and_comments_that_are_no_text_are_told_with_surrogates(
    box: Namespaces, sock: NfnetlinkSocket
) -> None:
    await done(
        sock,
        table("theirs"),
        chain("theirs", AS_TEXT),
        rule("theirs", AS_TEXT),
        a_set("theirs", AS_TEXT),
        elements("theirs", AS_TEXT, [7]),
    )
    found = await pulled(box)
    assert [len(each.rules) for each in found.chains.values()] == [1]
    assert (list(found.chains), list(found.sets)) == ([AS_TEXT], [AS_TEXT])
    assert len(found.sets[AS_TEXT].set.elements) == 1


@pytest.mark.parametrize("text", [NO_UTF8, LONG])
async def test_a_rule_with_an_odd_comment_can_be_declared(
    box: Namespaces, sock: NfnetlinkSocket, text: bytes
) -> None:
    await done(sock, table("theirs"), chain("theirs", "c"), commented_rule("c", text))
    (only,) = (await pulled(box)).table.chains
    (said,) = only.rules
    assert isinstance(said, netfilter.Rule)
    assert said.comment == text.decode("utf-8", "surrogateescape")


async def test_what_cannot_be_declared_is_named(box: Namespaces, sock: NfnetlinkSocket) -> None:
    await done(sock, table("theirs"), chain("theirs", "plain"), chain("theirs", AS_TEXT))
    with pytest.raises(SourceError) as raised:
        _ = (await pulled(box)).table
    words = str(raised.value)
    assert "chains[1].name" in words
    assert repr(AS_TEXT) in words
    assert "chains, sets and objects one by one" in words


@needs_nft
def test_the_same_in_nft_text_is_wrong_as_written() -> None:
    with pytest.raises(DesiredStateError, match=r"chains\[0\]\.name: '__chain7' is a name"):
        netfilter.parse(f"table {ANY} ours {{ chain __chain7 {{ }}; }}")
