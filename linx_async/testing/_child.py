"""A child process that holds namespaces, and acts in them on demand."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TextIO, cast

from linx_async._core.errors import LinxError, errno_name
from linx_async._kernel.netns import NetworkNamespace

from . import _box

__all__ = ["Kind", "NamespaceUnavailable", "Namespaces"]

Kind = Literal["cgroup", "ipc", "mount", "net", "user", "uts"]


class NamespaceUnavailable(LinxError):
    """A namespace, or a place for a cgroup, cannot be had here, or is gone.

    Attributes:
        reason: Why, and what to do where that is known; fit for a test's skip message.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def with_user(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """These kinds, and a user namespace where the others cannot be made without one."""
    if not kinds or "user" in kinds or _box.may_administrate():
        return kinds
    return ("user", *kinds)


class Namespaces:
    """New namespaces, held by a child process that acts in them on demand.

    The child and all that it started end with the `with` block, and with this process, however
    that ends. Its methods block: call them from a worker thread where there is an event loop. Any
    thread may; they take turns, except for `kill`, which waits for nobody.

    Args and errors: see `throwaway`.
    """

    def __init__(self, *kinds: Kind) -> None:
        for kind in kinds:
            if kind not in _box.CLONE_FLAGS:
                known = ", ".join(sorted(_box.CLONE_FLAGS))
                raise ValueError(f"kinds: {kind!r} is no kind of namespace; known are {known}")
        self._kinds = with_user(tuple(dict.fromkeys(kinds)))
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _box.__file__, *self._kinds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="ascii",
            # A group of its own can be killed at once, and no Ctrl-C reaches it before us.
            start_new_session=True,
        )
        self._orders, self._replies = (
            cast("TextIO", self._process.stdin),
            cast("TextIO", self._process.stdout),
        )
        try:
            with self._turn:
                self._receive()
        except BaseException as error:
            self.kill()
            if isinstance(error, OSError):
                raise NamespaceUnavailable(_why(error, self._kinds)) from error
            raise

    @property
    def pid(self) -> int:
        """The pid of the child, as seen from here."""
        return self._process.pid

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of namespace that are new, `"user"` included where it had to be added."""
        return self._kinds

    @property
    def scope(self) -> NetworkNamespace:
        """The child's network, UTS and IPC namespaces, as the scope of a source.

        Entering them takes CAP_SYS_ADMIN here too (setns(2)), which an ordinary user has only after
        `unshare_this_process`.

        Raises:
            ScopeGone: The child has ended.
        """
        return NetworkNamespace.of_pid(self.pid)

    def path(self, kind: Kind) -> Path:
        """The namespace's file below /proc, to open or to compare (namespaces(7))."""
        return Path(f"/proc/{self.pid}/ns", {"mount": "mnt"}.get(kind, kind))

    def read(self, key: str) -> str:
        """Read a sysctl, by key in dot or slash form, or any file by absolute path.

        Raises:
            OSError: As the child got it, with the path.
            NamespaceUnavailable: The child has ended.
        """
        return str(self._ask("read", key))

    def write(self, key: str, text: str) -> int:
        """Write a sysctl, or any existing file by absolute path, in one go.

        Returns:
            CLOCK_MONOTONIC right before the write, in nanoseconds (as `time.monotonic_ns`).

        Raises:
            OSError: As the child got it, with the path.
            NamespaceUnavailable: The child has ended.
        """
        return int(self._ask("write", key, text))

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the namespaces to its end.

        /usr/sbin and /sbin are on its PATH, which an ordinary user's may lack.

        Args:
            argv: The program and its arguments.
            input: Its standard input; default: empty.
            env: Variables on top of ours.
            cwd: Where it starts.
            timeout: Seconds until it is killed.
            check: Raise when its exit code is not 0.

        Raises:
            subprocess.CalledProcessError: It failed; standard error is in a note.
            subprocess.TimeoutExpired: It took longer.
            OSError: It could not be started.
            NamespaceUnavailable: The child has ended.
        """
        command = [os.fspath(part) for part in argv]
        where = None if cwd is None else os.fspath(cwd)
        done = self._ask("run", command, input, dict(env or {}), where, timeout)
        result = subprocess.CompletedProcess[str](
            command, done["returncode"], done["stdout"], done["stderr"]
        )
        if check:
            try:
                result.check_returncode()
            except subprocess.CalledProcessError as error:
                error.add_note(result.stderr)
                raise
        return result

    def start(
        self, argv: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str] | None = None
    ) -> int:
        """Start a program that goes on until it ends or the child does; its output is discarded.

        Returns:
            Its pid, as seen from here.

        Raises:
            OSError: It could not be started.
            NamespaceUnavailable: The child has ended.
        """
        return int(self._ask("start", [os.fspath(part) for part in argv], dict(env or {})))

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the standard library in the child: `call("socket.sethostname", "x")`.

        Args:
            name: Its dotted name.
            arguments: As JSON can carry them; so is the result.

        Raises:
            OSError: As the child got it.
            RuntimeError: It raised something else, which the message tells.
            NamespaceUnavailable: The child has ended.
        """
        return self._ask("call", name, list(arguments))

    def kill(self) -> None:
        """End the child and what it started at once, by SIGKILL; the namespaces go with them."""
        with contextlib.suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._turn.acquire(blocking=False):
            try:
                self._close_pipes()
            finally:
                self._turn.release()

    def close(self) -> None:
        """End the child and what it started; kills it where another thread's call is under way."""
        if self._turn.acquire(blocking=False):
            try:
                self._close_pipes()
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                pass  # a child in the kernel's hands; below it is killed
            finally:
                self._turn.release()
        self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _close_pipes(self) -> None:
        for pipe in (self._orders, self._replies):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _ask(self, operation: str, *arguments: Any) -> Any:
        order = json.dumps({"op": operation, "arguments": arguments})
        with self._turn:
            if self._orders.closed:
                self._raise_gone()
            try:
                print(order, file=self._orders, flush=True)
            except BrokenPipeError:
                self._raise_gone()
            return self._receive()

    def _receive(self) -> Any:
        line = self._replies.readline()
        if not line:
            self._raise_gone()
        reply = json.loads(line)
        if "errno" in reply:
            raise OSError(reply["errno"], reply["message"], reply["name"])
        if "timeout" in reply:
            raise subprocess.TimeoutExpired("the command", reply["timeout"])
        if "raised" in reply:
            raise RuntimeError(f"in the child: {reply['raised']}")
        return reply["value"]

    def _raise_gone(self) -> NoReturn:
        raise NamespaceUnavailable(
            f"the process {self.pid} that held the namespaces has ended, and they with it"
        ) from None


def _why(error: OSError, kinds: tuple[Kind, ...]) -> str:
    """What to tell somebody whose kernel refused a step of `_box.enter`."""
    told = f"{error.filename}: {errno_name(error.errno or 0)} ({error.strerror})"
    if error.errno == errno.ENOSPC:
        keys = [f"user.max_{'mnt' if kind == 'mount' else kind}_namespaces" for kind in kinds]
        limits = ", ".join(f"{key} is {_setting(_box.kernel_path(key))}" for key in keys)
        return f"{told}: too many namespaces, or too deep: {limits}"
    if error.errno in {errno.EPERM, errno.EACCES}:
        switches = {
            "kernel.unprivileged_userns_clone": "0",
            "kernel.apparmor_restrict_unprivileged_userns": "1",
        }
        closed = [
            f"{key} is {value}"
            for key, value in switches.items()
            if _setting(_box.kernel_path(key)) == value
        ]
        cause = " and ".join(closed) or "a container's seccomp filter or a policy may be the cause"
        return f"{told}: this user may not make namespaces: {cause}; run as root"
    return told


def _setting(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
