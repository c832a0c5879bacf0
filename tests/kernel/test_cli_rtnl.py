"""The real program on a network: plan, apply and run of links, addresses, routes and rules."""

from __future__ import annotations

import itertools
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from linx_async.testing.links import add_veth, delete_link, links, set_up
from linx_async.testing.namespaces import Namespaces
from tests.kernel.program import COMMAND, ENVIRONMENT, ROOT, Host

numbers = itertools.count(1)


@pytest.fixture
def link() -> Iterator[str]:
    """The name of a link that no other test has, and that is not there."""
    name = f"clr{next(numbers)}"
    yield name
    if name in links():
        delete_link(name)


def pair(link: str, *more: str) -> list[str]:
    """What makes a link with an address, two routes and a rule."""
    return [
        "[rtnl]",
        f'addresses = [["{link}", "10.61.0.1", 24]]',
        'routes = [["10.62.0.0/16", "10.61.0.9"],',
        '  {destination = "default", type = "blackhole", table = 61}]',
        "rules = [[61, 61]]",
        f'neighbours = [["{link}", "10.61.0.9", "02:00:00:00:00:09"]]',
        *more,
        f"[rtnl.links.{link}]",
        'kind = "veth"',
        f'peer = "{link}p"',
        "up = true",
        f"[rtnl.links.{link}p]",
        "up = true",
    ]


def routes() -> set[str]:
    """The destinations of the IPv4 routes in the main table (proc_pid_net(5))."""
    lines = Path("/proc/self/net/route").read_text(encoding="ascii").splitlines()[1:]
    return {socket.inet_ntoa(struct.pack("=I", int(line.split()[1], 16))) for line in lines}


def test_a_plan_tells_what_is_due_in_its_order_and_changes_nothing(host: Host, link: str) -> None:
    host.says(*pair(link))
    done = host.linx("plan")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines() == [
        "rtnl:",
        f"  add link {link} (veth)",
        f"  set link {link}p: up yes",
        f"  add address 10.61.0.1/24 on {link}",
        f"  add neighbour 10.61.0.9 lladdr 02:00:00:00:00:09 on {link} permanent",
        "  add route 10.62.0.0/16 via 10.61.0.9",
        "  add route blackhole 0.0.0.0/0 table 61",
        "  add rule 61: from all lookup 61",
        f"{host.file}: 7 changes due",
    ]
    assert link not in links()
    assert not host.records.exists()


def test_what_was_applied_is_there_and_leaves_nothing_to_do(host: Host, link: str) -> None:
    host.says(*pair(link))
    done = host.linx("apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"{host.file}: converged: 7 changes made"
    assert {link, f"{link}p"} <= set(links())
    assert {"10.61.0.0", "10.62.0.0"} <= routes()
    for command in ("apply", "plan"):
        again = host.linx(command)
        assert (again.returncode, again.stdout.splitlines()[0]) == (0, "rtnl: nothing to do")


@pytest.mark.parametrize("left", [["[rtnl]"], []], ids=["an empty table", "no table"])
def test_what_leaves_the_file_is_deleted_and_then_forgotten(
    host: Host, link: str, left: list[str]
) -> None:
    host.says(*pair(link))
    assert host.linx("apply").returncode == 0
    host.says(*left)
    planned = host.linx("plan")
    assert planned.returncode == 2
    assert f"  delete link {link} (veth) (not desired any more)" in planned.stdout.splitlines()
    assert (
        "  delete route blackhole 0.0.0.0/0 table 61 (not desired any more)"
        in planned.stdout.splitlines()
    )
    done = host.linx("apply")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == "  delete rule 61: from all lookup 61"
    assert link not in links()
    host.says()
    assert host.linx("plan").stdout.splitlines() == [f"{host.file}: nothing to do"]


def test_routes_that_no_record_holds_are_remembered_when_their_table_leaves(host: Host) -> None:
    host.says("[[rtnl.routes]]", 'destination = "10.63.0.0/16"', 'type = "blackhole"')
    assert host.linx("apply").returncode == 0
    host.says()
    done = host.linx("apply")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == ["rtnl:", "  delete route blackhole 10.63.0.0/16"]


def test_another_tag_is_another_owner(host: Host) -> None:
    route = 'routes = [{destination = "10.64.0.0/16", type = "blackhole"}]'
    host.says("[rtnl]", "protocol = 80", route)
    assert host.linx("apply").returncode == 0
    host.says("[rtnl]", "protocol = 81", 'routes = [["10.64.0.0/16", "127.0.0.2"]]')
    done = host.linx("plan")
    assert done.stdout.splitlines()[:2] == [
        "rtnl protocol 80:",
        "  delete route blackhole 10.64.0.0/16 (not desired any more)",
    ]
    assert "rtnl protocol 81:" in done.stdout.splitlines()
    host.says()
    assert host.linx("apply").returncode == 0
    assert host.linx("plan").stdout.splitlines() == [f"{host.file}: nothing to do"]


def test_what_somebody_else_has_is_a_conflict_unless_it_is_to_be_replaced(
    host: Host, link: str
) -> None:
    add_veth(link, f"{link}p")
    for name in (link, f"{link}p"):
        set_up(name)
    address = f'addresses = [["{link}", "10.65.0.1/24"]]'
    other = 'routes = [{destination = "10.66.0.0/16", type = "unreachable"}]'
    host.says("[rtnl]", "protocol = 81", other)
    assert host.linx("apply").returncode == 0
    ours = 'routes = [["10.66.0.0/16", "10.65.0.9"]]'
    host.records = host.records.with_name("others")
    host.says("[rtnl]", address, ours)
    part = host.part("apply")
    assert part["converged"] is False
    assert part["conflicts"] == [
        {
            "key": "route 10.66.0.0/16",
            "reason": "protocol 81 has unreachable 10.66.0.0/16 there",
        }
    ]
    host.says("[rtnl]", 'on_conflict = "replace"', address, ours)
    done = host.linx("apply")
    assert done.returncode == 0
    assert (
        "  replace route 10.66.0.0/16 via 10.65.0.9 (was unreachable)" in done.stdout.splitlines()
    )


def test_what_waits_is_told_with_the_rest_in_json(host: Host) -> None:
    host.says("[rtnl]", 'addresses = [["later0", "10.67.0.1"]]', "rules = [[67, 67]]")
    part = host.part("apply")
    assert part["part"] == "rtnl"
    assert part["ops"] == [
        {
            "verb": "create",
            "key": "IPv4 rule 67: from all lookup 67",
            "value": None,
            "was": None,
            "text": "add rule 67: from all lookup 67",
        }
    ]
    assert part["waiting"] == [
        {"key": "address 10.67.0.1/32 on later0", "reason": "the interface later0 is not there"}
    ]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_link_that_is_set_down_or_deleted_comes_back_with_its_routes(
    host: Host, link: str, backend: str
) -> None:
    host.says(*pair(link))
    with host.run("--backend", backend, "--interval", "inf") as running:
        running.line_with("rtnl: converged")
        set_up(link, False)
        running.line_with(f"rtnl: set link {link}: up yes")
        running.line_with("rtnl: add route 10.62.0.0/16")
        delete_link(link)
        running.line_with(f"rtnl: add link {link} (veth)")
        running.line_with("rtnl: add route 10.62.0.0/16")
        assert running.end(signal.SIGTERM) == (0, "")
    assert host.linx("plan").returncode == 0


def test_an_interface_that_comes_late_gets_its_addresses(host: Host, link: str) -> None:
    host.says(f"[rtnl.links.{link}]", 'addresses = ["10.68.0.1/24"]')
    with host.run() as running:
        running.line_with(f"waiting: address 10.68.0.1/24 on {link}")
        add_veth(link, f"{link}p")
        running.line_with(f"rtnl: add address 10.68.0.1/24 on {link}")
        running.line_with("rtnl: converged")
        assert running.end(signal.SIGTERM) == (0, "")


def test_what_left_the_file_is_deleted_by_run_and_forgotten_at_its_end(
    host: Host, link: str
) -> None:
    host.says(*pair(link))
    assert host.linx("apply").returncode == 0
    host.says()
    with host.run() as running:
        running.line_with(f"rtnl: delete link {link} (veth)")
        running.line_with("rtnl: converged")
        assert running.end(signal.SIGTERM) == (0, "")
    assert host.linx("plan").stdout.splitlines() == [f"{host.file}: nothing to do"]


def test_another_network_namespace_has_a_record_of_its_own(host: Host, box: Namespaces) -> None:
    host.says("[rtnl]", "rules = [[69, 69]]")
    options = host.options()
    box.run([*COMMAND, "apply", *options], env=ENVIRONMENT, cwd=ROOT)
    host.says()
    assert host.linx("apply").stdout.splitlines() == [f"{host.file}: converged"]
    planned = box.run([*COMMAND, "plan", *options], env=ENVIRONMENT, cwd=ROOT, check=False)
    assert (
        "  delete rule 69: from all lookup 69 (not desired any more)" in planned.stdout.splitlines()
    )


def test_links_without_parameters_need_no_optional_package(host: Host, link: str) -> None:
    host.says(*pair(link))
    code = f"""
import sys
sys.modules["pyroute2"] = None
sys.argv = ["linx", "apply", *{host.options()!r}]
from linx_async.cli import main
main()
"""
    done = subprocess.run(
        [COMMAND[0], "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert link in links()


def test_parameters_of_a_kind_are_set_and_kept(host: Host, link: str) -> None:
    pytest.importorskip("pyroute2", reason="pyroute2 is not installed")
    host.says(*pair(link), "[rtnl.links.clrv]", 'kind = "vlan"', f'parent = "{link}"')
    with host.file.open("a") as file:
        file.write("parameters = {id = 7}\n")
    done = host.linx("apply")
    if "this kernel has no links of the kind vlan" in done.stdout:
        pytest.skip("this kernel has no vlan links")
    assert (done.returncode, done.stderr) == (0, "")
    assert host.linx("plan").returncode == 0
