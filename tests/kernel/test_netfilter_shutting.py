"""A chain whose policy is to drop is shut from the first moment on, and has no more rules after."""

from __future__ import annotations

import pytest

from linx_async import netfilter
from linx_async.netfilter import Chain, Table
from linx_async.netfilter.build import Built, accept, drop, mark, rule
from tests.kernel.nft_place import Place, place

__all__ = ["place"]

pytestmark = pytest.mark.anyio

SHUT = "shut until the policy holds"


def table(*rules: Built, policy: str = "drop", priority: int = 0) -> Table:
    chain = Chain("o", rules, hook="output", policy=policy, priority=priority)
    return Table("inet", "ours", [chain])


MARKED = rule(mark == 1, accept())
OPEN = table(rule(drop()), policy="accept")
CLOSED = table(MARKED)
LATER = table(MARKED, priority=5)


@pytest.mark.parametrize(
    ("before", "after"),
    [(OPEN, CLOSED), (CLOSED, LATER)],
    ids=["a policy that takes a rule's place", "another priority"],
)
async def test_a_rule_shuts_the_chain_until_its_policy_holds(
    place: Place, before: Table, after: Table
) -> None:
    await place.converges(before)
    report = await place.converges(after)
    words = [str(op) for op in report.applied]
    (added,) = [word for word in words if word.startswith("add rule") and SHUT in word]
    assert added.endswith(f'drop comment "{SHUT}"')
    assert SHUT in words[-1]
    assert words[-1].startswith("delete rule of o")
    assert await place.pulled(after) == after
    assert SHUT not in await place.shown("table", "inet", "ours")


async def test_a_table_that_is_replaced_is_shut_too(place: Place) -> None:
    await place.converges(CLOSED)
    report = await netfilter.push(CLOSED, mode="replace", scope=place.scope, lifetime="shared")
    assert report.converged
    assert sum(SHUT in str(op) for op in report.applied) == 2
    assert await place.pulled(CLOSED) == CLOSED


async def test_a_table_that_was_not_there_needs_no_such_rule(place: Place) -> None:
    report = await place.converges(CLOSED)
    assert not any(SHUT in str(op) for op in report.applied)


async def test_one_that_was_left_behind_is_deleted_by_the_next_pass(place: Place) -> None:
    await place.converges(CLOSED)
    await place.load(f'add rule inet ours o drop comment "{SHUT}"')
    report = await place.converges(CLOSED)
    assert [type(op).__name__ for op in report.applied] == ["DeleteRule"]
