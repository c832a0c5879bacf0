"""A program that forks processes which run a loop, and kills them; commanded by JSON lines.

It has one thread and all modules loaded, so that a fork is a quick start.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from linx_async import FileStore, Loop, Source, rtnl, sysctl
from linx_async._core import store
from linx_async._flat import source as flat
from linx_async._kernel.socket import NetlinkSocket
from linx_async.testing import FakeSource
from linx_async.testing.namespaces import unshare_this_process
from tests.folder import Folder
from tests.kernel.rtnl_place import Place


class Moments:
    """Counts the moments of a life, and ends it with SIGKILL at one of them."""

    def __init__(self, last: int | None) -> None:
        self.count = 0
        self.last = last

    def pass_by(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    async def step(self, _where: str) -> None:
        self.pass_by()

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with a moment before it and one after it."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.pass_by()
            result = function(*arguments, **options)
            self.pass_by()
            return result

        return call


def watched_changes(moments: Moments) -> Callable[..., Any]:
    """`NetlinkSocket.change_packed`, with a moment before each change and one after it."""
    original = NetlinkSocket.change_packed

    async def change(*arguments: Any, **options: Any) -> Any:
        moments.pass_by()
        answer = await original(*arguments, **options)
        moments.pass_by()
        return answer

    return change


class WatchedPath(type(Path())):  # type: ignore[misc]
    """A path whose renames are moments: between the scratch file and the record, and after."""

    moments: Moments

    def replace(self, target: Any) -> Any:
        return self.moments.around(super().replace)(target)


def source_of(order: dict[str, Any], moments: Moments) -> Source[Any, Any, Any]:
    if order["source"] == "sysctl":
        return sysctl.Source(revert_on_release=True)
    if order["source"] == "rtnl":
        return rtnl.Source(address_tags=order["tagged"])
    return FakeSource(Folder(Path(order["folder"])), batch=order["batch"], step=moments.step)


def instrument(moments: Moments) -> None:
    """This process is a fork: nothing of this is ever undone."""
    WatchedPath.moments = moments
    store.Path = WatchedPath  # type: ignore[attr-defined]
    store.json.dumps = moments.around(json.dumps)  # type: ignore[attr-defined]
    flat.write_at = moments.around(flat.write_at)  # type: ignore[attr-defined]
    NetlinkSocket.change_packed = watched_changes(moments)  # type: ignore[method-assign]


async def live(order: dict[str, Any], moments: Moments) -> None:
    """Converge on one desired state after the other."""
    loop = Loop(
        source_of(order, moments),
        order["desired"][0],
        interval=math.inf,
        monitor=False,
        store=FileStore(order["store"]),
        name="crash",
    )
    async with anyio.create_task_group() as tg:
        await tg.start(loop.run)
        for desired in order["desired"][1:]:
            loop.put_desired(desired)
            await loop.reconcile()
        loop.stop()


def child(order: dict[str, Any], ready: int) -> None:
    code = 1
    try:
        moments = Moments(order.get("last"))
        instrument(moments)
        os.write(ready, b"!")
        anyio.run(live, order, moments, backend=order["backend"])
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Fork a life; end it after `delay` seconds, if there are any; tell how it ended."""
    ready, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        child(order, writer)
    os.close(writer)
    os.read(ready, 1)
    os.close(ready)
    began = time.monotonic()
    with open(os.pidfd_open(pid), "rb") as handle:
        ended, _, _ = select.select([handle], [], [], order.get("delay"))
    if not ended:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return {"code": os.waitstatus_to_exitcode(status), "took": time.monotonic() - began}


def read(order: dict[str, Any]) -> dict[str, str]:
    """All sysctls below a directory, by path."""
    values = {}
    for file in sorted(Path("/proc/sys", order["below"]).rglob("*")):
        with contextlib.suppress(OSError):
            values[str(file.relative_to("/proc/sys"))] = file.read_text(encoding="ascii").strip()
    return values


def write(order: dict[str, Any]) -> None:
    for path, value in order["values"].items():
        Path("/proc/sys", path).write_text(value, encoding="ascii")


def ip(order: dict[str, Any]) -> None:
    subprocess.run(["ip", "-batch", "-"], input=order["commands"], text=True, check=True)


def look(_: dict[str, Any]) -> dict[str, Any]:
    """Links, addresses, routes and the like; by a fork, since it takes threads."""
    answer, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with open(writer, "w", encoding="utf-8") as out:
                json.dump(anyio.run(world), out)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    with open(answer, encoding="utf-8") as text:
        found: dict[str, Any] = json.load(text)
    os.waitpid(pid, 0)
    return found


async def world() -> dict[str, Any]:
    async with await NetlinkSocket.open() as socket:
        found = await Place(socket).world()
    return {
        "links": {name: [each.index, each.kind] for name, each in found.links.items()},
        "things": [
            [type(each).__name__, each.key, each.protocol, str(each)] for each in found.things
        ],
    }


ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "run": run,
    "read": read,
    "write": write,
    "ip": ip,
    "look": look,
}


if __name__ == "__main__":
    importlib.import_module("trio")  # which anyio else loads at each start
    unshare_this_process()
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(ORDERS[asked["do"]](asked)), flush=True)
