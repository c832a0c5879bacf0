"""The desired state comes from a stream, which may say what is wrong, and may end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import anyio
import pytest

from linx_async import Loop
from linx_async.testing import FakeKernel, FakeSource
from tests.loop.running import HOUR, running

pytestmark = pytest.mark.anyio

State = dict[str, str]


async def told(*states: State, every: float = 60.0) -> AsyncIterator[State]:
    for state in states:
        await anyio.sleep(every)
        yield state


async def test_a_loop_converges_on_each_state_that_is_told() -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"})
    seen: list[State] = []

    async def states() -> AsyncIterator[State]:
        for state in ({"a": "2"}, {"b": "3"}):
            yield state
            await loop.wait_converged()
            seen.append(kernel.look())

    async with running(loop):
        await loop.follow(states())
    assert seen == [{"a": "2"}, {"b": "3"}]


async def test_a_burst_becomes_one_pass() -> None:
    source = FakeSource(FakeKernel())
    loop = Loop(source, {}, debounce=1.0, interval=HOUR)
    async with running(loop):
        before = source.passes
        await loop.follow(told(*({"a": str(number)} for number in range(50)), every=0.0))
        await loop.wait_converged()
        assert source.passes == before + 1
        assert loop.desired == {"a": "49"}


async def test_what_is_wrong_is_logged_and_the_state_before_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"})
    with caplog.at_level(logging.ERROR, "linx_async"):
        async with running(loop):
            await loop.follow(told({"a": 1}, {"a": "2"}))  # type: ignore[dict-item]
            await loop.wait_converged()
    assert kernel.look() == {"a": "2"}
    (record,) = caplog.records
    assert "a state is wrong, and not taken" in record.message


async def test_a_stream_that_breaks_is_for_its_task_to_tell() -> None:
    async def broken() -> AsyncIterator[State]:
        yield {"a": "2"}
        raise ConnectionError("the engine is gone")

    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        with pytest.raises(ConnectionError, match="the engine is gone"):
            await loop.follow(broken())
        await loop.wait_converged()
        assert kernel.look() == {"a": "2"}
