"""The second process of the demo: it breaks what it is told to, and times how long that lasts."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

GLANCE = 20e-6
"""Seconds between two looks at what was broken."""

# include/uapi/linux/netlink.h
MESSAGE = struct.Struct("=IHHII")
ERROR, DONE = 2, 3
SOL_NETLINK, GET_STRICT_CHECK = 270, 12


class Value:
    """A value in a file."""

    def __init__(self, path: str, wrong: str) -> None:
        self._path = path
        self._wrong = wrong
        self._right = self._read()

    def is_right(self) -> bool:
        """Whether it is what it was in the beginning."""
        return self._read() == self._right

    def spoil(self) -> int:
        """Write the wrong one; gives CLOCK_MONOTONIC right before, in nanoseconds."""
        if self._path == "/proc/sys/kernel/hostname":
            before = time.monotonic_ns()
            socket.sethostname(self._wrong)
            return before
        fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            before = time.monotonic_ns()
            os.write(fd, self._wrong.encode())
        finally:
            os.close(fd)
        return before

    def _read(self) -> str:
        with open(self._path, encoding="ascii", errors="replace") as file:
            return file.read().strip()


class Entry:
    """What the kernel shows in a dump, by netlink(7).

    Args:
        wrong: The message that breaks it, or several, in hexadecimal digits.
        look: The message that asks for the dump.
        needle: What is in the dump as long as it is there.
        protocol: To which part of the kernel: NETLINK_ROUTE, or another.
    """

    def __init__(self, wrong: str, look: str, needle: str, protocol: int = 0) -> None:
        self._wrong, self._look = bytes.fromhex(wrong), bytes.fromhex(look)
        self._needle = bytes.fromhex(needle)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        with contextlib.suppress(OSError):  # before Linux 4.20 dumps are whole
            self._socket.setsockopt(SOL_NETLINK, GET_STRICT_CHECK, 1)

    def is_right(self) -> bool:
        """Whether it is there."""
        return self._needle in self._ask(self._look)

    def spoil(self) -> int:
        """Send what breaks it; gives CLOCK_MONOTONIC right before, in nanoseconds."""
        before = time.monotonic_ns()
        self._ask(self._wrong)
        return before

    def _ask(self, message: bytes) -> bytes:
        self._socket.send(message)
        answer = b""
        while True:
            data = self._socket.recv(65536)
            answer += data
            for kind, number in self._ends(data):
                if kind == ERROR and number:
                    raise OSError(-number, os.strerror(-number))
                return answer

    @staticmethod
    def _ends(data: bytes) -> Iterator[tuple[int, int]]:
        at = 0
        while at < len(data):
            length, kind, *_ = MESSAGE.unpack_from(data, at)
            if kind in {ERROR, DONE}:
                yield kind, struct.unpack_from("=i", data, at + MESSAGE.size)[0]
            at += (length + 3) & ~3


KINDS: dict[str, Callable[..., Value | Entry]] = {"value": Value, "entry": Entry}


def outlast(kind: str, patience: float, about: dict[str, Any]) -> float | None:
    """Break something, and wait until it is right again.

    Returns:
        Seconds from right before to then; None where it did not heal in time.
    """
    thing = KINDS[kind](**about)
    # What was broken before may have taken it along.
    if seen(thing, time.monotonic_ns(), patience) is None:
        raise OSError("it was not there to be broken")
    return seen(thing, thing.spoil(), patience)


def seen(thing: Value | Entry, began: int, patience: float) -> float | None:
    """Wait until something is right.

    Returns:
        Seconds from when it began, in nanoseconds, to then; None where it took too long.
    """
    while True:
        found, now = thing.is_right(), time.monotonic_ns()
        if found:
            return (now - began) / 1e9
        if now - began > patience * 1e9:
            return None
        time.sleep(GLANCE)


def serve() -> None:
    """Obey orders, a line of JSON each, until there are no more."""
    for line in sys.stdin:
        answer: dict[str, float | str | None]
        try:
            answer = {"seconds": outlast(*json.loads(line))}
        except OSError as error:
            answer = {"error": str(error)}
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
