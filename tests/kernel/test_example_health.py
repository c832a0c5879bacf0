"""The example of a health endpoint that is fed by the reports of a loop."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from examples.health import PATIENCE, application
from linx_async import Loop, SourceError
from linx_async.testing import FakeKernel, FakeSource
from linx_async.testing.links import add_veth, delete_link, links
from tests.kernel.example_program import example

Ask = Callable[[], Awaitable[tuple[int, dict[str, Any]]]]

INTERVAL = 10.0
LATER = "later1"


@pytest.fixture
def no_link_is_left() -> Iterator[None]:
    yield
    if LATER in links():
        delete_link(LATER)


def test_it_is_healthy_once_what_was_waited_for_is_there(no_link_is_left: None) -> None:
    key = f"net.ipv4.conf.{LATER}.rp_filter"
    with example("health", "--port", "0", f"{key}=1") as program:
        line = program.until("Uvicorn running on ")
        url = next(word for word in line.split() if word.startswith("http://"))
        with httpx.Client(base_url=url, trust_env=False) as client:
            first = client.get("/health")
            assert first.status_code == 503
            told = first.json()
            assert (told["healthy"], told["converged"], told["stale"]) == (False, False, False)
            (waiting,) = told["waiting"]
            assert waiting.startswith(f"{key}: the interface {LATER} is not there")
            add_veth(LATER, f"{LATER}p")
            while (last := client.get("/health")).status_code != 200:
                pass  # asked again, as by whoever probes it; the watchdog ends what takes too long
            assert (last.json()["converged"], last.json()["waiting"]) == (True, [])
        code, rest = program.interrupt()
    assert (code, "Traceback" in rest) == (0, False)


@asynccontextmanager
async def serving(kernel: FakeKernel) -> AsyncIterator[tuple[Loop[Any, Any, Any], Ask]]:
    """The application of a loop, in this process and without a server; and what asks it."""
    loop = Loop(FakeSource(kernel), {"a": "1"}, interval=INTERVAL)
    app = application(loop)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://health") as client,
    ):

        async def ask() -> tuple[int, dict[str, Any]]:
            await anyio.wait_all_tasks_blocked()  # what was reported has been heard
            answer = await client.get("/health")
            return answer.status_code, answer.json()

        yield loop, ask


@pytest.mark.anyio
@pytest.mark.virtual_time
async def test_it_is_healthy_from_the_first_pass_on_as_long_as_passes_come() -> None:
    async with serving(FakeKernel()) as (loop, ask):
        code, told = await ask()
        assert (code, told["healthy"], told["stale"]) == (200, True, False)
        await anyio.sleep(20 * INTERVAL)
        code, told = await ask()
        assert (code, told["stale"]) == (200, False)
        assert told["age"] <= 1.1 * INTERVAL
        loop.pause()
        await anyio.sleep((PATIENCE + 1) * INTERVAL)
        code, told = await ask()
        assert (code, told["converged"], told["stale"]) == (503, True, True)
        loop.resume()
        await loop.reconcile()
        assert (await ask())[0] == 200


@pytest.mark.anyio
@pytest.mark.virtual_time
async def test_what_somebody_else_holds_and_what_fails_is_told() -> None:
    kernel = FakeKernel({"a": "2"})
    async with serving(kernel) as (loop, ask):
        code, told = await ask()
        assert (code, told["conflicts"]) == (503, ["a: it is 2, and not ours"])
        kernel.drift("a", None)
        with kernel.refuse("a", errno.EPERM):
            await loop.reconcile()
            code, told = await ask()
            assert (code, told["failed"]) == (
                503,
                ["put a = 1: a: EPERM (Operation not permitted)"],
            )
        await loop.reconcile()
        assert (await ask())[0] == 200


@pytest.mark.anyio
@pytest.mark.virtual_time
async def test_a_pass_that_cannot_run_is_told() -> None:
    kernel = FakeKernel()
    async with serving(kernel) as (loop, ask):
        kernel.vanish()
        with pytest.raises(SourceError):
            await loop.reconcile()
        code, told = await ask()
        assert (code, told["healthy"], told["stale"]) == (503, False, False)
        assert told["error"] == "the fake kernel is not there"
