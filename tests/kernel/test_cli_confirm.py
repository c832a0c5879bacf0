"""The real program with a way back: what is not confirmed is as it was before."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from linx_async.cli.waiting import SOCKET, is_held, near
from linx_async.testing.links import links
from linx_async.testing.namespaces import can_make_links
from tests.iproute2 import ip
from tests.kernel.nft_program import nft, nft_or_skip
from tests.kernel.program import COMMAND, PATIENCE, ROOT, Host, Running, linx, pidfds

numbers = itertools.count(1)


@pytest.fixture
def host(host: Host) -> Iterator[Host]:
    yield host
    if is_held(host.records):
        confirm(host, "--rollback")


def confirm(host: Host, *options: str) -> subprocess.CompletedProcess[str]:
    return linx("confirm", "--state-dir", host.records, *options)


def notes(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((host.records / "confirm.json").read_text())
    return found


def await_guard(host: Host) -> dict[str, Any]:
    """Wait until the guard has ended; what it told last."""
    with pidfds([notes(host)["pid"]]) as ended:
        assert ended.poll(PATIENCE * 1000)
    return notes(host)


def path(key: str) -> Path:
    return Path("/proc/sys", *key.split("."))


def value(key: str) -> str:
    return path(key).read_text().strip()


def key(link: str, name: str) -> str:
    return f"net.ipv4.conf.{link}.{name}"


def test_a_check_that_fails_has_all_rolled_back_at_once(host: Host, link: str) -> None:
    forwarding, redirects = "net.ipv4.ip_forward", "net.ipv4.conf.all.accept_redirects"
    before = {name: value(name) for name in (forwarding, redirects, key(link, "forwarding"))}
    other = "0" if before[forwarding] == "1" else "1"
    host.says("[sysctl]", f"{forwarding} = {other}", f"{key(link, 'arp_ignore')} = 2")
    check = f"test $(cat {path(forwarding)}) = {before[forwarding]}"
    done = host.linx("apply", "--backend", "trio", "--check", check)
    assert done.returncode == 3
    assert "rolled back" in done.stderr.splitlines()[-1]
    assert {name: value(name) for name in before} == before
    assert value(key(link, "arp_ignore")) == "0"
    told = notes(host)
    assert (told["state"], told["lost"]) == ("rolled back", [])
    host.says()
    assert host.linx("plan").stdout.splitlines() == [f"{host.file}: nothing to do"]


def test_a_check_that_succeeds_confirms(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    done = host.linx("apply", "--json", "--check", f"grep 2 {path(key(link, 'arp_ignore'))}")
    assert done.returncode == 0
    assert json.loads(done.stdout)["confirmation"]["state"] == "confirmed"
    assert done.stderr == "2\n"
    assert value(key(link, "arp_ignore")) == "2"
    # Nothing is due any more; and nobody listens.
    silent = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMAND, "apply"]
    again = subprocess.run([*silent, *host.options("--confirm", "60")], cwd=ROOT, check=False)
    assert again.returncode == 0
    assert notes(host)["state"] == "unchanged"


def test_one_waits_at_a_time_until_it_is_confirmed(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    done = host.linx("apply", "--confirm", "60")
    assert done.returncode == 0
    assert "linx confirm --state-dir" in done.stdout.splitlines()[-1]
    for command, *options in (["run"], ["apply"], ["apply", "--confirm", "60"]):
        refused = host.linx(command, *options)
        assert refused.returncode == 1
        assert f"an apply of {host.file} waits for confirmation" in refused.stderr
    status = confirm(host, "--status", "--json")
    assert status.returncode == 2
    assert json.loads(status.stdout)["state"] == "waiting"
    assert answer_to(host, b"nonsense\n") == {"error": "expected confirm, rollback or status"}
    assert answer_to(host, b"\xff" * 4096) is None
    kept = confirm(host)
    assert (kept.returncode, kept.stdout) == (0, f"{host.file}: confirmed\n")
    await_guard(host)
    late = confirm(host, "--json")
    assert late.returncode == 1
    assert "nothing waits for confirmation; the last apply" in late.stderr
    told = json.loads(late.stdout)
    assert (told["state"], f"linx: {told['error']}\n") == (None, late.stderr)
    assert confirm(host, "--status").returncode == 0
    assert value(key(link, "arp_ignore")) == "2"


def answer_to(host: Host, words: bytes) -> Any:
    with near(host.records, SOCKET) as place, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(place)
        client.sendall(words)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").readline()
    return json.loads(answer) if answer else None


def test_another_user_confirms_nothing(host: Host, link: str) -> None:
    as_another = ["setpriv", "--reuid=65533", "--clear-groups", "--inh-caps=-all"]
    if subprocess.run([*as_another, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can be another user")
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    assert host.linx("apply", "--backend", "trio", "--confirm", "600").returncode == 0
    talk = (
        "import contextlib, socket",
        f"s = socket.socket(socket.AF_UNIX); s.connect('/proc/self/cwd/{SOCKET}')",
        "with contextlib.suppress(BrokenPipeError): s.sendall(b'confirm\\n')",
        "print(s.makefile().readline())",
    )

    def by_another() -> subprocess.CompletedProcess[str]:
        # With the machine's own interpreter, which everybody may run.
        python = shutil.which("python3", path=os.defpath) or COMMAND[0]
        return subprocess.run(
            [*as_another, python, "-c", "\n".join(talk)],
            cwd=host.records,
            capture_output=True,
            text=True,
            check=False,
        )

    assert "PermissionError" in by_another().stderr
    # Whoever opens the doors by mistake is still asked who it is.
    host.records.chmod(0o755)
    (host.records / SOCKET).chmod(0o666)
    done = by_another()
    assert "uid 65533" in done.stdout, done.stderr
    assert "may not ask" in done.stdout
    host.records.chmod(0o700)
    assert confirm(host, "--rollback").returncode == 0
    assert value(key(link, "arp_ignore")) == "0"


def test_what_nobody_confirms_is_rolled_back_though_the_program_was_killed(
    host: Host, link: str
) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    done = host.linx("apply", "--confirm", "1", "--check", "kill -9 $PPID")
    assert done.returncode == -signal.SIGKILL
    told = await_guard(host)
    assert (told["state"], told["reason"]) == ("rolled back", "not confirmed within 1 s")
    assert value(key(link, "arp_ignore")) == "0"
    assert "all is as it was before" in (host.records / "confirm.log").read_text()


def test_what_is_half_applied_when_the_program_is_killed_is_rolled_back_at_once(
    host: Host, link: str
) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2", "[rtnl]", "rules = [[53, 53]]")
    code = f"""
import os, sys
from linx_async.cli.passes import Passes
from linx_async.cli import main
applied = Passes._applied
async def cut_short(self, part, bare):
    await applied(self, part, bare)
    assert open({str(path(key(link, "arp_ignore")))!r}).read() == "2\\n"
    os.kill(os.getpid(), 9)
Passes._applied = cut_short
sys.argv = ["linx", "apply", "--confirm", "600", *{host.options()!r}]
main()
"""
    done = subprocess.run(
        [COMMAND[0], "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    told = await_guard(host)
    assert (told["state"], told["reason"]) == ("rolled back", "the apply did not come to its end")
    assert value(key(link, "arp_ignore")) == "0"


def test_a_ctrl_c_while_the_guard_looks_ends_it_before_anything_is_changed(
    host: Host, link: str
) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    code = f"""
import os, signal, sys
from linx_async.cli import guarding, main
hear = guarding.Guard._hear
def interrupted(self):
    guarding.Guard._hear = hear
    os.kill(os.getpid(), signal.SIGINT)
    return hear(self)
guarding.Guard._hear = interrupted
sys.argv = ["linx", "apply", "--confirm", "600", *{host.options()!r}]
main()
"""
    done = subprocess.run(
        [COMMAND[0], "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr
    assert await_guard(host)["state"] == "unchanged"
    assert value(key(link, "arp_ignore")) == "0"


def test_an_apply_that_takes_too_long_is_ended_and_rolled_back(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    code = f"""
import sys, threading
from linx_async.cli.passes import Passes
from linx_async.cli import main
applied = Passes._applied
async def stall(self, part, bare):
    await applied(self, part, bare)
    threading.Event().wait()
Passes._applied = stall
sys.argv = ["linx", "apply", "--confirm", "0.5", *{host.options()!r}]
main()
"""
    done = subprocess.run([COMMAND[0], "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert await_guard(host)["state"] == "rolled back"
    assert value(key(link, "arp_ignore")) == "0"


def test_ctrl_c_and_the_guard_s_own_end_roll_back(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    checking = ["--check", "echo checks >&2; sleep 600"]
    with Running("apply", *host.options(*checking)) as running:
        assert running.process.stderr is not None
        assert running.process.stderr.readline() == "checks\n"
        code, errors = running.end(signal.SIGINT)
    assert code == 130
    assert f"{host.file}: interrupted by SIGINT: rolled back" in errors
    assert value(key(link, "arp_ignore")) == "0"
    assert host.linx("apply", "--backend", "trio", "--confirm", "600").returncode == 0
    os.kill(notes(host)["pid"], signal.SIGTERM)
    assert "SIGTERM" in await_guard(host)["reason"]
    assert value(key(link, "arp_ignore")) == "0"


def test_what_somebody_else_has_set_meanwhile_is_left_and_told(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2", f"{key(link, 'arp_announce')} = 1")
    assert host.linx("apply", "--confirm", "600").returncode == 0
    path(key(link, "arp_ignore")).write_text("1")
    done = confirm(host, "--rollback", "--json")
    assert done.returncode == 2
    (lost,) = json.loads(done.stdout)["lost"]
    assert lost["key"] == key(link, "arp_ignore")
    assert lost["message"] == "is 1, and was 0: left at 1, which somebody else set"
    assert (value(key(link, "arp_ignore")), value(key(link, "arp_announce"))) == ("1", "0")


def test_without_a_way_back_nothing_is_begun(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 1")
    assert host.linx("apply").returncode == 0
    (record,) = host.records.glob("*sysctl*.json")
    record.write_text("{")
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    done = host.linx("apply", "--confirm", "600")
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert done.stderr.rstrip().endswith("nothing was changed")
    assert value(key(link, "arp_ignore")) == "1"
    assert not is_held(host.records)
    record.unlink()


def test_where_nothing_could_be_changed_nothing_waits(host: Host) -> None:
    host.says("[netns.is-not-there.sysctl]", "net.ipv4.ip_forward = 1")
    done = host.linx("apply", "--backend", "trio", "--confirm", "600")
    assert done.returncode == 1
    assert "/run/netns/is-not-there is not there" in done.stderr
    assert "unless you say" not in done.stdout
    assert await_guard(host)["state"] == "unchanged"


def test_limits_of_a_cgroup_come_back(host: Host, scratch: Path) -> None:
    depth, descendants = scratch / "cgroup.max.depth", scratch / "cgroup.max.descendants"
    host.says(f'[cgroup."{scratch}"]', "cgroup.max.depth = 3")
    assert host.linx("apply").returncode == 0
    host.says(f'[cgroup."{scratch}"]', "cgroup.max.depth = 4", "cgroup.max.descendants = 9")
    assert host.linx("apply", "--backend", "trio", "--check", "false").returncode == 3
    assert (depth.read_text(), descendants.read_text()) == ("3\n", "max\n")
    host.says()
    assert host.linx("apply", "--revert-on-release").returncode == 0
    assert depth.read_text() == "max\n"


NETWORK = """
link set {0} up
link set {0}p up
address add 10.71.0.1/24 dev {0}
address add 10.71.0.7/24 dev {0}
address add 2001:db8:71::1/64 dev {0} nodad
route add 10.72.0.0/16 via 10.71.0.2 proto static
route add 10.73.0.0/16 via 10.71.0.2 proto 81
route add 2001:db8:72::/48 via 2001:db8:71::2 proto static
neighbour add 10.71.0.2 lladdr 02:00:00:00:00:02 dev {0}
"""


def network(link: str) -> list[str]:
    """All that lasts of the network, without indices and what the kernel makes by itself."""
    found = []
    for words in (["link"], ["-4", "address"], ["-6", "address"], ["rule"]):
        found += json.loads(ip("-json", *words, "show"))
    for family in ("-4", "-6"):
        routes = json.loads(ip("-json", family, "route", "show", "table", "all"))
        found += [route for route in routes if route.get("protocol") != "kernel"]
    found += json.loads(ip("-json", "neighbour", "show", "dev", link, "nud", "permanent"))
    return sorted(json.dumps(lasting(each), sort_keys=True) for each in found)


def lasting(found: Any) -> Any:
    """A value without what changes by itself."""
    if isinstance(found, list):
        return [lasting(each) for each in found if not is_link_local(each)]
    if not isinstance(found, dict):
        return found
    passing = {"ifindex", "link_index", "operstate", "flags", "qdisc", "tentative"}
    return {name: lasting(each) for name, each in found.items() if name not in passing}


def is_link_local(found: Any) -> bool:
    return isinstance(found, dict) and str(found.get("local", "")).startswith("fe80::")


@pytest.mark.skipif(not can_make_links(), reason="there is no `ip` that makes links")
def test_a_network_comes_back_with_what_was_others(host: Host, link: str) -> None:
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input=NETWORK.format(link),
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stderr == ""
    host.says(
        "[rtnl]",
        "rules = [[71, 71]]",
        'routes = [["10.74.0.0/16", "10.71.0.3"],',
        '  {destination = "10.75.0.0/16", type = "blackhole"}]',
        f"[rtnl.links.{link}a]",
        'kind = "veth"',
        f'peer = "{link}b"',
        "up = true",
        'addresses = ["10.76.0.1/24"]',
    )
    assert host.linx("apply").returncode == 0
    before = network(link)
    host.says(
        "[rtnl]",
        'on_conflict = "replace"',
        "rules = [[72, 72]]",
        'routes = [["10.72.0.0/16", "10.71.0.3"], ["10.74.0.0/16", "10.71.0.4"]]',
        f"[rtnl.links.{link}]",
        "mtu = 1400",
        'alias = "changed"',
        f"[rtnl.links.{link}p]",
        "up = false",
        f"[rtnl.links.{link}c]",
        'kind = "veth"',
        f'peer = "{link}d"',
        'addresses = ["10.77.0.1/24"]',
    )
    assert host.linx("apply", "--backend", "trio", "--confirm", "600").returncode in {0, 2}
    assert network(link) != before
    assert f"{link}a" not in links()
    undone = confirm(host, "--rollback", "--json")
    assert network(link) == before
    lost = json.loads(undone.stdout)["lost"]
    assert {each["key"] for each in lost} == {f"link {link}a", f"link {link}b"}
    assert all("was made anew: its index is" in each["message"] for each in lost)
    host.says()
    assert host.linx("apply").returncode == 0
    assert f"{link}a" not in links()


@pytest.mark.skipif(not can_make_links(), reason="there is no `ip` that makes links")
def test_routes_of_others_that_went_with_a_link_s_state_come_back(host: Host, link: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input=NETWORK.format(link), text=True, check=True)
    before = network(link)
    host.says(f"[rtnl.links.{link}]", "up = false")
    assert host.linx("apply", "--check", "ip route get 10.72.0.1").returncode == 3
    assert network(link) == before
    assert notes(host)["lost"] == []


CHAIN = "chain c { type filter hook input priority 0; policy accept; tcp dport 22 accept; };"


def ruleset() -> str:
    return nft("list", "ruleset").stdout


def test_firewalls_come_back_ours_and_others(host: Host) -> None:
    nft_or_skip()
    old, new, theirs = (f"cnf{next(numbers)}" for _ in range(3))
    table = ["[netfilter.inet.{}.chains.input]", 'hook = "input"', "rules = ['{}']"]
    host.says(*"\n".join(table).format(old, "tcp dport 22 accept").splitlines())
    assert host.linx("apply").returncode == 0
    held = "set s { type ipv4_addr; elements = { 192.0.2.1 }; };"
    nft(f'table inet {theirs} {{ comment "theirs"; {held} {CHAIN} }}')
    before = ruleset()
    host.says(
        *("[netfilter]", 'on_conflict = "replace"'),
        *"\n".join(table).format(old, "tcp dport 23 accept").splitlines(),
        *"\n".join(table).format(new, "tcp dport 24 accept").splitlines(),
        *"\n".join(table).format(theirs, "tcp dport 25 accept").splitlines(),
    )
    done = host.linx("apply", "--confirm", "600")
    assert done.returncode == 0
    assert all(f"tcp dport {port}" in ruleset() for port in (23, 24, 25))
    undone = confirm(host, "--rollback")
    assert (undone.returncode, undone.stderr) == (0, "")
    assert normal(ruleset()) == normal(before)
    host.says()
    assert host.linx("apply").returncode == 0
    assert f"table inet {theirs}" in ruleset()
    assert f"table inet {old}" not in ruleset()
    nft("delete", "table", "inet", theirs)


def normal(ruleset: str) -> list[str]:
    """The tables in any order."""
    return sorted(ruleset.split("\ntable "))
