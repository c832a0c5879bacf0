"""The second process of the demo: it breaks what it is told to, and times how long that lasts."""

from __future__ import annotations

import json
import os
import socket
import sys
import time

GLANCE = 20e-6
"""Seconds between two looks at the value."""


def read(path: str) -> str:
    """A value as it is now."""
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read().strip()


def put(path: str, text: str) -> int:
    """Write a value; gives CLOCK_MONOTONIC right before, in nanoseconds."""
    if path == "/proc/sys/kernel/hostname":
        before = time.monotonic_ns()
        socket.sethostname(text)
        return before
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        before = time.monotonic_ns()
        os.write(fd, text.encode())
    finally:
        os.close(fd)
    return before


def outlast(path: str, text: str, patience: float) -> float | None:
    """Write a wrong value, and wait for the right one to come back.

    Returns:
        Seconds from the write to then; None where it did not come back in time.
    """
    right = read(path)
    began = put(path, text)
    while True:
        found, now = read(path), time.monotonic_ns()
        if found == right:
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
