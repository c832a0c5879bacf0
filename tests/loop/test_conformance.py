"""The conformance suite: which Sources it lets pass, and what it asks of a case."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from linx_async.testing import conformance
from linx_async.testing.conformance import SOURCE_LAWS, CaseError, Law, LawBroken, check_source
from linx_async.testing.fake import FakeSource
from linx_async.testing.kernel import FakeKernel
from tests.conformance import LAWS, ONE, TakesOver, case_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def backend(anyio_backend: tuple[str, object]) -> str:
    return anyio_backend[0]


# What keeps the laws ------------------------------------------------------------------------------


@pytest.mark.parametrize("law", SOURCE_LAWS, ids=str)
async def test_a_source_over_a_fake_kernel_keeps_each_law(law: Law, backend: str) -> None:
    silent = await law.check(case_of(FakeSource))
    assert bool(silent) == (law.name == "task_cancellation" and backend == "trio")


@pytest.mark.parametrize("batch", [1, 2])
async def test_it_keeps_them_in_batches(batch: int) -> None:
    await check_source(case_of(lambda kernel: FakeSource(kernel, batch=batch)))


async def test_one_that_puts_back_what_was_there_keeps_them() -> None:
    def make(kernel: FakeKernel) -> FakeSource:
        kernel.objects.setdefault("a", "0")
        kernel.objects.setdefault("b", "0")
        kernel.objects.setdefault("c", "0")
        return FakeSource(kernel, on_release="revert")

    make_first = case_of(make, rival=None)
    make_first.make()
    assert "conflicts" in await check_source(make_first)


async def test_one_that_leaves_things_as_they_are_keeps_them() -> None:
    silent = await check_source(
        case_of(lambda kernel: TakesOver(kernel, on_release="keep"), rival=None, restores=False)
    )
    assert silent["conflicts"].startswith("the case has no rival")


async def test_one_without_hints_keeps_them() -> None:
    class Mute(FakeSource):
        def subscribe(self) -> None:
            return None

    silent = await check_source(case_of(Mute))
    assert silent["hints"] == "the source has no hints"


async def test_all_is_as_it_was_after_each_law() -> None:
    case = case_of(FakeSource)
    source: Any = case.make()
    kernel: FakeKernel = source.kernel
    for law in SOURCE_LAWS:
        await law.check(case)
        assert kernel.look() == {"theirs": "1"}
        assert kernel.watched == 0


async def test_a_pass_that_a_law_only_needs_is_of_another_law() -> None:
    def make(kernel: FakeKernel) -> FakeSource:
        kernel.refuse("b", errno.EBUSY)
        return FakeSource(kernel)

    with pytest.raises(
        LawBroken, match=r"a pass did not converge\n +applied: put a = 1"
    ) as failure:
        await LAWS["quiet"].check(case_of(make))
    assert failure.value.law == "convergence"


# What says nothing --------------------------------------------------------------------------------


async def test_a_scope_with_nothing_foreign_in_it_says_nothing() -> None:
    async def look() -> Mapping[str, object]:
        return {}

    with pytest.raises(CaseError, match="put something of somebody else's"):
        await check_source(evolve(case_of(FakeSource), look=look))


async def test_somebody_else_who_changes_nothing_says_nothing() -> None:
    async def meddle() -> None:
        """Nothing."""

    with pytest.raises(CaseError, match="no change of anything that the first state desires"):
        await LAWS["drift"].check(evolve(case_of(FakeSource), meddle=meddle))


async def test_somebody_else_who_holds_nothing_says_nothing() -> None:
    @asynccontextmanager
    async def rival() -> AsyncIterator[None]:
        yield

    with pytest.raises(CaseError, match="rival: `look` shows nothing under a key that the first"):
        await LAWS["conflicts"].check(case_of(FakeSource, rival=rival))


async def test_what_a_state_shows_has_to_be_told_unless_it_is_a_mapping() -> None:
    case = case_of(FakeSource, states=([("a", "1")], [("a", "2")]))
    with pytest.raises(CaseError, match=r"shows: .* no mapping, but \[\('a', '1'\)\]"):
        await check_source(case)


async def test_one_state_is_too_few() -> None:
    with pytest.raises(ValueError, match="states"):
        case_of(FakeSource, states=(ONE,))


# For everyone -------------------------------------------------------------------------------------


def test_it_needs_no_test_framework() -> None:
    code = (
        f"import sys, {conformance.__name__}\n"
        "print(*sorted({'pytest', 'trio', 'hypothesis'} & sys.modules.keys()))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert loaded.stdout.strip() == ""
