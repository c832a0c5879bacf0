"""The example `tank`, run as a program, and what of its containers is there."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from linx_async.testing.namespaces import controllers
from tests.kernel.nft_families import lacking
from tests.kernel.nft_place import NO_NFT
from tests.kernel.program import PATIENCE, ROOT, Told, run

COMMAND = (sys.executable, "-W", "error", "-m", "examples.tank")
HERE, THERE = "10.76.0.1", "10.76.0.2"
PORT = 8080
WORKLOAD = """
import os, signal, socket, sys
for number in map(int, sys.argv[1:]):
    signal.signal(number, signal.SIG_IGN)
with socket.create_server(("", 8080)) as server:
    print("it serves", flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            order = connection.recv(100).decode()
            if order.startswith("exit"):
                sys.exit(int(order.split()[1]))
            connection.sendall(f"{os.getpid()} {os.getuid()} {socket.gethostname()}".encode())
"""
HAS_INET = NO_NFT is None and not lacking("inet")
needs_firewall = pytest.mark.skipif(not HAS_INET, reason=NO_NFT or lacking("inet"))
TABLE = f"""
table inet tank {{
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        tcp dport {PORT} accept
    }}
}}
"""
FIREWALL: dict[str, Any] = {"table": TABLE}


def workload(*ignored: int) -> list[str]:
    """The command of a server, which ignores these signals."""
    return [sys.executable, "-I", "-S", "-c", WORKLOAD, *map(str, ignored)]


def toml(value: Any) -> str:
    """A value as TOML has it, all in one line."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {toml(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


class Box:
    """Where a tank runs: a file of containers, records, and a cgroup, if there can be one."""

    def __init__(self, folder: Path, cgroup: Path | None) -> None:
        self.file = folder / "tank.toml"
        self.records = folder / "records"
        self.cgroup = cgroup
        self.links = links()
        self._namespaces: dict[str, int] = {}

    @property
    def place(self) -> Path:
        """The container's cgroup."""
        assert self.cgroup is not None
        return self.cgroup / "web"

    @property
    def given(self) -> tuple[str, ...]:
        """The controllers that its cgroup can have."""
        return () if self.cgroup is None else controllers(self.cgroup)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._namespaces.values():
            os.close(descriptor)

    def remember(self, pid: int) -> None:
        """Hold on to the namespaces of a process, so that their numbers are not used again.

        Not to that of the network, which would keep the links in it, nor to that of users, in which
        a process is until its end was waited for, by whoever inherits it.
        """
        for file in Path(f"/proc/{pid}/ns").iterdir():
            if file.name not in {"net", "user"} and target(file) != target(
                Path("/proc/self/ns", file.name)
            ):
                self._namespaces[target(file)] = os.open(file, os.O_RDONLY)

    def describe(self, **more: Any) -> None:
        """A server behind a pair of links, and what else there is to say of it."""
        table: dict[str, Any] = {
            "command": workload(),
            "veth": {"host": "tank-web"},
            "host": {"addresses": [["tank-web", f"{HERE}/24"]]},
            "network": {
                "addresses": [["eth0", f"{THERE}/24"]],
                "routes": [["192.0.2.0/24", HERE]],
            },
            **({} if "namespaces" in more or can_mount_proc() else {"proc": False}),
            **more,
        }
        if not HAS_INET:
            table.pop("firewall", None)
        self.file.write_text(f"web = {toml(table)}\n")

    def describe_another(self, **table: Any) -> None:
        """One more container."""
        with self.file.open("a") as file:
            file.write(f"another = {toml(table)}\n")

    def command(self, *options: str) -> list[str]:
        cgroup = "not/there" if self.cgroup is None else str(self.cgroup)
        places = ["--records", str(self.records), "--cgroup", cgroup]
        return [*COMMAND, *places, *options, str(self.file)]

    def start(self, backend: str, *options: str) -> Tank:
        return Tank(self, self.command("--backend", backend, *options))

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a tank to its end."""
        return run(self.command(*options), cwd=ROOT)

    def left(self) -> list[str]:
        """What is left of all containers, now that no tank runs; and of the tanks."""
        claims = [json.loads(file.read_text())["claims"] for file in self.records.glob("*.json")]
        below = [] if self.cgroup is None else list(self.cgroup.iterdir())
        return [
            *(f"link {name}" for name in links() - self.links),
            *(f"a process in {name}" for name in self._namespaces.keys() & in_use()),
            *(f"cgroup {each}" for each in below if each.is_dir()),
            *(f"claims {each}" for each in claims if each),
            *(said(["nft", "list", "tables"]).splitlines() if HAS_INET else []),
        ]


class Tank(Told):
    """A tank that runs, in a process group of its own, and what it and its workloads write."""

    def __init__(self, box: Box, command: list[str]) -> None:
        super().__init__(command, cwd=ROOT, process_group=0)
        self.box = box

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        super().__exit__(kind, error, traceback)

    def until_served(self) -> int:
        """Wait until the workload serves; the pid of its init."""
        self.until("it serves", "its init has pid")
        (pid,) = re.findall(r"its init has pid (\d+)", "".join(self.written))[-1:]
        self.box.remember(int(pid))
        return int(pid)


@cache
def can_mount_proc() -> bool:
    """Whether a container can have a /proc of its own: not where parts of ours are covered."""
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def who_serves() -> str:
    """Ask the workload, over the pair of links: its pid and uid, and the name of its host."""
    with socket.create_connection((THERE, PORT), timeout=PATIENCE) as connection:
        connection.sendall(b"who")
        return connection.recv(100).decode()


def have_it_exit(code: int) -> None:
    with socket.create_connection((THERE, PORT), timeout=PATIENCE) as connection:
        connection.sendall(f"exit {code}".encode())


def inside(pid: int, script: str) -> str:
    """What a script says that runs in a process's namespaces of users and of the network."""
    enter = ["nsenter", "--target", str(pid), "--user", "--net", "--preserve-credentials"]
    return said([*enter, "sh", "-ec", script])


def said(command: list[str]) -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def in_use() -> set[str]:
    """The namespaces of all processes."""
    found: Iterable[str] = map(target, Path("/proc").glob("[0-9]*/ns/*"))
    return set(filter(None, found))


def target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # it has ended, or is somebody else's
        return ""
