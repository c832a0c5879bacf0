"""The real program tells what others do: to links, firewalls, sysctls and cgroups."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from linx_async.testing.links import add_veth, delete_link
from linx_async.testing.namespaces import can_make_links
from tests.cgroups import make, remove, write
from tests.kernel.netbox import Net, net
from tests.kernel.nft_program import nft, nft_or_skip
from tests.kernel.program import COMMAND, Running, linx, run

__all__ = ["net"]

pytestmark = pytest.mark.unguarded("it runs programs of its own")
needs_ip = pytest.mark.skipif(
    not can_make_links(), reason="iproute2 is not here, or makes no links"
)
backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])

BOTH = "table inet mon { chain c { type filter hook input priority 0; policy accept; }; }"
INITIAL_PIDS = 0xEFFFFFFC
"""PROC_PID_INIT_INO, include/linux/proc_ns.h: the inode of the machine's own pid namespace."""


@pytest.fixture
def table() -> Iterator[str]:
    nft_or_skip()
    yield "mon"
    nft("delete", "table", "inet", "mon", check=False)


class Listening(Running):
    """`linx monitor` once it listens."""

    def __init__(self, *arguments: str | Path) -> None:
        super().__init__("monitor", *arguments)
        self.told = self.line_with("listens to ")

    def next_with(self, text: str) -> str:
        """The next line with that text in it, without the time and what the part is called."""
        return self.line_with(text).split(": ", 1)[1]

    def object_with(self, **wanted: Any) -> dict[str, Any]:
        """The next object of `--json` that has those fields."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found: dict[str, Any] = json.loads(line)
            if wanted.items() <= found.items():
                return found
        raise AssertionError(f"no object with {wanted}; {self.ended()}")


def ip(*words: str) -> int:
    """Somebody else does something; gives the pid."""
    with subprocess.Popen(["ip", *words]) as process:
        assert process.wait() == 0
    return process.pid


@needs_ip
@backends
def test_what_others_do_to_a_network_is_told_in_order(link: str, backend: str) -> None:
    with Listening("--backend", backend, "rtnl") as told:
        pid = ip("address", "add", "10.71.0.1/24", "dev", link)
        line = told.next_with(f"added address 10.71.0.1/24 on {link}")
        assert line == f"added address 10.71.0.1/24 on {link} (port {pid})"
        ip("address", "change", "10.71.0.1/24", "dev", link, "preferred_lft", "9")
        assert told.next_with("changed address 10.71.0.1/24")
        ip("link", "set", link, "mtu", "1400")
        assert told.next_with("(mtu was 1500)").startswith("changed link ")
        ip("link", "set", link, "up")
        assert "was down" in told.next_with(f": {link}: up")
        ip("link", "set", f"{link}p", "up")
        ip("route", "add", "10.72.0.0/16", "via", "10.71.0.9")
        assert told.next_with("added route 10.72.0.0/16 via 10.71.0.9")
        ip("route", "replace", "10.72.0.0/16", "via", "10.71.0.8")
        assert told.next_with("changed route 10.72.0.0/16 via 10.71.0.8")
        ip("rule", "add", "priority", "71", "from", "10.71.0.0/16", "table", "100")
        assert told.next_with("added rule 71: from 10.71.0.0/16 lookup 100")
        ip("rule", "delete", "priority", "71")
        assert told.next_with("deleted rule 71: from 10.71.0.0/16 lookup 100")
        ip("link", "delete", link)
        assert told.next_with("deleted address 10.71.0.1/24")
        assert told.next_with("deleted link ")
        assert told.end(signal.SIGINT) == (0, "")


@backends
def test_who_changes_a_firewall_is_told_with_the_pid_and_the_program(
    table: str, backend: str
) -> None:
    program = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program is not None
    with Listening("--backend", backend, "--json", "netfilter") as told:
        with subprocess.Popen([program, BOTH]) as process:
            assert process.wait() == 0
        made = told.object_with(event="added", what="table")
        assert (made["family"], made["table"], made["program"]) == ("inet", table, "nft")
        if os.stat("/proc/self/ns/pid").st_ino == INITIAL_PIDS:
            assert made["pid"] == process.pid
        who = f"by nft (pid {made['pid']}), generation {made['generation']}"
        chain = told.object_with(event="added", what="chain")
        said = "added chain inet mon c: filter hook input priority 0, policy accept"
        assert chain["text"].startswith(said)
        assert chain["text"].endswith(who)
        nft("add set inet mon s { type ipv4_addr; elements = { 192.0.2.7 } }")
        elements = told.object_with(event="added", what="elements")
        assert elements["elements"] == ["192.0.2.7"]
        assert elements["generation"] == made["generation"] + 1
        nft("chain inet mon c { policy drop; }")
        assert told.object_with(event="changed", what="chain")["policy"] == "drop"
        nft('add rule inet mon c ip saddr @s drop comment "bad"')
        rule = told.object_with(event="added", what="rule")
        assert (rule["comment"], rule["rule"].rpartition("; ")[2]) == ("bad", "drop")
        nft("delete", "table", "inet", "mon")
        gone = told.object_with(event="deleted", what="rule")
        assert gone["handle"] == rule["handle"]
        assert told.object_with(event="deleted", what="table")["program"] == "nft"


def test_what_was_there_before_changes_and_is_not_added(table: str) -> None:
    nft(BOTH)
    nft("add set inet mon s { type ipv4_addr; }")
    with Listening("--count", "2") as told:
        assert told.told.endswith("listens to rtnl, netfilter")
        nft("add element inet mon s { 192.0.2.8 }")
        assert told.next_with("added elements inet mon s: 192.0.2.8 by nft (pid ")
        nft("chain inet mon c { policy drop; }")
        assert told.next_with("changed chain inet mon c: filter hook input priority 0, policy drop")
        assert told.ended() == (0, "")


@backends
def test_sysctls_are_told_with_their_values_and_writes_that_change_nothing_as_hints(
    link: str, backend: str
) -> None:
    conf = f"net.ipv4.conf.{link}"
    file = Path(f"/proc/sys/net/ipv4/conf/{link}/arp_ignore")
    coming = f"net.ipv4.conf.{link}x.arp_ignore"
    with Listening("--backend", backend, f"sysctl:{conf}", f"sysctl:{coming}") as told:
        assert told.next_with("waiting: ").startswith(f"waiting: {coming}: the interface")
        file.write_text("2")
        assert told.next_with("changed") == f"changed {conf}.arp_ignore = 2 (was 0)"
        file.write_text("2")
        assert told.next_with("was written").endswith(f"still {conf}.arp_ignore = 2")
        add_veth(f"{link}x", f"{link}y")
        try:
            assert told.next_with("added") == f"added {coming} = 0"
        finally:
            delete_link(f"{link}x")
        assert told.next_with("deleted").startswith(f"deleted {coming}: the interface")


@backends
def test_a_cgroup_is_told_of_with_its_limits_its_events_and_its_end(
    scratch: Path, backend: str
) -> None:
    cgroup = scratch / "web"
    with Listening("--backend", backend, "--json", f"cgroup:{cgroup}") as told:
        assert told.object_with(event="waiting")["part"] == f"cgroup {cgroup}"
        make(cgroup)
        assert told.object_with(event="added")["what"] == "cgroup"
        write(cgroup / "cgroup.max.depth", "7")
        limit = told.object_with(event="changed", key="cgroup.max.depth")
        assert (limit["value"], limit["was"]) == ("7", "max")
        make(cgroup / "below")
        assert told.object_with(event="added", name="below")
        with subprocess.Popen(["sleep", "60"]) as process:
            try:
                write(cgroup / "below" / "cgroup.procs", str(process.pid))
                populated = told.object_with(event="changed", key="cgroup.events")
                assert populated["text"] == "changed cgroup.events: populated 1 (was 0)"
            finally:
                process.kill()
        assert told.object_with(event="changed", key="cgroup.events")["value"].startswith("pop")
        remove(cgroup / "below")
        assert told.object_with(event="deleted", name="below")
        remove(cgroup)
        assert told.object_with(event="deleted", what="cgroup", name=None)


@needs_ip
def test_a_file_says_which_sysctls_and_which_namespaces(
    link: str, net: Net, tmp_path: Path
) -> None:
    key = f"net.ipv4.conf.{link}.arp_ignore"
    file = tmp_path / "host.toml"
    file.write_text(
        f'[sysctl]\n"{key}" = 2\n[netns.blue]\npath = "{net.path}"\n'
        '[netns.blue.sysctl]\n"net.ipv4.ip_forward" = 1\n'
    )
    with Listening("--file", file, "address", "sysctl") as told:
        there = net.path
        assert told.told.partition("listens to ")[2].split(", ") == [
            "rtnl (address)",
            f"{there}: rtnl (address)",
            f"sysctl ({key})",
            f"{there}: sysctl (net.ipv4.ip_forward)",
        ]
        Path("/proc/sys", *key.split(".")).write_text("2")
        assert told.line_with(f" sysctl: changed {key} = 2 (was 0)")
        net.box.write("net.ipv4.ip_forward", "1")
        assert told.line_with(f" {there}: sysctl: changed net.ipv4.ip_forward = 1 (was 0)")
        net.prepare("address add 10.0.0.7/32 dev one\n")
        assert told.line_with(f" {there}: rtnl: added address 10.0.0.7/32 on one")


@needs_ip
def test_another_namespace_is_listened_to_by_its_process(net: Net) -> None:
    with Listening("--netns", str(net.box.pid), "--count", "1", "address") as told:
        net.prepare("address add 10.0.0.7/32 dev one\n")
        assert told.line_with(f" pid {net.box.pid}: rtnl: added address 10.0.0.7/32 on one")
        assert told.ended() == (0, "")


@needs_ip
def test_a_burst_is_told_whole_or_that_some_of_it_was_lost(link: str) -> None:
    """The kernel's queue is a small one for an ordinary user."""
    ip("link", "set", link, "up")
    nets = [f"10.{80 + each // 250}.{each % 250}.0/24" for each in range(3000)]
    commands = "".join(f"route add {each} dev {link} proto 99\n" for each in nets)
    with Listening("route") as told:
        subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)
        assert told.process.stdout is not None
        found = []
        for line in told.process.stdout:
            found += [line] if "proto 99" in line else []
            if "lost" in line or nets[-1] in line:
                break
        else:
            raise AssertionError(told.ended())
        assert "lost" in line or len(found) == len(nets)


def test_where_nobody_reads_any_more_it_ends_at_once_and_without_a_word() -> None:
    with Listening("rule") as told:
        assert told.process.stdout is not None
        told.process.stdout.close()
        assert told.ended() == (1, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sysctl"], "sysctl: say which, as in sysctl:net.ipv4.ip_forward, or give --file"),
        (["--netns", "999999999"], "pid 999999999: No such process"),
        (
            ["--netns", "./here"],
            "--netns: expected a name of ip-netns(8), an absolute path or a pid, got './here'",
        ),
        (["--file", "/none.toml"], "/none.toml: cannot be read: No such file or directory"),
    ],
)
def test_what_is_wrong_with_a_call_is_told_on_both_streams(words: list[str], message: str) -> None:
    done = linx("monitor", "--json", *words)
    told = json.loads(done.stdout)
    assert (done.returncode, told["event"], told["part"]) == (1, "error", None)
    assert (told["text"], done.stderr) == (message, f"linx: {message}\n")
    assert [problem["message"] in message for problem in told["errors"]] == [True]


def test_a_file_says_itself_where_its_namespaces_are() -> None:
    done = linx("monitor", "--file", "x", "--netns", "y")
    assert done.returncode == 1
    assert "give --file or --netns" in done.stderr


def test_a_time_that_is_over_before_enough_happened_has_a_code_of_its_own() -> None:
    done = linx("monitor", "--json", "--count", "1", "--for", "0.01", "rule")
    assert (done.returncode, done.stderr) == (2, "")
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events == ["started", "stopped"]
    assert linx("monitor", "--for", "0.01", "rule").returncode == 0


def test_what_may_not_be_listened_to_is_told_and_the_rest_goes_on() -> None:
    """A process without capabilities: anybody may hear of links, and not of firewalls."""
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")

    def monitor(*words: str) -> subprocess.CompletedProcess[str]:
        return run([*bare, *COMMAND, "monitor", "--for", "0.01", *words])

    done = monitor()
    if "Operation not permitted" in done.stderr:
        pytest.skip(f"capabilities cannot be dropped here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "listens to rtnl\n" in done.stdout
    assert "netfilter: " in done.stdout
    assert "CAP_NET_ADMIN" in done.stdout
    named = monitor("netfilter")
    assert (named.returncode, named.stdout) == (1, "")
    assert "CAP_NET_ADMIN" in named.stderr
