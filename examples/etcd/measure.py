"""How long it takes from a change in etcd until 50 network namespaces have it.

    python -m examples.etcd.measure

It starts an etcd of its own, and makes the namespaces; both go with it. It needs no root.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from examples.etcd.fleet import fleet, keep
from examples.etcd.keys import EtcdError, connect, put
from linx_async import Loop, NetworkNamespace, Supervisor
from linx_async.testing import NamespaceUnavailable, throwaway, unshare_this_process

URL = "http://127.0.0.1:2379"
PREFIX = "linx/fleet/"
PATIENCE = 30.0
"""Seconds after which something is broken, and not slow."""


PREFIXES = [f"192.0.2.{16 * place}/28" for place in range(10)]


def document(number: int, change: int) -> bytes:
    """What a namespace, by its number, is to have after so many changes: a bridge, ten routes."""
    return json.dumps(
        {
            "links": [{"name": "br0", "kind": "bridge", "up": True}],
            "addresses": [["br0", f"10.0.{number}.1/24"]],
            "routes": [[prefix, gateway(number, change)] for prefix in PREFIXES],
        }
    ).encode()


def gateway(number: int, change: int) -> str:
    """Where its routes go; each change moves them all."""
    return f"10.0.{number}.{2 + change % 200}"


class Fleet:
    """Namespaces that etcd drives, and what was put for them."""

    def __init__(self, supervisor: Supervisor, etcd: httpx.AsyncClient) -> None:
        self.loops = dict(enumerate(supervisor.loops))
        self.etcd = etcd
        self.changes = 0

    async def change(self, *numbers: int) -> list[float]:
        """Change the values of some at once; the seconds until each had converged on it."""
        self.changes += 1
        seconds: list[float] = []

        async def wait(loop: Loop[Any, Any, Any], revision: int) -> None:
            await loop.wait_converged(revision)
            seconds.append(anyio.current_time() - before)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                before = anyio.current_time()
                for number in numbers:
                    loop = self.loops[number]
                    group.start_soon(wait, loop, loop.revision + 1)
                await put(self.etcd, self.values(*numbers))
        return seconds

    async def arrived(self) -> int:
        """How many namespaces have the last change, which was of all, as ip-route(8) sees them."""
        count = 0
        for number, loop in self.loops.items():
            routes = ["ip", "-n", loop.name, "route", "show", "via", gateway(number, self.changes)]
            done = await anyio.run_process(routes)
            count += [line.split()[0] for line in done.stdout.decode().splitlines()] == PREFIXES
        return count

    def values(self, *numbers: int) -> Mapping[str, bytes]:
        """What the keys of some namespaces are to say."""
        return {
            PREFIX + self.loops[number].name: document(number, self.changes) for number in numbers
        }


@asynccontextmanager
async def running(names: list[str]) -> AsyncIterator[Fleet]:
    """The namespaces of these names, which etcd drives."""
    async with connect(URL) as etcd:
        await until_healthy(etcd)
        supervisor = fleet(map(NetworkNamespace.named, names))
        async with anyio.create_task_group() as group:
            await group.start(keep, supervisor, etcd, PREFIX)
            yield Fleet(supervisor, etcd)
            group.cancel_scope.cancel()


async def until_healthy(etcd: httpx.AsyncClient) -> None:
    """Wait until etcd takes requests.

    Raises:
        EtcdError: It does not.
    """
    with anyio.move_on_after(PATIENCE):
        while True:
            try:
                if (await etcd.get("/health")).json() == {"health": "true"}:
                    return
            except (httpx.HTTPError, ValueError):
                pass
            await anyio.sleep(0.02)
    raise EtcdError(f"no etcd takes requests at {etcd.base_url}")


async def measure(names: list[str], rounds: int) -> int:
    """Change one value at a time, then all of them at once, and print what that took.

    Returns:
        The exit code: 2 where a namespace has something else than its loop says.
    """
    async with running(names) as driven:
        await driven.change(*driven.loops)  # each makes its bridge
        one = [
            seconds
            for _ in range(rounds)
            for number in driven.loops
            for seconds in await driven.change(number)
        ]
        together = [
            seconds for _ in range(rounds) for seconds in await driven.change(*driven.loops)
        ]
        arrived = await driven.arrived()
    print(f"{'from the change in etcd':24}{'changes':>8}{'median':>12}{'95 %':>12}{'max':>12}")
    print(row("one namespace at a time", one))
    print(row(f"all {len(names)} at once", together))
    print(f"{arrived} of {len(names)} have the last change, says ip-route(8)")
    return 0 if arrived == len(names) else 2


def row(title: str, seconds: list[float]) -> str:
    """A line of the table."""
    ordered = sorted(seconds)
    late = ordered[(len(ordered) * 95 - 1) // 100]
    cells = "".join(
        f"{1e3 * each:9.1f} ms" for each in (statistics.median(ordered), late, ordered[-1])
    )
    return f"{title:24}{len(ordered):8}{cells}"


def command(program: str, folder: Path, url: str = URL) -> list[str]:
    """What starts an etcd whose data and log are below a folder."""
    peers = "http://127.0.0.1:2380"
    return [
        program,
        *("--data-dir", str(folder / "data")),
        # A cluster of one has nobody whose vote it would have to wait for.
        *("--heartbeat-interval", "10", "--election-timeout", "100"),
        *("--logger", "zap", "--log-outputs", str(folder / "log"), "--log-level", "error"),
        *("--listen-client-urls", url, "--advertise-client-urls", url),
        *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
        *("--initial-cluster", f"default={peers}"),
    ]


def main() -> int:
    """Read the command line, set the stage, and measure."""
    parser = argparse.ArgumentParser(description="From a change in etcd to converged namespaces.")
    parser.add_argument("--etcd", metavar="PROGRAM", default=shutil.which("etcd") or "etcd")
    parser.add_argument("--namespaces", type=int, choices=range(1, 101), default=50, metavar="N")
    parser.add_argument("--rounds", type=int, choices=range(1, 1001), default=10, metavar="N")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    given = parser.parse_args()
    logging.basicConfig(format="%(levelname)s: %(message)s")
    names = [f"fleet-{number:02}" for number in range(given.namespaces)]
    try:
        version = version_of(given.etcd)
        unshare_this_process()
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
    except (NamespaceUnavailable, OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{len(names)} network namespaces, {version}, {given.backend}, Linux {platform.release()}"
    )
    # What the second process has started ends with it, and that with us.
    with tempfile.TemporaryDirectory() as folder, throwaway() as beside:
        beside.start(command(given.etcd, Path(folder)))
        try:
            return anyio.run(measure, names, given.rounds, backend=given.backend)
        except EtcdError as error:
            log = Path(folder, "log")
            print(f"error: {error}", log.read_text() if log.exists() else "", file=sys.stderr)
            return 1


def version_of(program: str) -> str:
    """What an etcd says that it is."""
    done = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return done.stdout.partition("\n")[0].replace(" Version:", "")


if __name__ == "__main__":
    sys.exit(main())
