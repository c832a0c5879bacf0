"""Computations in bulk: the cycle collector is put off, and comes back as it was."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import anyio
import pytest

from linx_async._core.bulk import run_in_bulk

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.anyio
async def test_one_who_has_it_switched_off_finds_it_so() -> None:
    gc.disable()
    await run_in_bulk(int)
    assert not gc.isenabled()


@pytest.mark.anyio
async def test_the_last_of_several_at_once_brings_it_back() -> None:
    met, short_ended = threading.Barrier(2), threading.Event()
    seen: list[bool] = []

    def long() -> None:
        met.wait(PATIENCE)
        assert short_ended.wait(PATIENCE)
        seen.append(gc.isenabled())

    async def short() -> None:
        await run_in_bulk(met.wait, PATIENCE)
        short_ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(run_in_bulk, long)
        group.start_soon(short)
    assert seen == [False]
    assert gc.isenabled()


@pytest.mark.anyio
async def test_work_in_bulk_is_done_in_a_thread_without_collections() -> None:
    def work(number: int) -> tuple[int, bool, bool]:
        return number + 1, gc.isenabled(), threading.current_thread() is threading.main_thread()

    assert await run_in_bulk(work, 1) == (2, False, False)
    assert gc.isenabled()


@pytest.mark.anyio
async def test_an_error_of_the_work_is_raised() -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_in_bulk(work)
    assert gc.isenabled()


@pytest.mark.anyio
async def test_work_that_is_cancelled_leaves_it_as_it_was() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await run_in_bulk(int)
    assert scope.cancelled_caught
    assert gc.isenabled()
