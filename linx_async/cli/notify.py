"""What the service manager is told, and the datagram socket it listens on: sd_notify(3)."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import MutableMapping

import anyio
from attrs import frozen

from ..config.problems import printable

__all__ = ["ServiceSocket", "reloading", "status", "with_status"]

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"
_LONGEST_STATUS = 200
_PATIENCE = 2.0
"""Seconds that a message waits for room in the queue of who listens."""
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def status(text: str) -> str:
    """The assignment of a status, in one line that is not too long."""
    line = printable(" ".join(text.split()))
    if len(line) > _LONGEST_STATUS:
        line = f"{line[: _LONGEST_STATUS - 1]}…"
    return f"STATUS={line}"


def with_status(assignment: str, text: str) -> bytes:
    """A message that says something, and in words how it is."""
    return f"{assignment}\n{status(text)}".encode()


def reloading(microseconds: int) -> bytes:
    """A message that a reload begins; the time is by CLOCK_MONOTONIC."""
    return f"RELOADING=1\nMONOTONIC_USEC={microseconds}".encode()


@frozen
class ServiceSocket:
    """Where the service manager listens.

    Attributes:
        address: The path, or `@` and the name of an abstract socket; empty where nobody listens.
        watchdog: Seconds within which it wants a sign of life; None where it wants none.
    """

    address: str = ""
    watchdog: float | None = None

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str], pid: int) -> ServiceSocket:
        """What the variables say to the process of that pid, which our children do not get."""
        address, period, whose = (environment.pop(name, "") for name in _VARIABLES)
        if not address.startswith(("/", "@")) or len(address) < 2:
            return cls()
        counts = re.fullmatch("[0-9]{1,18}", period, re.ASCII) and whose in {"", str(pid)}
        return cls(address, int(period) / 1e6 if counts and int(period) else None)

    async def send(self, message: bytes) -> None:
        """Send a message; nothing is done where nobody listens.

        Raises:
            OSError: It cannot be sent; a queue that stays full is one.
        """
        if not self.address:
            return
        address = os.fsencode(self.address)
        if address.startswith(b"@"):
            address = b"\0" + address[1:]
        # One for each message, as libsystemd does: who listens may begin anew.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.connect(address)
            with anyio.fail_after(_PATIENCE):
                while True:
                    try:
                        sender.send(message)
                    except BlockingIOError:
                        # It is connected, so that this tells of the other side's queue.
                        await anyio.wait_writable(sender)
                    else:
                        return
