"""The program that holds throw-away namespaces, commanded by JSON lines; stdlib only."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CLONE_FLAGS = {  # linux/sched.h
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "net": 0x40000000,
}
CAP_SYS_ADMIN = 21
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

_libc = ctypes.CDLL(None, use_errno=True)


def system_call(step: str, function: Callable[..., int], *arguments: object) -> None:
    """Call a libc function; a failure is an OSError whose filename is the step."""
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), step)


def mount(source: str, target: str, flags: int = 0, *, kind: str = "", options: str = "") -> None:
    step = f"mount({target})"
    words = (source.encode(), target.encode(), kind.encode(), flags, options.encode())
    system_call(step, _libc.mount, *words)


def may_administrate() -> bool:
    """Whether this process may make namespaces (CAP_SYS_ADMIN in its user namespace)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_ADMIN & 1)
    return False


def enter(kinds: tuple[str, ...]) -> None:
    """Move this process, which must have one thread, into new namespaces (unshare(2)).

    Raises:
        OSError: The kernel refused; the filename says which step.
    """
    uid, gid = os.geteuid(), os.getegid()
    flags = 0
    for kind in kinds:
        flags |= CLONE_FLAGS[kind]
    if flags:
        system_call(f"unshare({', '.join(kinds)})", _libc.unshare, flags)
    if "user" in kinds:
        become_root(uid, gid)
    if "mount" in kinds:
        system_call("mount(/, private)", _libc.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)
        replace_run()
    if "net" in kinds:
        bring_up_loopback()


def become_root(uid: int, gid: int) -> None:
    """Map this user to root (user_namespaces(7); an ordinary user must give up setgroups)."""
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")


def replace_run() -> None:
    """Put an empty /run in place, so that named namespaces and records are throw-away too.

    What a distribution keeps there and programs need (NixOS has all of its own) stays linked.
    """
    if not Path("/run").is_dir():
        return
    # Built upon /tmp: a bind mount of /run would take along what is already mounted upon it.
    mount("tmpfs", "/tmp", kind="tmpfs", options="mode=755")  # noqa: S108 - for a moment
    kept = Path("/tmp/.host")  # noqa: S108
    kept.mkdir()
    mount("/run", str(kept), MS_BIND | MS_REC)
    for entry in os.listdir(kept):
        if entry not in {".host", "netns", "user"} and not entry.startswith("linx"):
            # Relative, so that it holds when all this is done again one namespace further in.
            os.symlink(f".host/{entry}", f"/tmp/{entry}")  # noqa: S108
    mount("/tmp", "/run", MS_MOVE)  # noqa: S108
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if own.startswith("/run/"):
        Path(own).mkdir(mode=0o700, parents=True, exist_ok=True)


def bring_up_loopback() -> None:
    """Set IFF_UP on lo (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        request = bytearray(struct.pack("16sH14x", b"lo", 0))
        fcntl.ioctl(control, SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("H", request, 16)
        struct.pack_into("H", request, 16, flags | IFF_UP)
        fcntl.ioctl(control, SIOCSIFFLAGS, request)


def kernel_path(key: str) -> str:
    """The file of a sysctl key in dot or slash form; an absolute path is taken as it is."""
    if key.startswith("/"):
        return key
    return "/proc/sys/" + (key if "/" in key else key.replace(".", "/"))


def read(key: str) -> str:
    return Path(kernel_path(key)).read_bytes().decode(errors="surrogateescape")


def write(key: str, text: str) -> int:
    """Write in one go; gives the CLOCK_MONOTONIC nanoseconds right before it."""
    descriptor = os.open(kernel_path(key), os.O_WRONLY | os.O_CLOEXEC)
    try:
        before = time.monotonic_ns()
        os.write(descriptor, text.encode(errors="surrogateescape"))
    finally:
        os.close(descriptor)
    return before


def die_with_parent() -> None:
    """Run in a new child before exec: it ends when this program does, kill -9 included."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(
    argv: list[str], text: str | None, env: dict[str, str], cwd: str | None, limit: float | None
) -> dict[str, Any]:
    done = subprocess.run(
        argv,
        input=None if text is None else text.encode(errors="surrogateescape"),
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        check=False,
        env=os.environ | env,
        cwd=cwd,
        timeout=limit,
        preexec_fn=die_with_parent,
    )
    return {
        "returncode": done.returncode,
        "stdout": done.stdout.decode(errors="surrogateescape"),
        "stderr": done.stderr.decode(errors="surrogateescape"),
    }


def start(argv: list[str], env: dict[str, str]) -> int:
    """Start a program that goes on in the background; its pid."""
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | env,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - there is one thread
    )
    return child.pid


def call(name: str, arguments: list[Any]) -> Any:
    """Call a function of the standard library by its dotted name."""
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)(*arguments)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "read": read,
    "write": write,
    "run": run,
    "start": start,
    "call": call,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"value": OPERATIONS[request["op"]](*request["arguments"])}
    except OSError as error:
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
        return {"errno": error.errno or 0, "message": error.strerror or str(error), "name": name}
    except subprocess.TimeoutExpired as error:
        return {"timeout": error.timeout}
    except Exception as error:  # whatever a called function raises belongs to the caller
        return {"raised": f"{type(error).__name__}: {error}"}


@contextlib.contextmanager
def children_reaped() -> Iterator[None]:
    """At the end, nothing that was started goes on: orphans come to us and are killed as well."""
    system_call("prctl", _libc.prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        # A kernel without CONFIG_PROC_CHILDREN leaves it to die_with_parent.
        with contextlib.suppress(FileNotFoundError):
            while pids := Path("/proc/thread-self/children").read_text(encoding="ascii").split():
                for pid in pids:
                    os.kill(int(pid), signal.SIGKILL)
                os.wait()


def serve() -> None:
    """Enter the namespaces named on the command line, then obey until the input ends."""
    # Children get neither our input nor our output.
    orders = os.fdopen(os.dup(0), encoding="ascii")
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)

    def reply(message: dict[str, Any]) -> None:
        try:
            line = json.dumps(message)
        except TypeError as error:
            line = json.dumps({"raised": f"the value is not JSON: {error}"})
        print(line, file=replies, flush=True)

    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    OPERATIONS["enter"] = lambda: enter(tuple(sys.argv[1:]))
    with children_reaped(), contextlib.suppress(BrokenPipeError):
        reply(answer({"op": "enter", "arguments": []}))
        for line in orders:
            reply(answer(json.loads(line)))


if __name__ == "__main__":
    serve()
