"""A workload in namespaces of its own, held at a checkpoint before its first instruction."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import anyio
from attrs import asdict, define

from examples.tank.container import IdMap, Spawn

__all__ = ["SpawnError", "Workload", "spawned"]

INIT = Path(__file__).with_name("init.py")
LARGEST = 1 << 20
"""Bytes of a packet."""
PATIENCE = 5.0
"""Seconds until what does not end by itself is killed."""


class SpawnError(Exception):
    """The namespaces or the workload could not be had."""


class InitGone(SpawnError):
    """Its init has ended, and has not said why."""


@define
class Workload:
    """What was spawned.

    Attributes:
        pid: Of its init, whose namespaces are the workload's.
    """

    pid: int
    _init: Init

    async def go(self) -> None:
        """Let it go.

        Raises:
            SpawnError: It cannot be executed.
        """
        self._init.tell(do="go")
        await self._init.hear_that("running")

    async def ended(self) -> int:
        """Wait for its end; its exit code, or the negative number of the signal that killed it."""
        try:
            heard = await self._init.hear_that("ended")
        except InitGone:
            return -signal.SIGKILL  # which goes for all in its pid namespace
        match heard.get("code"):
            case int(code) if -signal.NSIG < code < 256:
                return code
        raise SpawnError(f"its init says {heard!r}, which tells no exit code")

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it has ended."""
        self._init.tell(do="signal", number=int(number))


@asynccontextmanager
async def spawned(spawn: Spawn) -> AsyncGenerator[Workload, None]:
    """A workload that holds at its checkpoint; it and all its processes are gone afterwards.

    A program of one thread makes the namespaces: this process has threads, so it must not fork
    and go on, and could not enter a user namespace. That program and the workload end with this
    process, however it ends. The signal of prctl(2) that a parent has died is no use for that
    here: it comes when the thread ends that started the child, and that may be one of a pool.

    Raises:
        SpawnError: The kernel refused a namespace, a mapping of ids or a mount.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(ours):
        ours.setblocking(False)
        with closing(theirs):
            process = await anyio.open_process(
                [sys.executable, "-I", "-S", str(INIT), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=None,
                stderr=None,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C is for tank, which passes it on
            )
        pidfds: list[int] = []
        try:
            init = Init(ours)
            await apart(init, process.pid, spawn)
            init.tell(do="fork")
            pid = (await init.hear_that("forked"))["pid"]
            pidfds.append(os.pidfd_open(pid))
            init.tell(do="prepare")
            await init.hear_that("checkpoint")
            yield Workload(pid, init)
        finally:
            ours.close()  # at which they end
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(PATIENCE):
                    await process.wait()
                for pidfd in pidfds:
                    with suppress(ProcessLookupError):
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    # Not before all processes of its pid namespace are gone.
                    await anyio.wait_readable(pidfd)
                    os.close(pidfd)
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def apart(init: Init, pid: int, spawn: Spawn) -> None:
    """Have the namespaces made; and map the ids, which takes somebody from outside."""
    init.tell(**asdict(spawn), groups=spawn.has_groups)
    await init.hear_that("apart")
    if "user" in spawn.namespaces:
        process = anyio.Path("/proc", str(pid))
        if not spawn.has_groups:
            await write(process / "setgroups", "deny")
        await write(process / "uid_map", as_text(spawn.uids))
        await write(process / "gid_map", as_text(spawn.gids))


async def write(file: anyio.Path, text: str) -> None:
    try:
        await file.write_text(text, encoding="ascii")
    except OSError as error:
        raise SpawnError(f"{file}: {text!r}: {error.strerror}") from error


def as_text(maps: Iterable[IdMap]) -> str:
    return "\n".join(f"{inside} {outside} {count}" for inside, outside, count in maps)


@define
class Init:
    """The other end of the socket: the program that makes the namespaces, and then its child."""

    _socket: socket.socket

    def tell(self, **message: object) -> None:
        try:
            self._socket.send(json.dumps(message).encode())
        except ConnectionError:
            pass  # its end is found when it is listened to
        except OSError as error:
            raise SpawnError(f"the description cannot be sent: {error.strerror}") from error

    async def hear(self) -> dict[str, Any]:
        await anyio.wait_readable(self._socket)
        try:
            packet = self._socket.recv(LARGEST)
        except ConnectionResetError:
            packet = b""
        if not packet:
            raise InitGone("its init has ended")
        try:
            message = json.loads(packet)
        except ValueError:
            message = None
        if not isinstance(message, dict):  # the root in a container may have got at its init
            raise SpawnError(f"its init says {packet!r:.200}, which makes no sense")
        return message

    async def hear_that(self, stage: str) -> dict[str, Any]:
        heard = await self.hear()
        if "error" in heard:
            raise SpawnError(str(heard["error"]))
        if heard.get("at") != stage:
            raise SpawnError(f"its init says {heard!r}, and was to say that it is at {stage!r}")
        return heard
