"""The control socket: what it takes, from whom, and what cannot hurt it."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from anyio.abc import SocketListener, SocketStream
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from linx_async import DesiredStateError
from linx_async.cli.ask import ask, tell
from linx_async.cli.control import Control, Limits
from linx_async.cli.place import ControlError, ControlPlace, peer_of
from linx_async.cli.requests import COMMANDS, LONGEST_REQUEST, Request

STATUS = Request("status")


# Requests


@given(st.sampled_from(COMMANDS), st.lists(st.text()))
def test_a_request_is_read_as_it_was_written(do: str, parts: list[str]) -> None:
    request = Request(do, tuple(parts))
    line = request.line()
    assert line.count(b"\n") == 1
    assert Request.parse(line) == request


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["do", "parts", "x"]), inner),
)


@given(st.binary() | json_like.map(lambda value: json.dumps(value).encode()))
def test_garbage_is_an_error_that_says_so(line: bytes) -> None:
    with suppress(ControlError):
        assert Request.parse(line).do in COMMANDS


@pytest.mark.parametrize(
    "line",
    [
        b"[" * LONGEST_REQUEST,
        b"9" * LONGEST_REQUEST,
        b'{"do": "stop"}',
        b'{"do": "status", "parts": "sysctl"}',
        b'{"do": "status", "parts": [1]}',
        b'{"do": ["status"]}',
        b'{"do": "status", "more": 1}',
        json.dumps({"do": "status", "parts": ["a"] * 5000}).encode(),
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(ControlError):
        Request.parse(line)


# The socket


@pytest.fixture
def place(tmp_path: Path) -> ControlPlace:
    return ControlPlace.below(str(tmp_path / "records"))


async def answered(request: Request) -> dict[str, Any]:
    if "nobody" in request.parts:
        raise DesiredStateError("there is no part 'nobody'")
    return {"did": request.do, "parts": list(request.parts)}


@asynccontextmanager
async def listening(
    place: ControlPlace, answer: Callable[..., Any] = answered, **limits: Any
) -> AsyncIterator[Control]:
    control = Control(answer, Limits(**limits))
    async with anyio.create_task_group() as tasks:
        await tasks.start(control.serve, place)
        yield control
        tasks.cancel_scope.cancel()


async def asked(place: ControlPlace, request: Request = STATUS) -> dict[str, Any]:
    return await to_thread.run_sync(ask, str(place.directory.parent), request)


async def sent(place: ControlPlace, data: bytes, *, and_then: str = "") -> bytes:
    """What comes back for some bytes until the other side hangs up."""

    def talk() -> bytes:
        with place.connect(30) as connection:
            try:
                connection.sendall(data)
                if and_then == "half-close":
                    connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(65536), b""))
            except (BrokenPipeError, ConnectionResetError):
                return b""

    return await to_thread.run_sync(talk)


@pytest.mark.anyio
async def test_an_accept_that_fails_is_not_the_end(
    place: ControlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter([OSError(errno.EMFILE, "no more of them")])
    from_socket = SocketListener.from_socket

    async def listener_on(sock: socket.socket) -> SocketListener:
        listener = await from_socket(sock)
        accept = listener.accept

        async def failing() -> SocketStream:
            for error in refusals:
                raise error
            return await accept()

        monkeypatch.setattr(listener, "accept", failing, raising=False)
        return listener

    monkeypatch.setattr(SocketListener, "from_socket", listener_on)
    async with listening(place):
        assert (await asked(place))["did"] == "status"


@pytest.mark.anyio
async def test_a_request_gets_its_answer(place: ControlPlace) -> None:
    async with listening(place):
        answer = await asked(place, Request("pause", ("sysctl",)))
        assert answer == {"ok": True, "did": "pause", "parts": ["sysctl"]}
        with pytest.raises(ControlError, match="there is no part 'nobody'"):
            await asked(place, Request("pause", ("nobody",)))


@pytest.mark.anyio
async def test_the_directory_and_the_socket_are_for_one_user_alone_and_the_latter_goes(
    place: ControlPlace,
) -> None:
    before = os.umask(0)
    try:
        async with listening(place):
            assert stat.S_IMODE(place.directory.stat().st_mode) == 0o700
            assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert not place.path.exists()
    with pytest.raises(ControlError, match="no `linx run` is running"):
        await asked(place)


@pytest.mark.anyio
async def test_a_socket_that_a_killed_one_left_is_replaced(place: ControlPlace) -> None:
    left = await to_thread.run_sync(place.listen, 1)
    left.listener.close()
    assert place.path.exists()
    with pytest.raises(ControlError, match="no `linx run` is running"):
        await asked(place)
    async with listening(place):
        assert (await asked(place))["ok"]


@pytest.mark.anyio
async def test_a_second_one_takes_nobodys_place(place: ControlPlace) -> None:
    async with listening(place):
        with pytest.raises(ControlError, match="another `linx run` listens there"):
            await to_thread.run_sync(place.listen, 1)
        assert (await asked(place))["ok"]


@pytest.mark.anyio
async def test_only_its_own_socket_is_removed_at_the_end(place: ControlPlace) -> None:
    async with listening(place):
        place.path.unlink()
        place.path.write_text("somebody else's")
    assert place.path.read_text() == "somebody else's"


def test_a_directory_that_others_may_enter_is_refused(place: ControlPlace) -> None:
    place.directory.mkdir(parents=True)
    place.directory.chmod(0o711)
    for use in (lambda: place.listen(1), lambda: place.connect(1)):
        with pytest.raises(ControlError, match="others may enter it"):
            use()
    place.directory.rmdir()
    place.directory.symlink_to("/")
    with pytest.raises(ControlError, match=r"Not a directory|Too many levels"):
        place.listen(1)


@pytest.mark.anyio
async def test_a_directory_however_deep_will_do(place: ControlPlace) -> None:
    above = place.directory.parent
    place = evolve(place, directory=above.joinpath(*["deep" * 10] * 5, "control"))
    async with listening(place):
        assert (await asked(place))["ok"]


@pytest.mark.anyio
async def test_another_user_is_sent_away(
    place: ControlPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stranger(connection: socket.socket) -> tuple[int, int]:
        pid, uid = peer_of(connection)
        assert (pid, uid) == (os.getpid(), os.geteuid())
        return pid, 4242

    monkeypatch.setattr("linx_async.cli.control.peer_of", stranger)
    async with listening(place):
        with pytest.raises(ControlError, match=r"uid 4242 \(pid \d+\) may not ask"):
            await asked(place)


@pytest.mark.anyio
@pytest.mark.parametrize("parts", [[{"part": "sysctl"}], [7], None])
async def test_one_of_another_version_is_told_from_one_that_is_well(
    place: ControlPlace, parts: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def another(_: Request) -> dict[str, Any]:
        return {} if parts is None else {"parts": parts}

    async with listening(place, another):
        told = await to_thread.run_sync(
            partial(tell, str(place.directory.parent), STATUS, as_json=False)
        )
    assert told == 1
    assert "is of another version than this command: restart it" in capsys.readouterr().err


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x00\xff\xfe\n", "not a line of JSON"),
        (b"GET / HTTP/1.1\r\n", "not a line of JSON"),
        (b"[" * 60000 + b"\n", "not a line of JSON"),
        (b"{}\n", "do: expected one of"),
        (b"x" * (4 * LONGEST_REQUEST), None),
        (b"x" * LONGEST_REQUEST + b"yz\n", None),
    ],
)
async def test_garbage_is_answered_or_hung_up_on_and_the_next_is_heard(
    place: ControlPlace, data: bytes, error: str | None
) -> None:
    async with listening(place):
        back = await sent(place, data)
        # Where it goes on sending, the answer may be lost with the connection.
        assert error is None or error in json.loads(back)["error"]
        assert (await asked(place))["ok"]


@pytest.mark.anyio
async def test_descriptors_that_somebody_sends_are_not_taken(place: ControlPlace) -> None:
    reader, writer = os.pipe()

    def talk() -> bytes:
        with place.connect(30) as connection:
            socket.send_fds(connection, [STATUS.line()], [writer])
            os.close(writer)
            return connection.recv(65536)

    async with listening(place):
        assert json.loads(await to_thread.run_sync(talk))["ok"]
        # Whoever had taken it would keep the pipe open.
        assert await to_thread.run_sync(os.read, reader, 1) == b""
    os.close(reader)


@pytest.mark.anyio
async def test_who_closes_one_half_gets_an_answer_and_who_says_nothing_gets_none(
    place: ControlPlace,
) -> None:
    async with listening(place):
        assert json.loads(await sent(place, STATUS.line(), and_then="half-close"))["ok"]
        assert await sent(place, b'{"do": "sta', and_then="half-close") == b""
        assert await sent(place, b"", and_then="half-close") == b""


@pytest.mark.anyio
async def test_who_is_slow_is_hung_up_on(place: ControlPlace) -> None:
    async with listening(place, patience=0.05):
        assert await sent(place, b'{"do": ') == b""
        assert (await asked(place))["ok"]


@pytest.mark.anyio
async def test_who_does_not_read_is_hung_up_on(place: ControlPlace) -> None:
    async def long(request: Request) -> dict[str, Any]:
        return {"parts": [], "text": "x" * (10_000_000 if request.parts else 1)}

    async with listening(place, long, clients=1, patience=0.05):
        idle = await to_thread.run_sync(place.connect, 30)
        with idle:
            idle.sendall(Request("status", ("all",)).line())
            await once_there_is_room(place)


async def once_there_is_room(place: ControlPlace) -> None:
    with anyio.fail_after(30):
        while True:
            with suppress(ControlError):
                assert (await asked(place))["ok"]
                return


@pytest.mark.anyio
async def test_too_many_at_once_are_sent_away_and_the_others_heard(place: ControlPlace) -> None:
    go_on = anyio.Event()
    there = 0

    async def wait(_: Request) -> dict[str, Any]:
        nonlocal there
        there += 1
        await go_on.wait()
        return {"parts": []}

    async with listening(place, wait, clients=2), anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(asked, place)
        while there < 2:
            await anyio.wait_all_tasks_blocked()
            await to_thread.run_sync(lambda: None)
        for _ in range(20):
            with pytest.raises(ControlError, match="too many ask at once"):
                await asked(place)
        go_on.set()


@pytest.mark.anyio
async def test_what_takes_too_long_is_not_waited_for(place: ControlPlace) -> None:
    async def never(_: Request) -> dict[str, Any]:
        await anyio.sleep_forever()
        return {}

    async with listening(place, never, work=0.05):
        with pytest.raises(ControlError, match=r"not done within 0\.05 s; it goes on"):
            await asked(place)


@pytest.mark.anyio
async def test_a_flood_of_garbage_leaves_nothing_behind(place: ControlPlace) -> None:
    async with listening(place, clients=4, patience=5), anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(sent, place, os.urandom(1000) + b"\n" * (number % 3))

        await once_there_is_room(place)
        tasks.cancel_scope.cancel()
