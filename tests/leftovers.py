"""What an async test leaves behind: tasks, threads, descriptors, another namespace."""

from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import dataclass
from typing import Self

import anyio

from linx_async.testing.conformance.leftovers import open_descriptors as open_descriptors

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid_for_children", "user", "uts")
PATIENCE = float(os.environ.get("LEFTOVERS_PATIENCE", "5"))  # seconds for threads to end


@dataclass(frozen=True)
class Snapshot:
    """What this process holds, and where this thread is."""

    descriptors: frozenset[tuple[int, str]]
    threads: frozenset[threading.Thread]
    namespaces: frozenset[tuple[str, str]]

    @classmethod
    def take(cls) -> Self:
        return cls(
            frozenset(open_descriptors()),
            frozenset(threading.enumerate()),
            frozenset((name, os.readlink(f"/proc/thread-self/ns/{name}")) for name in NAMESPACES),
        )

    def left_since(self) -> list[str]:
        """What is there now and was not then, in words."""
        threads = wait_for_threads(self.threads)
        now = type(self).take()
        if now.descriptors - self.descriptors:
            gc.collect()  # what only waits for its finalizer is not left
            now = type(self).take()
        return [
            *(f"thread {thread.name!r}" for thread in threads),
            *(
                f"descriptor {number} -> {target}"
                for number, target in sorted(now.descriptors - self.descriptors)
            ),
            *(
                f"the event loop's thread is in another namespace, {name} {identity}"
                for name, identity in sorted(now.namespaces - self.namespaces)
            ),
        ]


def wait_for_threads(known: frozenset[threading.Thread]) -> list[threading.Thread]:
    """The new threads that do not end, idle ones of trio's cache apart."""
    deadline = time.monotonic() + PATIENCE
    while busy := [
        thread
        for thread in threading.enumerate()
        if thread not in known and not thread.name.startswith("Trio thread ")
    ]:
        if time.monotonic() > deadline:
            break
        busy[0].join(0.01)
    return busy


def running_tasks() -> dict[int, str]:
    """The tasks of this event loop by id, but for those of anyio's test runner."""
    return {
        task.id: f"{task.name} ({getattr(task.coro, '__qualname__', task.coro)})"
        for task in anyio.get_running_tasks()
        if not getattr(task.coro, "__qualname__", "").startswith("TestRunner.")
    }
