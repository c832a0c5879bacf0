"""The demo, as it is seen by those who run it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from linx_async.testing.links import links
from linx_async.testing.namespaces import throwaway
from tests.kernel.nft_program import nft_or_skip
from tests.kernel.program import (
    COMMAND,
    ENVIRONMENT,
    PATIENCE,
    ROOT,
    Running,
    descendants,
    in_terminal,
    linx,
    pidfds,
)

QUICK = ("demo", "--rounds", "1", "--pause", "0")
OURS = ("net/ipv4/ip_forward", "net/core/somaxconn", "kernel/hostname")


def ours() -> list[object]:
    return [*sorted(links()), *(Path("/proc/sys", each).read_text() for each in OURS)]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_everything_converges_is_broken_and_heals_and_nothing_outside_is_changed(
    backend: str,
) -> None:
    before = ours()
    done = linx(*QUICK, "--json", "--backend", backend)
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["backend"] == backend
    sysctls, network, firewall = scenes(events)
    for scene in (sysctls, network, *([] if firewall["skipped"] else [firewall])):
        assert len(scene["applied"]) == scene["pass"][0]["changes"]
        assert [each["writes"] for each in scene["quiet"]] == [0, 0]
        assert all(each["latency_ms"] is not None for each in scene["healed"])
    wanted = sysctls["desired"][0]["keys"]
    assert len(sysctls["applied"]) == len(wanted) - 1
    (waited,) = sysctls["waiting"]
    assert sysctls["arrived"][0]["key"] == waited["key"]
    assert {each["key"]: each["value"] for each in sysctls["healed"]} == wanted
    wanted = network["desired"][0]["keys"]
    assert {each["key"] for each in network["applied"]} == wanted.keys()
    assert {each["key"]: each["value"] for each in network["healed"]}.items() <= wanted.items()
    assert {each["how"] for each in network["healed"]} == {"set down", "deleted"}
    heals = [each for each in events if each["event"] == "healed"]
    assert firewall["summary"][0]["heals"] == len(heals)
    assert firewall["machine"][0]["changed"] == []
    assert ours() == before


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_firewall_is_broken_and_heals_where_there_is_nft(backend: str) -> None:
    nft_or_skip()
    done = linx(*QUICK, "--json", "--backend", backend)
    firewall = scenes([json.loads(line) for line in done.stdout.splitlines()])[-1]
    assert firewall["skipped"] == []
    wanted = firewall["desired"][0]["keys"]
    assert {each["key"] for each in firewall["applied"]} == wanted.keys()
    assert {each["key"]: each["how"] for each in firewall["healed"]} == {
        "rule for ssh": "deleted",
        "element of blocked": "deleted",
        "policy of input": "set to accept",
        "table inet demo": "deleted",
    }
    assert all(each["latency_ms"] is not None for each in firewall["healed"])


def scenes(events: list[dict[str, Any]]) -> list[dict[str, list[dict[str, Any]]]]:
    """The events of each scene, by kind."""
    found: list[dict[str, list[dict[str, Any]]]] = []
    for event in events:
        if event["event"] == "scene":
            found.append(defaultdict(list))
        if found:
            found[-1][event["event"]].append(event)
    return found


def test_where_there_is_no_terminal_each_thing_is_a_line() -> None:
    done = linx(*QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    for line in (
        r"  set net\.ipv4\.ip_forward = 1 \(was 0\)",
        r"  waiting: net\.ipv4\.conf\.uplink0\.rp_filter: .*",
        r"  net\.core\.somaxconn was set to 128: 1024 again after \d+\.\d\d ms",
        r"  add link wan0 \(veth\)",
        r"  add rule 76: from 10\.78\.0\.0/16 lookup 76",
        r"  link wan0 was set down: up again after \d+\.\d\d ms",
        r"  route 10\.77\.0\.0/16 was deleted: via 10\.76\.0\.2 again after \d+\.\d\d ms",
        r"passes that had nothing to do: 0 writes",
        r"this machine is as it was: .*",
    ):
        assert re.search(rf"^{line}$", done.stdout, re.MULTILINE)


def test_in_a_terminal_a_table_changes_in_its_place() -> None:
    code, written = in_terminal(*QUICK)
    assert code == 0
    assert written.count("last ms") >= 2
    assert "healed" in written
    assert "this machine is as it was" in written
    # The cursor was taken away, and given back.
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_in_a_terminal_plain_lines_can_be_had() -> None:
    code, written = in_terminal(*QUICK, "--plain")
    assert code == 0
    assert "\x1b[?25l" not in written
    assert "1024 again after" in written


def test_in_a_terminal_no_line_is_cut_at_80_columns() -> None:
    code, written = in_terminal(*QUICK, COLUMNS="80")
    assert code == 0
    assert "default route of table 76" in written
    assert "from 10.78.0.0/16" in written
    assert "slowest" in written
    assert "…" not in written


def test_it_needs_no_optional_package() -> None:
    code = f"""
import sys
sys.modules["pyroute2"] = sys.modules["trio"] = None
sys.argv = ["linx", *{QUICK!r}]
from linx_async.cli import main
main()
"""
    done = subprocess.run(
        [COMMAND[0], "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_however_it_is_ended_nothing_is_left_behind(number: signal.Signals, code: int) -> None:
    with Running("demo", "--rounds", "1000", "--pause", "0.01") as running:
        running.line_with("again after")
        pids = descendants(running.process.pid)
        assert len(pids) == 2
        with pidfds(pids) as processes:
            ended, errors = running.end(number)
            assert ended == code
            assert "Traceback" not in errors
            alive = len(pids)
            while alive:
                gone = processes.poll(PATIENCE * 1000)
                assert gone, "a process of the demo did not end"
                for fd, _ in gone:
                    processes.unregister(fd)
                alive -= len(gone)


def test_where_no_namespaces_can_be_had_it_says_why() -> None:
    with throwaway("user") as box:
        box.write("user.max_net_namespaces", "0")
        done = box.run([*COMMAND, *QUICK], env=ENVIRONMENT, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("linx: the demo needs namespaces of its own: ")
    assert "user.max_net_namespaces is 0" in done.stderr


def test_an_ordinary_user_is_told_how_to_run_it_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    from linx_async.cli.demo.outside import _troubles

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/linx", "demo"])
    assert _troubles({"event": "unavailable", "reason": "forbidden"}) == [
        "the demo needs namespaces of its own: forbidden",
        "root may make them: sudo /somewhere/bin/linx demo",
    ]
