"""Every table of the corpus comes into the kernel and back unchanged, in one pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve

from linx_async import DesiredStateError
from linx_async.netfilter import Table
from linx_async.testing.namespaces import throwaway
from tests.kernel.nft_families import lacking
from tests.kernel.nft_place import Entered, Place, place_in
from tests.kernel.nft_tables import Corpus, corpus, differences

pytestmark = pytest.mark.anyio

ALWAYS = [each for each in corpus() if each.needs is None]
TOPICS = sorted({(each.topic, each.family) for each in ALWAYS})
SOMETIMES = [each for each in corpus() if each.needs is not None]


@pytest.fixture(scope="module")
def linked() -> Iterator[Place]:
    """A namespace with the links that the corpus names."""
    with throwaway("net") as box:
        found = place_in(box, links=True)
        yield found
        found.close()


@pytest.fixture
def tables(topic: str, family: str) -> list[Table]:
    if missing := lacking(family):
        pytest.skip(missing)
    return [each.table for each in ALWAYS if (each.topic, each.family) == (topic, family)]


@pytest.fixture
def table(which: Corpus) -> Table:
    try:
        return which.table
    except DesiredStateError as error:
        pytest.skip(which.needs or str(error))


async def comes_and_goes(place: Place, source: Entered, table: Table) -> None:
    await source.converges(table)
    assert not differences(await place.pulled(table), table)
    # Somebody who knows nothing of it.
    assert (await place.converges(table)).applied == ()


@pytest.mark.parametrize(("topic", "family"), TOPICS)
async def test_what_is_pushed_is_what_is_pulled_and_the_next_pass_is_empty(
    linked: Place, topic: str, tables: list[Table]
) -> None:
    async with linked.entered() as source:
        for number, table in enumerate(tables):
            await comes_and_goes(linked, source, evolve(table, name=f"{topic}{number}"))


@pytest.mark.parametrize("which", SOMETIMES, ids=lambda which: which.name)
async def test_so_it_is_with_what_takes_a_kernel_that_has_it(
    linked: Place, which: Corpus, table: Table
) -> None:
    async with linked.entered() as source:
        report = await source.reconcile(table)
        if report.failed:
            pytest.skip(f"{which.needs}: {report.failed[0]}")
        await comes_and_goes(linked, source, table)
