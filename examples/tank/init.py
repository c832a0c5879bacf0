"""The program between tank and a workload: its namespaces, its checkpoint, its end; stdlib only.

It is started as `python -I -S init.py FD`, has one thread, and speaks with tank in packets of JSON
through the socket FD:

    tank                               this program
    the spawn (`Spawn`)           ->
                                  <-   {"at": "apart"}            in its new namespaces
    maps its ids; {"do": "fork"}  ->
                                  <-   {"at": "forked", "pid"}    the init is there
    {"do": "prepare"}             ->
                                  <-   {"at": "checkpoint"}       hostname and mounts are done
    {"do": "go"}                  ->
                                  <-   {"at": "running"}          the workload executes
    {"do": "signal", "number"}    ->
                                  <-   {"at": "ended", "code"}    and waits for the socket's end

or {"error": …} instead of an answer. When tank ends, however it does, the socket is at its end;
then this program kills what it has started, and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

CLONE_FLAGS = {  # linux/sched.h
    "mount": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
MOUNT_FLAGS = {  # linux/mount.h
    "ro": 0x1,
    "nosuid": 0x2,
    "nodev": 0x4,
    "noexec": 0x8,
    "bind": 0x1000,
}
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
LARGEST = 1 << 20  # bytes of a packet

libc = ctypes.CDLL(None, use_errno=True)


class TankGone(Exception):
    """The socket is at its end."""


class Tank:
    """The other end of the socket."""

    def __init__(self, descriptor: int) -> None:
        self.socket = socket.socket(fileno=descriptor)
        self.socket.set_inheritable(False)

    def tell(self, **message: object) -> None:
        """Send it a packet."""
        with contextlib.suppress(BrokenPipeError):  # its end is found when it is listened to
            self.socket.send(json.dumps(message).encode())

    def hear(self) -> dict[str, Any]:
        """Wait for its next packet."""
        try:
            packet = self.socket.recv(LARGEST)
        except ConnectionResetError:
            packet = b""
        if not packet:
            raise TankGone
        message: dict[str, Any] = json.loads(packet)
        return message

    def hear_that(self, order: str) -> None:
        """Wait until it says so."""
        heard = self.hear()
        if heard["do"] != order:
            raise RuntimeError(f"expected {order!r}, got {heard!r}")


def call(step: str, function: Callable[..., int], *arguments: object) -> None:
    """Call a libc function; a failure is an OSError whose filename is the step."""
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), step)


def leave(namespaces: list[str]) -> None:
    """Leave our namespaces for new ones: unshare(2). That of pids is for the children only."""
    flags = 0
    for kind in namespaces:
        flags |= CLONE_FLAGS[kind]
    if flags:
        call(f"unshare({', '.join(namespaces)})", libc.unshare, flags)


def become_root(*, groups: bool) -> None:
    """Be the root of the new user namespace, now that tank has mapped one."""
    if groups:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def prepare(spawn: dict[str, Any]) -> None:
    """Give the namespaces what is given once."""
    if spawn["hostname"]:
        socket.sethostname(spawn["hostname"])
    if "mount" in spawn["namespaces"]:
        call("mount(/, private)", libc.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)
    for each in spawn["mounts"]:
        mount(each)


def mount(given: dict[str, Any]) -> None:
    """Make one mount."""
    kind, source, target = given["kind"], given["source"] or given["kind"], given["target"]
    flags = 0
    for name in given["flags"]:
        flags |= MOUNT_FLAGS[name]
    if kind == "bind":
        flags |= MOUNT_FLAGS["bind"] | MS_REC
    words = (source.encode(), target.encode(), kind.encode(), flags, given["options"].encode())
    call(f"mount({source} on {target})", libc.mount, *words)


def die_with_parent() -> None:
    """For a child of this program, which has one thread: of another the signal would be too early.

    The kernel sends it when the *thread* ends that made the child (prctl(2)).
    """
    call("prctl", libc.prctl, PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def begin_anew() -> None:
    """Run in the workload right before its exec."""
    die_with_parent()
    call("prctl", libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # ignored in the background of a script, say


def start(spawn: dict[str, Any]) -> int:
    """Have the workload execute; its pid."""
    workload = subprocess.Popen(
        spawn["command"],
        stdin=subprocess.DEVNULL,
        env=spawn["environment"],
        cwd=spawn["directory"],
        preexec_fn=begin_anew,  # noqa: PLW1509 - there is one thread
        start_new_session=True,
    )
    workload.returncode = 0  # `reap` waits for it, as for all others
    return workload.pid


def reap(workload: int) -> int | None:
    """Take leave of all children that have ended; the workload's exit code, if it has too."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == workload:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def keep(spawn: dict[str, Any], tank: Tank) -> NoReturn:
    """Start the workload, and be its init until it ends: reap orphans, and pass signals on."""
    waking, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    workload = start(spawn)
    tank.tell(at="running")
    poll = select.poll()
    poll.register(waking, select.POLLIN)
    poll.register(tank.socket, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll()]
        if waking in ready:
            os.read(waking, 4096)
            if (code := reap(workload)) is not None:
                tank.tell(at="ended", code=code)
                break
        if tank.socket.fileno() in ready:
            os.kill(workload, tank.hear()["number"])
    while True:  # the namespaces stay until tank has done with them
        tank.hear()


@contextlib.contextmanager
def children_reaped(spawn: dict[str, Any]) -> Iterator[None]:
    """At the end nothing goes on that was started: of a pid namespace the kernel sees to that.

    Else orphans come to us, and are killed as well.
    """
    if "pid" in spawn["namespaces"]:
        yield
        return
    call("prctl", libc.prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):  # a kernel without CONFIG_PROC_CHILDREN
            while pids := Path("/proc/thread-self/children").read_text(encoding="ascii").split():
                for pid in pids:
                    os.kill(int(pid), signal.SIGKILL)
                os.wait()


def be_init(spawn: dict[str, Any], tank: Tank) -> None:
    """Hold at the checkpoint, then keep the workload."""
    die_with_parent()
    tank.hear_that("prepare")
    prepare(spawn)
    tank.tell(at="checkpoint")
    tank.hear_that("go")
    with children_reaped(spawn):
        keep(spawn, tank)


def in_words(error: OSError) -> str:
    """What went wrong, with the step where one was named."""
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    return f"{error.filename or 'the spawn'}: {error.strerror} ({name})"


def tell_errors(tank: Tank, work: Callable[[], None]) -> int:
    """Do something; 0, or 1 where it failed and tank was told so."""
    try:
        work()
    except TankGone:
        return 1
    except OSError as error:
        tank.tell(error=in_words(error))
        return 1
    return 0


def main() -> NoReturn:
    """Make the namespaces, and wait for the init."""
    tank = Tank(int(sys.argv[1]))
    spawn: dict[str, Any] = {}

    def go_apart() -> None:
        spawn.update(tank.hear())
        leave(spawn["namespaces"])
        tank.tell(at="apart")
        tank.hear_that("fork")
        if "user" in spawn["namespaces"]:
            become_root(groups=spawn["groups"])

    if tell_errors(tank, go_apart):
        sys.exit(1)
    with children_reaped(spawn):
        pid = os.fork()
        if pid == 0:
            # Past what Python does at its end: it is a copy of its parent.
            os._exit(tell_errors(tank, lambda: be_init(spawn, tank)))
        tank.tell(at="forked", pid=pid)
        tank.socket.close()
        os.waitpid(pid, 0)
    sys.exit()


if __name__ == "__main__":
    main()
