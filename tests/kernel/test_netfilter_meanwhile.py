"""What packets and time do to sets between a look and the transaction that it leads to."""

from __future__ import annotations

import errno

import pytest
from attrs import evolve

from linx_async import netfilter
from linx_async._kernel.nfnetlink import NfnetlinkSocket
from linx_async.netfilter import AddElements, AddSet, AddTable, Set, Table
from linx_async.netfilter.encoding import Encoder
from tests.kernel.nft_between import BeforeCommits, before_commits
from tests.kernel.nft_families import ANY, needs_inet
from tests.kernel.nft_messages import done, ruleset, sock
from tests.kernel.nft_place import Place, needs_nft, place, said

__all__ = ["before_commits", "place", "ruleset", "sock"]

pytestmark = [pytest.mark.anyio, needs_nft, needs_inet]

SEEN = "set seen { type inet_service; size 100; flags dynamic; }"
WAYS = "map ways { type inet_service : mark; size 100; flags dynamic; }"


async def parsed(declared: str, rule: str) -> Table:
    hook = "type filter hook input priority 0;"
    return await netfilter.compile(
        f"table inet ours {{ {declared}\nchain main {{ {hook}\n{rule}\n}}\n}}"
    )


def adding(whole: Table, *entries: object) -> Table:
    (only,) = whole.sets
    return evolve(whole, sets=[only.adding(entries)])


async def test_an_element_that_a_packet_puts_there_before_us_is_no_error(
    place: Place, before_commits: BeforeCommits
) -> None:
    fw = await parsed(SEEN, "udp dport 1-99 add @seen { udp dport }")
    async with place.entered() as ours:
        await ours.converges(fw)
        left = before_commits([lambda: place.sends(9)])
        await ours.converges(adding(fw, 9, 10))
        assert left == []
        assert len((await place.pull(fw)).sets["seen"].set.elements) == 2


async def test_an_element_that_somebody_put_there_before_us_with_another_value_is_told(
    place: Place, before_commits: BeforeCommits
) -> None:
    fw = await parsed(WAYS, "udp dport 1-99 add @ways { udp dport : 0x7 }")
    (ways,) = fw.sets
    wanted = evolve(fw, sets=[ways.adding({9: 5})])
    async with place.entered() as ours:
        await ours.converges(fw)
        left = before_commits([lambda: place.sends(9)])
        report = await ours.reconcile(wanted)
        assert left == []
        assert "a key is there with another value" in said(report)
        await ours.converges(wanted)


async def test_an_element_that_a_packet_takes_away_before_us_is_told_and_gone(
    place: Place, before_commits: BeforeCommits
) -> None:
    puts = "udp dport 9 add @sizes { udp length }\nudp dport 10 delete @sizes { udp length }"
    fw = await parsed("set sizes { typeof udp length; size 9; flags dynamic; }", puts)
    (sizes,) = fw.sets
    fw = evolve(fw, sets=[evolve(sizes, managed=True)])
    async with place.entered() as ours:
        await ours.converges(fw)
        place.sends(9)
        left = before_commits([lambda: place.sends(10)])
        report = await ours.reconcile(fw)
        assert left == []
        assert "its time was over, or a packet took it away" in said(report)
        await ours.converges(fw)


async def test_a_range_that_ends_as_one_that_is_there_is_refused(sock: NfnetlinkSocket) -> None:
    """Without NLM_F_EXCL it is taken: __nft_rbtree_insert() in net/netfilter/nft_set_rbtree.c."""
    there, more = (Set("s", "mark", [(first, 20)], interval=True) for first in (10, 5))
    messages = Encoder(ANY, "t")
    ops = AddTable(ANY, "t"), AddSet(there), AddElements(there, there.elements)
    await done(sock, *(change for op in ops for change in messages.changes(op)))
    again = await sock.commit(
        list(messages.changes(AddElements(more, more.elements))), generation=None
    )
    assert [refusal and refusal.errno for refusal in again.refusals] == [errno.EEXIST]
