"""`linx run` killed at random moments of its changes: it converges again, and leaves nothing."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from linx_async.testing.links import add_veth, delete_link, links
from tests.kernel.program import Host

LIVES = 6
SYSCTLS = ("arp_ignore", "arp_announce", "arp_filter", "accept_local", "log_martians", "tag")
numbers = itertools.count(1)


class Place:
    """A link in which a file sets sysctls, and beside which it makes links, routes and rules."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rng = random.Random(11)
        self.changes = 0

    def wishes(self) -> list[str]:
        """A random file."""
        rng, lines = self.rng, ["[sysctl]"]
        where = f"net.ipv4.conf.{self.name}"
        lines += [f"{where}.{key} = {rng.choice([0, 1])}" for key in rng.sample(SYSCTLS, 4)]
        lines += ["[rtnl]", f"rules = [[{rng.randint(700, 720)}, 7]]"]
        for number in rng.sample(range(20), 12):
            kind = rng.choice(["blackhole", "unreachable"])
            lines += ["[[rtnl.routes]]", f'destination = "10.81.{number}.0/24"', f'type = "{kind}"']
        for number in rng.sample(range(3), 2):
            link = f"{self.name}k{number}"
            lines += [f'[rtnl.links.{link}]\nkind = "veth"\npeer = "{link}p"', "up = true"]
            lines.append(f'addresses = ["10.82.{number}.{rng.randint(1, 9)}/24"]')
        self.changes += 4 + 1 + 12 + 2 * 3
        return lines

    def sysctls(self) -> dict[str, str]:
        folder = Path("/proc/sys/net/ipv4/conf", self.name)
        return {key: (folder / key).read_text() for key in SYSCTLS}

    def tables(self) -> tuple[set[str], set[str], set[str]]:
        """All links, routes and rules there are."""
        shown = [
            subprocess.run(["ip", *what], capture_output=True, text=True, check=True).stdout
            for what in (["route", "show", "table", "all"], ["rule"])
        ]
        return set(links()), *(set(text.splitlines()) for text in shown)  # type: ignore[return-value]


@pytest.fixture
def place() -> Iterator[Place]:
    """A place with what somebody else has put there."""
    name = f"kil{next(numbers)}"
    add_veth(name, f"{name}p")
    for words in (
        ["route", "add", "blackhole", "10.81.99.0/24", "proto", "static"],
        ["rule", "add", "priority", "799", "lookup", "7"],
        ["address", "add", "10.83.0.1/24", "dev", name],
    ):
        subprocess.run(["ip", *words], check=True)
    yield Place(name)
    delete_link(name)
    subprocess.run(["ip", "rule", "delete", "priority", "799"], check=True)
    subprocess.run(["ip", "route", "delete", "blackhole", "10.81.99.0/24"], check=True)


def test_killed_during_its_changes_it_converges_anew_and_nothing_foreign_is_touched(
    place: Place, tmp_path: Path
) -> None:
    host = Host(tmp_path)
    sysctls, tables = place.sysctls(), place.tables()
    foreign = [set(each) for each in tables]
    for life in range(LIVES):
        host.says(*place.wishes())
        with host.run("--revert-on-release", "--backend", ["asyncio", "trio"][life % 2]) as running:
            running.line_with("keeps")
            host.says(*place.wishes())
            running.process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                running.process.wait(place.rng.uniform(0, 0.15))
            assert running.end(signal.SIGKILL) == (-signal.SIGKILL, "")
        for before, now in zip(foreign, place.tables(), strict=True):
            assert before <= now
    assert place.changes >= 200

    with host.run("--revert-on-release", "--json") as running:
        converged = {json.loads(running.line_with('"event": "converged"'))["part"] for _ in "ab"}
        assert converged == {"sysctl", "rtnl"}
        assert running.end(signal.SIGTERM) == (0, "")
    assert host.linx("plan", "--revert-on-release").returncode == 0

    host.says()
    assert host.linx("apply", "--revert-on-release").returncode == 0
    assert place.sysctls() == sysctls
    assert place.tables() == tables
    assert host.linx("plan").stdout.splitlines() == [f"{host.file}: nothing to do"]
