"""The real program on the real kernel: plan, apply and run."""

from __future__ import annotations

import itertools
import json
import os
import signal
from pathlib import Path

import pytest

from linx_async.cli.place import ControlPlace
from linx_async.testing.links import add_veth, delete_link
from linx_async.testing.namespaces import Namespaces
from tests.kernel.program import COMMAND, ENVIRONMENT, ROOT, Host, Running, in_terminal, linx

numbers = itertools.count(1)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def key(link: str, name: str) -> str:
    return f"net.ipv4.conf.{link}.{name}"


def path(key: str) -> Path:
    return Path("/proc/sys", *key.split("."))


def value(key: str) -> str:
    return path(key).read_text().strip()


def test_a_plan_tells_what_is_due_and_changes_nothing(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    done = host.linx("plan")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines() == [
        "sysctl:",
        f"  set {key(link, 'arp_ignore')} = 2 (is 0)",
        f"{host.file}: 1 change due",
    ]
    assert value(key(link, "arp_ignore")) == "0"
    assert not host.records.exists()


def test_what_was_applied_leaves_nothing_to_do(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    done = host.linx("apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "sysctl:",
        f"  set {key(link, 'arp_ignore')} = 2 (was 0)",
        f"{host.file}: converged: 1 change made",
    ]
    assert value(key(link, "arp_ignore")) == "2"
    for command in ("apply", "plan"):
        again = host.linx(command)
        assert again.returncode == 0
        assert again.stdout.splitlines()[0] == "sysctl: nothing to do"


def test_what_leaves_the_file_is_let_go_as_it_is(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    host.linx("apply")
    host.says("[sysctl]")
    assert f"  release {key(link, 'arp_ignore')}" in host.linx("plan").stdout.splitlines()
    assert host.linx("apply").returncode == 0
    assert value(key(link, "arp_ignore")) == "2"
    assert host.linx("plan", "--revert-on-release").returncode == 0


@pytest.mark.parametrize("left", [["[sysctl]"], []], ids=["key", "table"])
def test_what_leaves_the_file_gets_its_value_from_before_where_asked(
    host: Host, link: str, left: list[str]
) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    host.linx("apply")
    host.says(*left)
    before = host.recorded()
    planned = host.linx("plan", "--revert-on-release")
    assert planned.returncode == 2
    assert f"  revert {key(link, 'arp_ignore')} to 0 (is 2)" in planned.stdout.splitlines()
    assert host.recorded() == before
    assert host.linx("apply", "--revert-on-release").returncode == 0
    assert value(key(link, "arp_ignore")) == "0"
    assert host.linx("plan", "--revert-on-release").returncode == 0


def test_a_table_that_left_a_cgroup_behind_gives_its_limits_back(host: Host, scratch: Path) -> None:
    limit = scratch / "cgroup.max.depth"
    host.says(f'[cgroup."{scratch}"]', "cgroup.max.depth = 3")
    assert host.linx("apply").returncode == 0
    assert limit.read_text() == "3\n"
    host.says("[sysctl]")
    done = host.linx("apply", "--revert-on-release")
    assert done.returncode == 0
    assert f"cgroup {scratch}:" in done.stdout.splitlines()
    assert limit.read_text() == "max\n"


def test_one_cgroup_under_two_names_is_refused(host: Host, scratch: Path) -> None:
    mount = next(parent for parent in scratch.parents if os.path.ismount(parent))
    host.says(
        *(f'[cgroup."{scratch}"]', "cgroup.max.depth = 3"),
        *(f'[cgroup."{scratch.relative_to(mount)}"]', "cgroup.max.depth = 4"),
    )
    done = host.linx("apply")
    assert done.returncode == 1
    assert "say it once" in done.stderr
    assert (scratch / "cgroup.max.depth").read_text() == "max\n"


def test_the_records_of_another_network_namespace_are_left_alone(
    host: Host, link: str, box: Namespaces
) -> None:
    host.says("[sysctl]", "net.ipv4.conf.lo.arp_ignore = 2")
    options = host.options()
    box.run([*COMMAND, "apply", *options], env=ENVIRONMENT, cwd=ROOT)
    host.says("[sysctl]")
    done = host.linx("apply", "--revert-on-release")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "sysctl: nothing to do")
    assert box.read("net.ipv4.conf.lo.arp_ignore") == "2\n"
    box.run([*COMMAND, "apply", "--revert-on-release", *options], env=ENVIRONMENT, cwd=ROOT)
    assert box.read("net.ipv4.conf.lo.arp_ignore") == "0\n"


def test_what_waits_or_is_refused_is_not_converged_and_the_rest_is_done(
    host: Host, link: str
) -> None:
    host.says(
        "[sysctl]",
        f"{key('later0', 'arp_ignore')} = 1",
        f"{key(link, 'arp_ignore')} = 999999999999",
        f"{key(link, 'arp_announce')} = 1",
    )
    done = host.linx("apply")
    assert (done.returncode, done.stderr) == (2, "")
    refused = "EINVAL (Invalid argument): the kernel does not take '999999999999'"
    missing = "the interface later0 is not there, or has no such key"
    assert [" ".join(line.split()) for line in done.stdout.splitlines()[2:5]] == [
        "part key what why",
        f"sysctl {key(link, 'arp_ignore')} failed {refused}",
        f"sysctl {key('later0', 'arp_ignore')} waiting {missing}",
    ]
    assert value(key(link, "arp_announce")) == "1"


def test_a_part_that_cannot_run_is_an_error_and_the_others_are_applied(
    host: Host, link: str
) -> None:
    host.says(
        *('[cgroup."/proc"]', "pids.max = 1"),
        *("[sysctl]", f"{key(link, 'arp_ignore')} = 2"),
    )
    for command in ("plan", "apply"):
        done = host.linx(command)
        assert done.returncode == 1
        assert done.stderr.startswith("linx: cgroup /proc: ")
        assert f"  set {key(link, 'arp_ignore')} = 2" in done.stdout
    assert value(key(link, "arp_ignore")) == "2"
    found = json.loads(host.linx("plan", "--json").stdout)
    assert [bool(part["error"]) for part in found["parts"]] == [True, False]


def test_a_damaged_record_is_an_error_and_the_other_parts_are_applied(
    host: Host, link: str, scratch: Path
) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    host.linx("apply")
    (record,) = host.records.glob("*.json")
    record.write_text("{")
    host.says(f'[cgroup."{scratch}"]', "cgroup.max.depth = 3")
    done = host.linx("apply")
    assert done.returncode == 1
    assert f"{record}: the ownership record is damaged" in done.stderr
    assert (scratch / "cgroup.max.depth").read_text() == "3\n"


def test_a_file_may_come_from_standard_input(host: Host, link: str) -> None:
    done = linx(
        *("apply", "--state-dir", host.records, "-"),
        input=f"[sysctl]\n{key(link, 'arp_ignore')} = 2\n",
    )
    assert done.returncode == 0
    assert value(key(link, "arp_ignore")) == "2"
    # What fails before it writes anything has not said that nothing is desired.
    done = linx("apply", "--state-dir", host.records, "-", input="")
    assert done.returncode == 1
    assert "/dev/stdin: nothing came" in done.stderr
    assert value(key(link, "arp_ignore")) == "2"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_somebody_breaks_while_it_runs_is_healed_and_told(
    host: Host, link: str, backend: str, number: signal.Signals
) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    with host.run("--backend", backend) as running:
        running.line_with(f"sysctl: set {key(link, 'arp_ignore')} = 2 (was 0)")
        running.line_with("sysctl: converged")
        path(key(link, "arp_ignore")).write_text("1")
        running.line_with(f"sysctl: set {key(link, 'arp_ignore')} = 2 (was 1)")
        assert value(key(link, "arp_ignore")) == "2"
        assert running.end(number) == (0, "")


def test_an_interface_that_comes_while_it_runs_is_waited_for(host: Host) -> None:
    name = f"cli{next(numbers)}"
    host.says("[sysctl]", f"{key(name, 'arp_ignore')} = 2")
    with host.run("--json") as running:
        event = json.loads(running.line_with('"event": "waiting"'))
        assert event["key"] == key(name, "arp_ignore")
        add_veth(name, f"{name}p")
        try:
            event = json.loads(running.line_with('"event": "applied"'))
            assert (event["part"], event["was"], event["value"]) == ("sysctl", "0", "2")
            running.line_with('"event": "converged"')
        finally:
            delete_link(name)
        running.line_with('"event": "waiting"')
        assert running.end(signal.SIGTERM) == (0, "")


def test_while_it_runs_a_plan_can_be_made_and_an_apply_is_refused(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    with host.run() as running:
        running.line_with("sysctl: converged")
        assert host.linx("plan").returncode == 0
        host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 1")
        why = f"linx: `linx run` (pid {running.process.pid}) keeps {host.file}, and holds the "
        for command, *options in (["apply"], ["apply", "--confirm", "600"], ["run"]):
            refused = host.linx(command, *options)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr.startswith(why)
        assert not (host.records / "confirm.json").exists()
        assert value(key(link, "arp_ignore")) == "2"
        assert running.end(signal.SIGTERM) == (0, "")


def test_the_records_are_held_also_by_one_that_cannot_be_asked(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    with host.run() as running:
        running.line_with("sysctl: converged")
        ControlPlace.below(str(host.records)).path.unlink()
        host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 1")
        refused = host.linx("apply")
        assert refused.returncode == 1
        assert "holds this record" in refused.stderr
        guarded = host.linx("apply", "--confirm", "600")
        assert guarded.returncode == 1
        assert "sysctl: there would be no way back: " in guarded.stderr
        assert "holds this record" in guarded.stderr
        assert guarded.stderr.endswith("nothing was changed\n")
        second = host.linx("run")
        assert second.returncode == 1
        assert "crashed, and starts again" in second.stdout
        assert "holds this record" in second.stderr
        assert "Traceback" not in second.stderr
        assert value(key(link, "arp_ignore")) == "2"
        assert running.end(signal.SIGTERM) == (0, "")


def test_what_was_owned_when_it_was_killed_is_owned_still(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    with host.run() as running:
        running.line_with("sysctl: converged")
        assert running.end(signal.SIGKILL) == (-signal.SIGKILL, "")
    host.says()
    with host.run("--revert-on-release") as running:
        running.line_with(f"sysctl: revert {key(link, 'arp_ignore')} to 0 (was 2)")
        assert running.end(signal.SIGTERM) == (0, "")
    assert value(key(link, "arp_ignore")) == "0"


def test_an_empty_file_is_kept_until_the_signal(host: Host) -> None:
    host.says()
    with host.run() as running:
        running.line_with("keeps nothing")
        assert running.end(signal.SIGINT) == (0, "")


def test_without_hints_the_resync_heals(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    with host.run("--no-monitor", "--interval", "0.05") as running:
        running.line_with("sysctl: converged")
        path(key(link, "arp_ignore")).write_text("1")
        running.line_with("(was 1)")
        assert running.end(signal.SIGTERM) == (0, "")


def test_it_may_hold_as_many_descriptors_as_it_is_allowed(host: Host) -> None:
    host.says()
    with host.run() as running:
        running.line_with("keeps nothing")
        limits = Path(f"/proc/{running.process.pid}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
        soft, hard = line.split()[3:5]
        assert soft == hard
        assert running.end(signal.SIGTERM) == (0, "")


def test_where_nobody_reads_any_more_it_ends_without_a_word(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    with host.run() as running:
        running.line_with("sysctl: converged")
        assert running.process.stdout is not None
        running.process.stdout.close()
        path(key(link, "arp_ignore")).write_text("1")
        assert running.ended() == (1, "")
    with Running("plan", host.file) as running:
        assert running.process.stdout is not None
        running.process.stdout.close()
        assert running.ended() == (1, "")


def test_only_a_terminal_sees_colours_unless_they_are_unwanted(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link, 'arp_ignore')} = 2")
    assert "\x1b[" not in host.linx("plan").stdout
    assert "\x1b[" in in_terminal("plan", *host.options())[1]
    for unwanted in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        code, written = in_terminal("plan", *host.options(), **unwanted)
        assert (code, "\x1b[" in written) == (2, False)
