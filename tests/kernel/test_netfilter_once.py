"""A table of ours in a single pass, and none at all: what is owned, and what is deleted."""

from __future__ import annotations

import itertools

import pytest

from linx_async import Claim, MemoryStore, Ownership, reconcile
from linx_async.netfilter import Chain, Source, Table
from linx_async.netfilter.build import accept, rule
from tests.kernel.nft_families import ANY, needs_persist

pytestmark = pytest.mark.anyio

numbers = itertools.count(1)


@pytest.fixture
def table() -> Table:
    """A table that no other test has."""
    return Table(ANY, f"once{next(numbers)}", [Chain("c", [rule(accept())])])


def once() -> Source:
    return Source(adopt=False)


async def test_a_single_pass_over_a_table_that_is_right_has_nothing_to_do(table: Table) -> None:
    store = MemoryStore()
    first = await reconcile(once(), table, store=store, name="one")
    assert first.converged
    assert first.applied
    again = await reconcile(once(), table, store=store, name="one")
    assert (again.converged, again.applied) == (True, ())
    await reconcile(once(), None, store=store, name="one")


@needs_persist
async def test_a_look_at_a_table_that_another_of_our_sources_owns_tells_what_differs(
    table: Table,
) -> None:
    async with Source() as owner:
        desired = owner.check(table)
        plan = owner.diff(desired, await owner.observe(desired, Ownership()), Ownership())
        await owner.apply(plan.ops)
        async with once() as looking:
            seen = await looking.observe(table, Ownership())
            assert not looking.diff(table, seen, Ownership()).ops
            other = Table(ANY, table.name)
            ops = looking.diff(other, await looking.observe(other, Ownership()), Ownership()).ops
            assert [str(op) for op in ops] == ["flush chain c (1 rules)", "delete chain c"]
    await reconcile(once(), None, last_applied=Ownership({table.key: Claim(table.key)}))


async def test_where_no_table_is_desired_those_of_the_record_are_deleted(table: Table) -> None:
    made = await reconcile(once(), table)
    gone = await reconcile(once(), None, last_applied=made.last_applied)
    assert [str(op) for op in gone.applied] == [f"delete {table.key}"]
    assert gone.converged
    assert not gone.last_applied
    again = await reconcile(once(), None)
    assert (again.converged, again.applied) == (True, ())
