"""The real program on nf_tables: plan, apply and run of firewall tables."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
from pathlib import Path

import pytest

from linx_async.testing.links import add_veth, delete_link
from tests.kernel.nft_program import nft, nft_or_skip
from tests.kernel.program import Host

numbers = itertools.count(1)

SSH = 'tcp dport 22 accept comment "ssh"'


@pytest.fixture
def host(host: Host) -> Host:
    nft_or_skip()
    return host


@pytest.fixture
def name() -> str:
    """The name of a table that no other test has."""
    return f"cli{next(numbers)}"


def firewall(name: str, *options: str) -> list[str]:
    """What makes a table with a set, a chain and two rules."""
    return [
        f"[netfilter.inet.{name}]",
        *options,
        f"[netfilter.inet.{name}.sets.blocked]",
        'type = "ipv4_addr"',
        'elements = ["192.0.2.1"]',
        f"[netfilter.inet.{name}.chains.input]",
        'hook = "input"',
        'policy = "accept"',
        f"rules = ['ip saddr @blocked drop', '{SSH}']",
    ]


def as_text(*names: str) -> list[str]:
    """Tables of one chain, in nft's own syntax."""
    chain = ["chain c {", "type filter hook input priority 0", SSH, "}"]
    tables = (line for name in names for line in (f"table inet {name} {{", *chain, "}"))
    return ["[netfilter]", "text = '''", *tables, "'''"]


def listed(name: str) -> str:
    """The table as nft shows it; empty where it is not there."""
    return nft("list", "table", "inet", name, check=False).stdout


def test_a_plan_tells_what_is_due_and_changes_nothing(host: Host, name: str) -> None:
    host.says(*firewall(name))
    done = host.linx("plan")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines() == [
        f"netfilter inet {name}:",
        f"  add table inet {name}",
        "  add chain input (filter hook input priority 0, policy accept)",
        "  add set blocked",
        "  add 1 element to set blocked",
        "  add rule input[0]: ip saddr @blocked drop",
        f"  add rule input[1]: {SSH}",
        f"{host.file}: 6 changes due",
    ]
    assert listed(name) == ""
    assert not host.records.exists()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_plan_of_nfts_text_tells_the_rules_in_nfts_own_words(
    host: Host, name: str, backend: str
) -> None:
    host.says(*as_text(name))
    done = host.linx("plan", "--backend", backend)
    assert (done.returncode, done.stderr) == (2, "")
    assert f"  add rule c[0]: {SSH}\n" in done.stdout


@pytest.mark.parametrize("options", [[], ['lifetime = "shared"']], ids=["persist", "shared"])
def test_what_was_applied_is_there_and_leaves_nothing_to_do(
    host: Host, name: str, options: list[str]
) -> None:
    host.says(*firewall(name, *options))
    done = host.linx("apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"{host.file}: converged: 6 changes made"
    assert SSH in listed(name)
    for command in ("apply", "plan"):
        again = host.linx(command)
        first = f"netfilter inet {name}: nothing to do"
        assert (again.returncode, again.stdout.splitlines()[0]) == (0, first)


def test_only_what_differs_is_changed_and_told_in_json(host: Host, name: str) -> None:
    host.says(*firewall(name))
    assert host.linx("apply").returncode == 0
    nft("delete", "element", "inet", name, "blocked", "{ 192.0.2.1 }")
    part = host.part("apply")
    assert part == {
        "part": f"netfilter inet {name}",
        "converged": True,
        "ops": [
            {
                "verb": "create",
                "key": "elements of set blocked",
                "value": None,
                "was": None,
                "text": "add 1 element to set blocked",
            }
        ],
        "failed": [],
        "pending": [],
        "waiting": [],
        "conflicts": [],
        "error": None,
    }


@pytest.mark.parametrize("left", [["[netfilter]"], []], ids=["an empty section", "no section"])
@pytest.mark.parametrize("options", [[], ['lifetime = "shared"']], ids=["persist", "shared"])
def test_a_table_that_leaves_the_file_is_deleted_and_then_forgotten(
    host: Host, name: str, left: list[str], options: list[str]
) -> None:
    host.says(*firewall(name, *options))
    assert host.linx("apply").returncode == 0
    host.says(*left)
    assert host.linx("plan").stdout.splitlines()[:2] == [
        f"netfilter inet {name}:",
        f"  delete table inet {name} (not desired any more)",
    ]
    assert listed(name) != ""
    assert host.linx("apply").returncode == 0
    assert listed(name) == ""
    assert host.linx("plan").stdout.splitlines() == [f"{host.file}: nothing to do"]


def test_a_table_is_ours_by_its_own_mark_when_the_record_was_lost(host: Host, name: str) -> None:
    host.says(*firewall(name, 'lifetime = "shared"'))
    assert host.linx("apply").returncode == 0
    shutil.rmtree(host.records)
    assert host.linx("apply").stdout.splitlines()[0] == f"netfilter inet {name}: nothing to do"
    host.says()
    assert host.linx("apply").returncode == 0
    assert listed(name) == ""


def test_each_table_of_a_text_is_a_part_of_its_own(host: Host, name: str) -> None:
    host.says(*as_text(f"{name}a", f"{name}b"))
    done = host.linx("apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("netfilter")] == [
        f"netfilter inet {name}a:",
        f"netfilter inet {name}b:",
    ]
    assert SSH in listed(f"{name}a")
    host.says(*as_text(f"{name}b"))
    done = host.linx("apply")
    assert f"  delete table inet {name}a" in done.stdout.splitlines()
    assert f"netfilter inet {name}b: nothing to do" in done.stdout.splitlines()


def test_a_file_of_nft_is_found_beside_the_file_that_names_it(host: Host, name: str) -> None:
    rules = host.file.with_name("fw.nft")
    rules.write_text("\n".join(as_text(name)[2:-1]))
    host.says(f"[netfilter.inet.{name}]", 'file = "fw.nft"')
    assert host.linx("apply").returncode == 0
    assert SSH in listed(name)


def test_a_table_written_in_either_way_is_the_same(host: Host, name: str) -> None:
    host.says(*as_text(name))
    assert host.linx("apply").returncode == 0
    chain = f"[netfilter.inet.{name}.chains.c]"
    host.says(chain, 'hook = "input"', f"rules = ['{SSH}']")
    assert host.linx("plan").stdout.splitlines()[0] == f"netfilter inet {name}: nothing to do"


@pytest.fixture
def no_nft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whether the program finds nft is told by this file: it is there once nft was called."""
    called = tmp_path / "called"
    program = tmp_path / "bin" / "nft"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n: > {called}\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return called


def as_tables(name: str, *rules: str) -> list[str]:
    """A table with a set and a chain whose rules are TOML tables."""
    return [
        f"[netfilter.inet.{name}.sets.blocked]",
        'type = "ipv4_addr"',
        'elements = ["192.0.2.1"]',
        f"[netfilter.inet.{name}.chains.input]",
        'hook = "input"',
        f"rules = [{', '.join(rules)}]",
    ]


def test_rules_that_are_tables_are_planned_and_applied_without_nft(
    host: Host, name: str, no_nft: Path
) -> None:
    rules = ['{ ip.saddr = "@blocked", verdict = "drop" }', "{ tcp.dport = 22, counter = true }"]
    host.says(*as_tables(name, *rules))
    planned = host.linx("plan")
    assert (planned.returncode, planned.stderr) == (2, "")
    assert planned.stdout.splitlines()[-3:] == [
        f"  add rule input[0]: {rules[0]}",
        f"  add rule input[1]: {rules[1]}",
        f"{host.file}: 6 changes due",
    ]
    assert host.linx("apply").returncode == 0
    assert host.linx("plan").returncode == 0
    assert not no_nft.exists()
    table = listed(name)
    assert "ip saddr @blocked drop" in table
    assert "tcp dport 22 counter packets 0 bytes 0" in table


def test_one_rule_that_is_text_needs_nft(host: Host, name: str, no_nft: Path) -> None:
    host.says(*as_tables(name, '"accept"'))
    assert host.linx("plan").returncode == 1
    assert no_nft.exists()


def test_a_rule_may_be_rewritten_from_text_to_a_table_while_it_stands(
    host: Host, name: str
) -> None:
    host.says(*as_tables(name, "'ip saddr @blocked drop'", f"'{SSH}'"))
    assert host.linx("apply").returncode == 0
    as_table = '{ tcp.dport = 22, verdict = "accept", comment = "ssh" }'
    host.says(*as_tables(name, "{ ip.saddr = '@blocked', verdict = 'drop' }", as_table))
    first = f"netfilter inet {name}: nothing to do"
    assert host.linx("plan").stdout.splitlines()[0] == first


def test_a_wrong_table_of_a_rule_is_told_by_its_place(host: Host, name: str) -> None:
    host.says(*as_tables(name, '{ tcp.dprt = 22, verdict = "acept" }'))
    done = host.linx("apply")
    assert (done.returncode, done.stdout) == (1, "")
    place = f"{host.file}:6: [netfilter.inet.{name}.chains.input] rules[0]"
    first, second = done.stderr.splitlines()
    assert first == f"linx: {place}.tcp.dprt: unknown; did you mean dport?"
    assert second.startswith(f"linx: {place}.verdict: expected one of accept, drop, ")


def test_a_wrong_rule_is_told_by_its_place_before_anything_is_done(host: Host, name: str) -> None:
    host.says("[sysctl]", "net.ipv4.ip_forward = 1", *firewall(name))
    host.file.write_text(host.file.read_text().replace("tcp dport", "tcp dprt"))
    done = host.linx("apply")
    assert (done.returncode, done.stdout) == (1, "")
    assert f":10:41: [netfilter.inet.{name}.chains.input] rules[1]: nft: " in done.stderr
    assert listed(name) == ""


def test_what_somebody_else_has_is_a_conflict_unless_it_is_to_be_replaced(
    host: Host, name: str
) -> None:
    nft("add", "table", "inet", name)
    host.says(*firewall(name))
    part = host.part("apply")
    assert part["converged"] is False
    reason = "somebody else made it"
    assert part["conflicts"] == [{"key": f"table inet {name}", "reason": reason}]
    assert "chain" not in listed(name)
    host.says('netfilter.on_conflict = "replace"', *firewall(name))
    done = host.linx("apply")
    assert done.returncode == 0
    assert f"  add table inet {name} anew (somebody else made it)" in done.stdout.splitlines()
    assert SSH in listed(name)


def test_somebody_elses_table_stays_when_ours_leaves_the_file(host: Host, name: str) -> None:
    nft("add", "table", "inet", name)
    host.says(*firewall(name))
    assert host.linx("apply").returncode == 2
    host.says()
    assert host.linx("apply").returncode == 0
    assert listed(name) != ""
    assert host.linx("plan").stdout.splitlines() == [f"{host.file}: nothing to do"]
    nft("delete", "table", "inet", name)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_somebody_breaks_while_it_runs_is_healed_and_told(
    host: Host, name: str, backend: str
) -> None:
    host.says(*firewall(name, 'lifetime = "shared"'))
    part = f"netfilter inet {name}"
    with host.run("--backend", backend, "--interval", "inf") as running:
        running.line_with(f"{part}: converged")
        nft("flush", "chain", "inet", name, "input")
        running.line_with(f"{part}: add rule input[1]: {SSH}")
        nft("delete", "element", "inet", name, "blocked", "{ 192.0.2.1 }")
        running.line_with(f"{part}: add 1 element to set blocked")
        nft("add", "chain", "inet", name, "input", "{ policy drop; }")
        running.line_with(f"{part}: set the policy of chain input to accept")
        nft("insert", "rule", "inet", name, "input", "counter")
        running.line_with(f"{part}: delete rule of input")
        nft("delete", "table", "inet", name)
        running.line_with(f"{part}: add table inet {name}")
        running.line_with(f"{part}: add rule input[1]: {SSH}")
        assert running.end(signal.SIGTERM) == (0, "")
    assert host.linx("plan").returncode == 0


def test_while_it_runs_nobody_else_may_write_to_a_table_that_it_owns(host: Host, name: str) -> None:
    host.says(*firewall(name))
    with host.run() as running:
        running.line_with(f"netfilter inet {name}: converged")
        refused = nft("flush", "chain", "inet", name, "input", check=False)
        if not refused.returncode:
            pytest.skip("this kernel has no tables that persist and are owned (Linux 6.9)")
        assert "Operation not permitted" in refused.stderr
        planned = host.linx("plan")
        first = f"netfilter inet {name}: nothing to do"
        assert (planned.returncode, planned.stdout.splitlines()[0]) == (0, first)
        assert f"keeps {host.file}, and holds the records" in host.linx("apply").stderr
        assert running.end(signal.SIGTERM) == (0, "")
    assert SSH in listed(name)


def test_a_table_outlives_a_crash_and_is_owned_again(host: Host, name: str) -> None:
    host.says(*firewall(name))
    with host.run() as running:
        running.line_with(f"netfilter inet {name}: converged")
        assert running.end(signal.SIGKILL) == (-signal.SIGKILL, "")
    assert SSH in listed(name)
    with host.run() as running:
        running.line_with(f"netfilter inet {name}: converged")
        assert nft("flush", "table", "inet", name, check=False).returncode
        assert running.end(signal.SIGTERM) == (0, "")


def test_a_table_with_the_lifetime_of_the_socket_goes_with_the_program(
    host: Host, name: str
) -> None:
    host.says(*firewall(name, 'lifetime = "socket"'))
    with host.run() as running:
        running.line_with(f"netfilter inet {name}: converged")
        assert SSH in listed(name)
        assert running.end(signal.SIGKILL) == (-signal.SIGKILL, "")
    assert listed(name) == ""


def test_what_left_the_file_is_deleted_by_run_and_forgotten_at_its_end(
    host: Host, name: str
) -> None:
    host.says(*firewall(name))
    assert host.linx("apply").returncode == 0
    host.says()
    with host.run() as running:
        running.line_with(f"netfilter inet {name}: delete table inet {name}")
        running.line_with(f"netfilter inet {name}: converged")
        assert running.end(signal.SIGTERM) == (0, "")
    assert host.linx("plan").stdout.splitlines() == [f"{host.file}: nothing to do"]


def test_a_rule_that_names_an_interface_waits_for_it(host: Host, name: str) -> None:
    link = f"{name}l"
    host.says(f"[netfilter.inet.{name}.chains.c]", f"""rules = ['iif "{link}" accept']""")
    with host.run("--json") as running:
        event = json.loads(running.line_with('"event": "waiting"'))
        assert event["reason"] == f"the interface {link} is not there"
        add_veth(link, f"{link}p")
        try:
            running.line_with('"event": "converged"')
        finally:
            delete_link(link)
        assert running.end(signal.SIGTERM) == (0, "")
