"""The example of a web service with a loop in its lifespan; its server runs on asyncio alone."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator

import anyio
import httpx
import pytest

from linx_async import rtnl
from tests.iproute2 import ip
from tests.kernel.example_program import Example, example
from tests.kernel.program import PATIENCE

pytestmark = pytest.mark.anyio

NETWORK = "192.0.2.0/24"
OURS = ("route", "show", "type", "blackhole", "proto", "200")

CRASHES = """
from examples import web_service
from linx_async import Restart, Supervisor, rtnl

class Source(rtnl.Source):
    async def apply(self, batch):
        raise RuntimeError("it breaks")

web_service.rtnl.Source = Source
web_service.Supervisor = lambda loop: Supervisor(loop, restart=Restart(burst=0))
web_service.main()
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_route_is_left() -> Iterator[None]:
    yield
    ip("route", "flush", "table", "main", "proto", "200")


def client_of(program: Example) -> httpx.AsyncClient:
    """A client, once the service takes requests."""
    line = program.until("Uvicorn running on ")
    url = next(word for word in line.split() if word.startswith("http://"))
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE)


async def until(announcements: AsyncIterator[object], text: str) -> None:
    with anyio.fail_after(PATIENCE):
        async for each in announcements:
            if text in str(each):
                return


async def test_a_network_stays_blocked_until_it_is_asked_otherwise() -> None:
    with example("web_service", "--port", "0") as program:
        async with client_of(program) as client, rtnl.monitor("route") as announcements:
            assert (await client.put(f"/blocked/{NETWORK}")).json() == [NETWORK]
            ip("route", "delete", "blackhole", NETWORK)
            for _ in range(3):  # it was added, deleted, and is back
                await until(announcements, NETWORK)
        assert NETWORK in ip(*OURS)
        code, rest = program.interrupt()
    assert (code, "Traceback" in rest) == (0, False)
    assert "Application shutdown complete" in rest
    assert NETWORK in ip(*OURS)

    with example("web_service", "--port", "0") as program:
        async with client_of(program) as client:
            assert (await client.get("/blocked")).json() == [NETWORK]  # the kernel knew
            assert (await client.delete(f"/blocked/{NETWORK}")).json() == []
        assert ip(*OURS) == ""


async def test_what_cannot_be_blocked_is_told() -> None:
    ip("route", "add", "prohibit", NETWORK)
    try:
        with example("web_service", "--port", "0") as program:
            async with client_of(program) as client:
                wrong = await client.put("/blocked/192.0.2.0/240")
                taken = await client.put(f"/blocked/{NETWORK}")
    finally:
        ip("route", "delete", "prohibit", NETWORK)
    assert (wrong.status_code, taken.status_code) == (400, 409)
    assert "'192.0.2.0/240' is no network" in wrong.json()["error"]
    assert f"conflict: route {NETWORK}: protocol 3 (boot) has prohibit" in taken.json()["error"]


async def test_the_service_ends_where_its_loop_does() -> None:
    with Example("-c", CRASHES, "--port", "0") as program:
        async with client_of(program) as client:
            refused = await client.put(f"/blocked/{NETWORK}")
        code, rest = program.ended()
    assert (refused.status_code, code) == (503, -signal.SIGTERM)
    assert "LoopFailed: loop 'blocked': crashed 1 times in 60 s: it breaks" in rest
