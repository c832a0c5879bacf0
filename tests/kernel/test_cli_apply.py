"""One `linx apply` of a whole host: in which order it is done, how far it is, and what is left."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from linx_async.cli.passes import Passes
from linx_async.cli.results import PartResult
from linx_async.cli.state import HostStore
from linx_async.config import Part, parse
from linx_async.testing.links import add_veth, delete_link, links
from linx_async.testing.namespaces import Namespaces
from tests.kernel.nft_program import nft, nft_or_skip
from tests.kernel.program import COMMAND, ENVIRONMENT, PATIENCE, Host, chunks, in_terminal

numbers = itertools.count(1)

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture
def host(host: Host) -> Host:
    nft_or_skip()
    return host


@pytest.fixture
def link() -> Iterator[str]:
    """The name of a link that no other test has, and that is not there."""
    name = f"cla{next(numbers)}"
    yield name
    if name in links():
        delete_link(name)


def network(link: str, *, kind: str = "veth") -> list[str]:
    """What makes a link that is up, with an address and a route by it."""
    other = [f'peer = "{link}p"'] if kind == "veth" else []
    peer = [f"[rtnl.links.{link}p]", "up = true"] if kind == "veth" else []
    return [
        "[rtnl]",
        'routes = [["10.72.0.0/16", "10.71.0.9"]]',
        f"[rtnl.links.{link}]",
        *(f'kind = "{kind}"', *other, "up = true", 'addresses = ["10.71.0.1/24"]'),
        *peer,
    ]


def sysctls(link: str) -> list[str]:
    """Of them the last makes a link that comes up later have no address of its own accord."""
    return [
        "[sysctl]",
        f"net.ipv4.conf.{link}.arp_ignore = 1",
        f"net.ipv6.conf.{link}.addr_gen_mode = 1",
    ]


def firewall(link: str, rule: str, *, name: str = "") -> list[str]:
    return [f"[netfilter.inet.{name or link}.chains.input]", 'hook = "input"', f"rules = [{rule}]"]


def by_index(link: str) -> str:
    """A rule that needs the link's index, and nft."""
    return f"'iif \"{link}\" tcp dport 81 drop'"


def by_name(link: str) -> str:
    """One that needs neither."""
    return f'{{ meta.iifname = "{link}", tcp.dport = 81, verdict = "drop" }}'


def state_of(link: str) -> tuple[bool, list[str]]:
    """Whether a link is up, and its addresses."""
    words = ["ip", "-json", "address", "show", "dev", link]
    (found,) = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return "UP" in found["flags"], [each["local"] for each in found["addr_info"]]


def parts_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The parts of an answer, in its order; all of them converged."""
    found = json.loads(done.stdout)["parts"]
    assert [each["part"] for each in found if not each["converged"]] == []
    return [each["part"] for each in found]


class Gate:
    """An `nft` that asks before it does anything, each time that it is called."""

    def __init__(self, folder: Path) -> None:
        asked, answered = folder / "asked", folder / "answered"
        for fifo in (asked, answered):
            os.mkfifo(fifo)
        # Both ends are ours, so that nobody waits for anybody to open the other one.
        self._asked, self._answered = (os.open(each, os.O_RDWR) for each in (asked, answered))
        program = folder / "bin" / "nft"
        program.parent.mkdir()
        nft = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        ask = f"echo asks > '{asked}'; read word < '{answered}'"
        program.write_text(f'#!/bin/sh\n{ask}\nexec {nft} "$@"\n')
        program.chmod(0o755)
        self.path = f"{program.parent}:{os.environ['PATH']}"

    def asked(self, program: subprocess.Popen[Any]) -> bool:
        """Wait until it is called, which is True, or a program that calls it has ended."""
        pidfd = os.pidfd_open(program.pid)
        try:
            ready, _, _ = select.select([self._asked, pidfd], [], [], PATIENCE)
        finally:
            os.close(pidfd)
        assert ready, "it hangs"
        return self._asked in ready

    def open(self) -> None:
        """Let it do its work."""
        os.read(self._asked, len(b"asks\n"))
        os.write(self._answered, b"go\n")

    def close(self) -> None:
        os.close(self._asked)
        os.close(self._answered)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.close()


@BACKENDS
def test_one_apply_makes_a_whole_host_out_of_nothing(
    host: Host, link: str, gate: Gate, backend: str
) -> None:
    host.says(*network(link), *sysctls(link), *firewall(link, by_index(link)))
    seen = []
    with subprocess.Popen(
        [*COMMAND, "apply", "--json", *host.options("--backend", backend)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ENVIRONMENT, "PATH": gate.path},
    ) as program:
        while gate.asked(program):
            if link in links():
                seen.append(state_of(link))
            gate.open()
        output, errors = program.communicate()
    assert (program.returncode, errors) == (0, "")
    found = json.loads(output)
    assert [each["part"] for each in found["parts"]] == [f"netfilter inet {link}", "sysctl", "rtnl"]
    # While its firewall was compiled, which takes its index, it was there, and no more than that.
    assert set(map(str, seen)) == {"(False, [])"}
    # It came up with the sysctls that it was to have: it has no address but the one.
    assert state_of(link) == (True, ["10.71.0.1"])
    assert f'iif "{link}"' in nft("list", "table", "inet", link).stdout
    assert host.linx("plan").returncode == 0


@pytest.mark.anyio
async def test_a_firewall_is_in_the_kernel_before_there_are_links_wherever_it_is_in_the_file(
    host: Host, link: str
) -> None:
    host.says(*network(link), *firewall(link, by_name(link)))
    seen: dict[str, tuple[bool, bool]] = {}

    def look() -> tuple[bool, bool]:
        found = nft("list", "table", "inet", link, check=False)
        return not found.returncode, link in links()

    class Watched(Passes):
        async def _turn(self, part: Part, bare: bool) -> PartResult:
            seen[part.kind] = await to_thread.run_sync(look)
            return await super()._turn(part, bare)

    passes = Watched(parse(host.file.read_text()), HostStore(host.records))
    await passes.apply()
    assert all(result.converged for result in passes.results)
    assert seen == {"netfilter": (False, False), "rtnl": (True, False)}


def test_a_plan_is_in_the_order_of_the_work_and_says_what_follows_once_a_link_is_there(
    host: Host, link: str
) -> None:
    host.says(*network(link), *sysctls(link), "net.ipv4.conf.cla0.arp_ignore = 1")
    with host.file.open("a") as file:
        file.write("\n".join(firewall(link, by_name(link))))
    told = host.linx("plan").stdout.splitlines()
    missing = "the interface cla0 is not there, or has no such key"
    assert told[0] == f"netfilter inet {link}:"
    assert told[4:9] == [
        "sysctl:",
        f"  once {link} is there: net.ipv4.conf.{link}.arp_ignore",
        f"  waiting: net.ipv4.conf.cla0.arp_ignore: {missing}",
        f"  once {link} is there: net.ipv6.conf.{link}.addr_gen_mode",
        "rtnl:",
    ]
    assert told[-1] == f"{host.file}: 7 changes due, 2 keys to follow, 1 key waiting"


def test_what_a_link_loses_when_it_is_made_anew_is_set_in_the_same_apply(
    host: Host, link: str
) -> None:
    rest = [*sysctls(link)[:2], *firewall(link, by_index(link))]
    host.says(*network(link), *rest)
    assert host.linx("apply").returncode == 0
    host.says(*network(link, kind="bridge"), *rest)
    assert host.linx("apply").returncode == 0
    assert Path(f"/proc/sys/net/ipv4/conf/{link}/arp_ignore").read_text() == "1\n"
    assert f'iif "{link}"' in nft("list", "table", "inet", link).stdout


def test_what_waits_for_another_namespace_has_its_turn_when_all_had_theirs(
    host: Host, link: str, box: Namespaces
) -> None:
    there = f"netns.{json.dumps(str(box.path('net')))}"
    host.says(
        *(f"[{there}]", f"path = {str(box.path('net'))!r}"),
        *(f"[{there}.sysctl]", f"net.ipv4.conf.{link}p.arp_ignore = 1"),
        *(f"[{there}.rtnl]", f'addresses = [["{link}p", "10.74.0.2", 24]]'),
        *(f"[rtnl.links.{link}]", 'kind = "veth"', f'peer = "{link}p"'),
        f"peer_netns = {str(box.path('net'))!r}",
    )
    names = parts_of(host.linx("apply", "--json"))
    assert [name.rpartition(" ")[2] for name in names] == ["sysctl", "rtnl", "rtnl"]
    assert box.read(f"net.ipv4.conf.{link}p.arp_ignore") == "1\n"
    assert "10.74.0.2/24" in box.run(["ip", "address", "show", "dev", f"{link}p"]).stdout


def test_what_leaves_the_file_goes_the_other_way_round(host: Host, link: str) -> None:
    host.says(*network(link), "[sysctl]", "net.ipv4.conf.lo.arp_ignore = 1")
    with host.file.open("a") as file:
        file.write("\n".join(firewall(link, by_name(link))))
    assert host.linx("apply").returncode == 0
    host.says()
    order = ["rtnl", "sysctl", f"netfilter inet {link}"]
    planned = json.loads(host.linx("plan", "--json").stdout)
    assert [each["part"] for each in planned["parts"]] == order
    assert parts_of(host.linx("apply", "--json", "--revert-on-release")) == order


def test_a_firewall_goes_only_after_what_takes_its_place_has_come(host: Host, link: str) -> None:
    host.says(*firewall(link, by_name(link), name=f"{link}a"))
    assert host.linx("apply").returncode == 0
    host.says(*firewall(link, by_name(link), name=f"{link}b"), *network(link))
    assert parts_of(host.linx("apply", "--json")) == [
        f"netfilter inet {link}b",
        "rtnl",
        f"netfilter inet {link}a",
    ]


@BACKENDS
def test_an_apply_that_is_not_confirmed_takes_all_of_it_back(
    host: Host, link: str, backend: str
) -> None:
    host.says(*network(link), *sysctls(link), *firewall(link, by_index(link)))
    done = host.linx("apply", "--check", "false", "--backend", backend)
    assert (done.returncode, link in links()) == (3, False)
    assert nft("list", "table", "inet", link, check=False).returncode
    assert f"sysctl:\n  set net.ipv4.conf.{link}.arp_ignore = 1 (was 0)" in done.stdout


def test_what_is_left_to_do_is_a_table_at_the_end_as_wide_as_the_terminal(
    host: Host, link: str
) -> None:
    add_veth(link, f"{link}p")
    host.says(
        *("[sysctl]", f"net.ipv4.conf.{link}.arp_ignore = 99999999999", "net.nothing.here = 1"),
        *("[rtnl]", 'addresses = [["cla0", "10.73.0.1", 24]]', f"links.{link}.up = true"),
    )
    code, written = in_terminal("apply", *host.options(), COLUMNS="80", NO_COLOR="1")
    lines = [line.rstrip("\r") for line in written.splitlines()]
    assert code == 2
    assert lines[:3] == ["sysctl: nothing done", "rtnl:", f"  set link {link}: up yes"]
    assert lines[3].split() == ["part", "key", "what", "why"]
    assert all(len(line) <= 80 for line in lines[3:-1])
    rows = [re.split(r" {2,}", line) for line in lines[4:-1] if not line.startswith(" ")]
    assert [(part, what) for part, _, what, _ in rows] == [
        ("sysctl", "failed"),
        ("sysctl", "waiting"),
        ("rtnl", "waiting"),
    ]
    assert lines[-1].endswith("not converged: 1 change made, 1 key failed, 2 keys waiting")
    assert "\x1b" not in written


def test_a_long_apply_says_in_a_terminal_how_far_it_is_and_leaves_nothing_of_that(
    host: Host, link: str, gate: Gate
) -> None:
    host.says(*network(link), *firewall(link, by_index(link)))
    ours, theirs = pty.openpty()
    environment = {**os.environ, **ENVIRONMENT, "PATH": gate.path}
    with subprocess.Popen(
        [*COMMAND, "apply", *host.options()],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=environment,
    ) as program:
        os.close(theirs)
        while gate.asked(program) and link not in links():
            gate.open()
        # It is in the middle of it, for as long as we like.
        shown = ""
        while f"netfilter inet {link}" not in shown:
            assert select.select([ours], [], [], PATIENCE)[0], shown
            shown += os.read(ours, 4096).decode()
        gate.open()
        while gate.asked(program):
            gate.open()
        output, _ = program.communicate()
    after = b"".join(chunks(ours)).decode()
    os.close(ours)
    assert program.returncode == 0
    assert output.splitlines()[0] == f"netfilter inet {link}:"
    assert "looking" in shown
    assert (shown + after).endswith("\x1b[2K")  # the line is erased
    assert "\x1b[?25l" not in shown  # and the cursor never was
