"""A real etcd, of Debian's package, which is not installed: that might start a daemon."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest
from anyio import to_thread

from examples.etcd.keys import ask, connect, encoded
from examples.etcd.measure import URL, command, until_healthy
from tests import outside

ELSEWHERE = "http://127.0.0.1:2479"
"""Where nobody looks for it."""


def unpacked(folder: Path) -> str:
    """The program, downloaded and unpacked in a folder."""
    try:
        code, said = outside.run(["apt-get", "download", "-qq", "etcd-server"], folder)
    except outside.Unreachable as error:
        code, said = 1, str(error)
    if code:
        reason = " ".join(line for line in said.splitlines() if not line.startswith("W:"))
        pytest.skip(f"Debian's etcd-server cannot be had ('apt-get update' may help): {reason}")
    (package,) = folder.glob("etcd-server_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return str(folder / "usr/bin/etcd")


class Server:
    """One whose data outlast it."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self, url: str = URL) -> None:
        """Start it, and wait until it takes requests."""
        await to_thread.run_sync(self._launch, url)
        async with connect(url) as etcd:
            await until_healthy(etcd)

    def _launch(self, url: str) -> None:
        self.process = subprocess.Popen(
            command(self.program, self.folder, url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """End it as a crash of its machine would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


async def compact(etcd: httpx.AsyncClient) -> None:
    """Have it forget all history but the present."""
    now = await ask(etcd, "/v3/kv/range", {"key": "AA=="})
    await ask(etcd, "/v3/kv/compaction", {"revision": now["header"]["revision"], "physical": True})


async def delete(etcd: httpx.AsyncClient, key: str) -> None:
    """Delete a key."""
    await ask(etcd, "/v3/kv/deleterange", {"key": encoded(key.encode())})
