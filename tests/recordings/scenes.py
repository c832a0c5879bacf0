"""What is recorded: which command, where, and what happens meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

from linx_async.testing.namespaces import unshare_this_process

from .terminal import Size

__all__ = ["ENVIRONMENT", "LINX", "SCENES", "Act", "Scene"]

CONVERGED, NOT_CONVERGED = 0, 2
POLL: Final = 0.1
"""Seconds between two questions."""
LINX: Final = (sys.executable, "-m", "linx_async")
ENVIRONMENT: Final = {
    "HOME": os.environ.get("HOME", "/"),
    "LANG": "C.UTF-8",
    "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
    "PYTHONPATH": str(Path(__file__).parents[2]),
    "TERM": "xterm-256color",
    "TZ": "UTC",
}


@frozen
class Act:
    """What is done beside the program that is recorded, so many seconds after its start."""

    at: float
    command: str


@frozen
class Scene:
    """A recording to be made.

    Attributes:
        command: What is recorded, as one types it after `linx`.
        size: Of the terminal.
        title, description: What the recording says of itself to those who do not see it.
        place: Where it plays, entered before; it may take this process elsewhere for good.
        acts: What is done meanwhile, in order.
        lasts: Seconds until the program is interrupted; None for one that ends by itself.
    """

    command: Sequence[str]
    size: Size
    title: str
    description: str
    place: Callable[[], AbstractContextManager[None]]
    acts: tuple[Act, ...] = ()
    lasts: float | None = None

    def play(self, program: subprocess.Popen[bytes]) -> None:
        """Do what is to be done beside the program."""
        began = time.monotonic()
        for act in self.acts:
            wait_until(began + act.at)
            subprocess.run(act.command.split(), env=ENVIRONMENT, check=True)
        if self.lasts is not None:
            wait_until(began + self.lasts)
            program.send_signal(signal.SIGINT)


def wait_until(when: float) -> None:
    time.sleep(max(0.0, when - time.monotonic()))


FILE: Final = """\
[sysctl]
"net.ipv4.ip_forward" = 1
"net.ipv4.conf.all.rp_filter" = 1

[cgroup."myorg/web-42"]
"pids.max" = 100

[rtnl]
rules = [[100, 100]]

[rtnl.links.br0]
kind = "bridge"
up = true
addresses = ["10.0.0.1/24"]

[[rtnl.routes]]
destination = "192.0.2.0/24"
gateway = "10.0.0.9"

[netfilter]
lifetime = "shared"

[netfilter.inet.fw.chains.input]
hook = "input"
policy = "drop"
rules = ["ct state established,related accept", "iifname lo accept", "tcp dport 22 accept"]
"""


@contextmanager
def anywhere() -> Iterator[None]:
    """Where whoever makes the recording is; root is taken to where the host has another name."""
    if os.geteuid() == 0:
        unshare_this_process()
        socket.sethostname("host")
    yield


@contextmanager
def kept() -> Iterator[None]:
    """Where `linx run` keeps a file: in namespaces of this process's own, and in their /run."""
    unshare_this_process()
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        file = Path(folder, "host.toml")
        file.write_text(FILE, encoding="utf-8")
        command = [*LINX, "run", file.name]
        with subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL
        ) as running:
            try:
                while not answers(running):
                    time.sleep(POLL)
                yield
            finally:
                running.terminate()


def answers(running: subprocess.Popen[bytes]) -> bool:
    """Whether `linx run` has come so far that it says how its parts fare.

    Raises:
        SystemExit: It has ended.
    """
    if running.poll() is not None:
        sys.exit(f"`linx run` ended with {running.returncode}")
    status = [*LINX, "status", "--json"]
    done = subprocess.run(status, env=ENVIRONMENT, capture_output=True, check=False)
    return done.returncode in {CONVERGED, NOT_CONVERGED}


SCENES: Final[dict[str, Scene]] = {
    "demo": Scene(
        ("demo",),
        Size(80, 24),
        "linx demo, recorded in a terminal",
        "Sysctls, links, addresses, routes, rules and a firewall are made in namespaces of their "
        "own, broken by a second process, and heal within milliseconds.",
        anywhere,
    ),
    "watch": Scene(
        ("watch",),
        Size(80, 24),
        "linx watch, recorded in a terminal",
        "The parts of a file that linx run keeps, while a link, a route, a rule, a sysctl and a "
        "firewall are broken by hand and heal.",
        kept,
        (
            Act(2.0, "sysctl -q -w net.ipv4.ip_forward=0"),
            Act(3.5, "ip route del 192.0.2.0/24"),
            Act(5.5, "ip link del br0"),
            Act(7.0, "ip rule del priority 100"),
            Act(8.5, "nft flush chain inet fw input"),
        ),
        11.5,
    ),
}
