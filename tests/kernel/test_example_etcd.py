"""The example that takes desired states from etcd: with a real one, of Debian's package."""

from __future__ import annotations

import json
import logging
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from examples.etcd.fleet import fleet, keep
from examples.etcd.keys import connect, put, values
from examples.etcd.measure import URL
from linx_async import Loop, NetworkNamespace, rtnl
from linx_async.testing import Namespaces
from tests.kernel.etcd_server import ELSEWHERE, Server, compact, delete, unpacked
from tests.kernel.program import PATIENCE, ROOT, run

MEASURE = (sys.executable, "-W", "error", "-m", "examples.etcd.measure")
KEY = "a/key"
HERE = b'{"addresses": [["lo", "10.9.0.1/32"]]}'
THERE = b'{"addresses": [["lo", "10.9.0.2/32"]]}'
NUMERIC = pytest.mark.unguarded("trio takes a look at an address that needs no looking up")
OURS = ("route", "show", "proto", "76", "type", "blackhole")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    return unpacked(tmp_path_factory.mktemp("etcd"))


@pytest.fixture
def server(program: str, tmp_path: Path) -> Iterator[Server]:
    server = Server(program, tmp_path)
    yield server
    server.kill()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_fifty_namespaces_follow_one_etcd(program: str, backend: str) -> None:
    done = run([*MEASURE, "--etcd", program, "--rounds", "1", "--backend", backend], cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    title, _, *rows, last = done.stdout.splitlines()
    assert re.match(rf"50 network namespaces, etcd \S+, {backend}, Linux ", title)
    ms = r" +[\d.]+ ms"
    assert [re.sub(rf" +50{ms}{ms}{ms}$", "", row) for row in rows] == [
        "one namespace at a time",
        "all 50 at once",
    ]
    assert last == "50 of 50 have the last change, says ip-route(8)"
    assert pids_of(program) == []


def pids_of(program: str) -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*/exe"):
        try:
            if str(each.readlink()) == program:
                found.append(each.parent.name)
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


@pytest.mark.anyio
async def test_what_is_there_comes_first_and_then_each_change(server: Server) -> None:
    await server.start()
    async with connect(URL) as etcd, aclosing(values(etcd, KEY)) as stream:
        await put(etcd, {KEY: b"first"})
        assert await anext(stream) == b"first"
        for value in (b"second", b"", b"\xff\n"):
            await put(etcd, {KEY: value, f"{KEY}/below": b"of no interest"})
            assert await anext(stream) == value


@pytest.mark.anyio
async def test_nothing_is_told_of_a_key_that_is_not_there(server: Server) -> None:
    await server.start()
    async with connect(URL) as etcd, aclosing(values(etcd, KEY)) as stream:
        async with anyio.create_task_group() as group:
            group.start_soon(put, etcd, {KEY: b"first"})
            assert await anext(stream) == b"first"
        await delete(etcd, KEY)
        await put(etcd, {KEY: b"second"})
        assert await anext(stream) == b"second"


@pytest.mark.anyio
async def test_no_change_is_missed_while_etcd_is_away(server: Server) -> None:
    await server.start()
    async with connect(URL) as etcd, aclosing(values(etcd, KEY)) as stream:
        await put(etcd, {KEY: b"before"})
        assert await anext(stream) == b"before"
        server.kill()
        async with changing(server) as elsewhere:
            await put(elsewhere, {KEY: b"first"})
            await put(elsewhere, {KEY: b"second"})
        await server.start()
        assert [await anext(stream) for _ in range(2)] == [b"first", b"second"]


@pytest.mark.anyio
async def test_after_a_compaction_the_present_value_is_told(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await server.start()
    async with connect(URL) as etcd, aclosing(values(etcd, KEY)) as stream:
        await put(etcd, {KEY: b"before"})
        assert await anext(stream) == b"before"
        server.kill()
        async with changing(server) as elsewhere:
            await put(elsewhere, {KEY: b"first"})
            await put(elsewhere, {KEY: b"second"})
            await compact(elsewhere)
        await server.start()
        assert await anext(stream) == b"second"
        assert "a/key: compacted up to revision 4; it is read anew" in caplog.text


@pytest.mark.anyio
async def test_of_an_etcd_that_was_made_anew_the_present_value_is_told(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await server.start()
    async with connect(URL) as etcd, aclosing(values(etcd, KEY)) as stream:
        for value in (b"first", b"second"):
            await put(etcd, {KEY: value})
        assert await anext(stream) == b"second"
        server.kill()
        shutil.rmtree(server.folder / "data")
        async with changing(server) as elsewhere:
            await put(elsewhere, {KEY: b"another"})
        await server.start()
        assert await anext(stream) == b"another"
        assert "this is revision 2, and it was 3; it is read anew" in caplog.text


@asynccontextmanager
async def changing(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """The server runs for a while, where those who follow it do not look."""
    await server.start(ELSEWHERE)
    async with connect(ELSEWHERE) as etcd:
        yield etcd
    server.kill()


@asynccontextmanager
async def driven(box: Namespaces, etcd: httpx.AsyncClient) -> AsyncIterator[Loop[Any, Any, Any]]:
    """The loop of a namespace that follows a key."""
    supervisor = fleet([NetworkNamespace.of_pid(box.pid)])
    (loop,) = supervisor.loops
    async with anyio.create_task_group() as group:
        await group.start(keep, supervisor, etcd, f"{KEY}/")
        yield loop
        group.cancel_scope.cancel()


@contextmanager
def a_message() -> Iterator[anyio.Event]:
    """Happens when the example logs something."""
    told = anyio.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.set()

    listener = Listener()
    logging.getLogger("examples.etcd").addHandler(listener)
    try:
        yield told
    finally:
        logging.getLogger("examples.etcd").removeHandler(listener)


def key_of(box: Namespaces) -> str:
    return f"{KEY}/{box.pid}"


@NUMERIC
@pytest.mark.anyio
async def test_a_value_that_is_wrong_is_told_and_the_one_before_stays(
    server: Server, box: Namespaces, caplog: pytest.LogCaptureFixture
) -> None:
    await server.start()
    tagged = {"destination": "192.0.2.0/24", "type": "blackhole", "protocol": 77}
    wrong = {
        b"{": "not JSON",
        b'"br0"': "expected a mapping",
        b'{"routes": [["default", "10.0.0.1.1"]]}': "routes[0]",
        json.dumps({"routes": [tagged]}).encode(): "a state is wrong, and not taken",
    }
    async with connect(URL) as etcd, driven(box, etcd) as loop:
        await put(etcd, {key_of(box): HERE})
        await loop.wait_converged(1)
        for value in wrong:
            await put(etcd, {key_of(box): value})
        await put(etcd, {key_of(box): THERE})
        await loop.wait_converged(2)
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == len(wrong)
    for message, reason in zip(told, wrong.values(), strict=True):
        assert reason in message
    addresses = box.run(["ip", "address", "show", "dev", "lo"]).stdout
    assert "10.9.0.2/32" in addresses
    assert "10.9.0.1/32" not in addresses


@NUMERIC
@pytest.mark.anyio
async def test_nothing_is_touched_until_etcd_has_said_what_is_desired(
    server: Server, box: Namespaces
) -> None:
    await server.start()
    box.run(["ip", "route", "add", "blackhole", "192.0.2.0/24", "proto", "76"])
    async with connect(URL) as etcd, driven(box, etcd) as loop:
        with a_message() as told, anyio.fail_after(PATIENCE):
            await put(etcd, {key_of(box): b"wrong"})
            await told.wait()
        assert "192.0.2.0/24" in box.run(["ip", *OURS]).stdout
        await put(etcd, {key_of(box): b"{}"})
        await loop.wait_converged(1)
        assert box.run(["ip", *OURS]).stdout == ""


@pytest.mark.anyio
async def test_the_program_keeps_the_namespaces_that_it_is_named(
    server: Server, blue: str, anyio_backend_name: str
) -> None:
    await server.start()
    program = [sys.executable, "-W", "error", "-m", "examples.etcd.fleet"]
    options = ["--prefix", "hosts/", "--backend", anyio_backend_name]
    async with (
        connect(URL) as etcd,
        rtnl.monitor("address", scope=NetworkNamespace.named(blue)) as announcements,
        await anyio.open_process([*program, *options, blue], cwd=ROOT) as process,
    ):
        await put(etcd, {f"hosts/{blue}": HERE})
        with anyio.fail_after(PATIENCE):
            async for each in announcements:
                if "10.9.0.1/32" in str(each):
                    break
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0


@pytest.fixture
def blue() -> Iterator[str]:
    """A network namespace of that name, in the /run that is our own."""
    subprocess.run(["ip", "netns", "add", "blue"], check=True)
    yield "blue"
    subprocess.run(["ip", "netns", "delete", "blue"], check=True)
