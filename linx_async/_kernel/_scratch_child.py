"""The child that opens sockets in new namespaces, hands them over, and runs programs there."""

from __future__ import annotations

# What `socket` wraps. That one, and `signal`, take as long to import as Python takes to start.
import _socket
import ctypes
import os
import select
import sys

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_NETLINK_ROUTE, _NETLINK_NETFILTER = 0, 12
_LONGEST_REQUEST = 4096
_GIVEN = b"given"

_libc = ctypes.CDLL(None, use_errno=True)


def may_administrate() -> bool:
    """Whether this process may make a network namespace, and firewall it, without a user one."""
    needed = 1 << _CAP_SYS_ADMIN | 1 << _CAP_NET_ADMIN
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("CapEff:"):
                return os.geteuid() == 0 and int(line.split()[1], 16) & needed == needed
    return False


def enter_namespaces() -> None:
    """Move into a new network namespace, and a new user namespace where it takes one.

    In that one this user is root, as nft wants it; others there are none (user_namespaces(7)).
    """
    uid, gid = os.geteuid(), os.getegid()
    new_user = not may_administrate()
    flags = _CLONE_NEWNET | (_CLONE_NEWUSER if new_user else 0)
    if _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        step = f"unshare({'CLONE_NEWUSER, ' if new_user else ''}CLONE_NEWNET)"
        raise OSError(number, os.strerror(number), step)
    if new_user:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {uid} 1"),
            ("gid_map", f"0 {gid} 1"),
        ):
            write_now(f"/proc/self/{name}", text)


def write_now(path: str, text: str) -> None:
    """Write with a single write(2), so that the error, if any, is that of this file."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(fd)


def netlink(protocol: int) -> _socket.socket:
    """A netlink socket, which belongs to the namespace for as long as anyone has it."""
    try:
        return _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol)
    except OSError as error:
        step = f"socket(AF_NETLINK, protocol {protocol})"
        raise OSError(error.errno, error.strerror, step) from error


def hand_over(channel: _socket.socket) -> None:
    """Send a socket of each protocol (SCM_RIGHTS, unix(7))."""
    sockets = [netlink(_NETLINK_NETFILTER), netlink(_NETLINK_ROUTE)]
    numbers = b"".join(sock.fileno().to_bytes(4, sys.byteorder) for sock in sockets)
    channel.sendmsg([b"ready"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])


def start(argv: list[str], channel: _socket.socket, output: int | None) -> int:
    """Start a program, which ends with this process; its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        # A fork clears it (prctl(2)).
        _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        if output is not None:
            os.dup2(output, 1)
        if os.getppid() == parent:
            os.execv(argv[0], argv)  # noqa: S606 - there is to be no shell
    except OSError as error:
        channel.send(f"{error.errno} {error.filename or argv[0]}".encode())
    finally:
        os._exit(127)


def run(argv: list[str], channel: _socket.socket, output: int | None) -> None:
    """Run a program to its end and tell how it ended, or end it with the channel."""
    pid = start(argv, channel, output)
    pidfd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(channel.fileno(), select.POLLIN)
    ready = [fd for fd, _ in poll.poll()]
    if pidfd not in ready:
        os.kill(pid, _SIGKILL)
    os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    if pidfd in ready:
        channel.send(f"ended {os.waitstatus_to_exitcode(status)}".encode())


def main(channel: _socket.socket, output: int, program: list[str]) -> None:
    """Do it all; what fails goes to the parent as `ERRNO STEP`.

    A request is for the program given, or has the arguments of another one between NULs, which
    writes to `output`. The end of the channel is the end of all.
    """
    try:
        enter_namespaces()
        # After the namespaces: new credentials clear it (commit_creds() in kernel/cred.c).
        _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        hand_over(channel)
        for fd in (channel.fileno(), output):
            os.set_inheritable(fd, False)
        while request := channel.recv(_LONGEST_REQUEST):
            if request == _GIVEN:
                run(program, channel, None)
            else:
                run(os.fsdecode(request).split("\0"), channel, output)
    except OSError as error:
        channel.send(f"{error.errno} {error.filename or program[0]}".encode())


if __name__ == "__main__":
    main(_socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3:])
    os._exit(0)  # at once: Python has nothing to tidy up
