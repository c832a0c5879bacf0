"""What the service manager is told, over sockets of the test's own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async.cli.notify import ServiceSocket, reloading, status, with_status


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "path":
        return str(tmp_path / "notify")
    return f"@linx-test-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
def listener(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        listener.setblocking(False)
        yield listener


@pytest.mark.anyio
async def test_a_message_comes_as_one_datagram(address: str, listener: socket.socket) -> None:
    there = ServiceSocket(address)
    await there.send(with_status("READY=1", "all is\nwell"))
    await there.send(reloading(123))
    assert listener.recv(4096) == b"READY=1\nSTATUS=all is well"
    assert listener.recv(4096) == b"RELOADING=1\nMONOTONIC_USEC=123"


@pytest.mark.anyio
async def test_a_message_waits_for_room_and_an_endless_wait_is_an_error(
    address: str, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linx_async.cli.notify._PATIENCE", 0.05)
    there = ServiceSocket(address)
    sent = 0

    async def fill() -> None:
        nonlocal sent
        while sent < 10000:
            await there.send(b"WATCHDOG=1")
            sent += 1

    with pytest.raises(TimeoutError):
        await fill()
    assert sent > 0
    monkeypatch.setattr("linx_async.cli.notify._PATIENCE", 60)
    got: list[bytes] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(there.send, b"LAST=1")
        await anyio.wait_all_tasks_blocked()
        got += [listener.recv(4096) for _ in range(sent)]
    assert set(got) == {b"WATCHDOG=1"}
    assert listener.recv(4096) == b"LAST=1"


@pytest.mark.anyio
@pytest.mark.parametrize("nobody", ["/no/such/socket", "@no such socket", f"/{'x' * 200}"])
async def test_nobody_to_tell_is_an_error(nobody: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the kernel's, or that of a path too long
        await ServiceSocket(nobody).send(b"READY=1")


@pytest.mark.anyio
async def test_where_nobody_listens_nothing_is_sent() -> None:
    await ServiceSocket().send(b"READY=1")


def test_what_the_variables_say_is_taken_and_not_left_to_our_children() -> None:
    environment = {
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "1500000",
        "WATCHDOG_PID": "7",
        "PATH": "/bin",
    }
    assert ServiceSocket.taken_from(environment, 7) == ServiceSocket("/run/systemd/notify", 1.5)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ServiceSocket()),
        ({"WATCHDOG_USEC": "1500000"}, ServiceSocket()),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, ServiceSocket()),
        ({"NOTIFY_SOCKET": "@"}, ServiceSocket()),
        ({"NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": "soon"}, ServiceSocket("@a")),
        ({"NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": "0"}, ServiceSocket("@a")),
        ({"NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": "9", "WATCHDOG_PID": "8"}, ServiceSocket("@a")),
        ({"NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": "2000000"}, ServiceSocket("@a", 2.0)),
    ],
)
def test_what_the_variables_say_may_be_nothing_or_nonsense(
    variables: dict[str, str], expected: ServiceSocket
) -> None:
    assert ServiceSocket.taken_from(dict(variables), 7) == expected


@given(st.text())
def test_a_status_is_one_line_that_is_not_long(text: str) -> None:
    line = status(text)
    assert line.startswith("STATUS=")
    assert line.splitlines() == [line]
    assert line.isprintable()
    assert len(line) <= 220
    line.encode()
