"""What the command says, and how it ends: all that needs no kernel."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from linx_async import (
    Claim,
    Conflict,
    Failure,
    FileStore,
    OpError,
    Ownership,
    Plan,
    Report,
    SourceError,
    Trigger,
    Waiting,
    netfilter,
    rtnl,
)
from linx_async._core.reconcile import identity_of
from linx_async.cli.commands import linx as linx_command
from linx_async.cli.demo.firewall import FIREWALL
from linx_async.cli.demo.stage import Stage
from linx_async.cli.demo.view import told
from linx_async.cli.events import Event, Story
from linx_async.cli.passes import Passes
from linx_async.cli.results import PartResult, past
from linx_async.cli.show import APPLY, PLAN, results_json, show_results
from linx_async.cli.state import HostStore
from linx_async.config import HostConfig, Part
from linx_async.sysctl import ReleaseSysctl, RevertSysctl, SetSysctl

ROOT = Path(__file__).parents[2]
SET = SetSysctl("net.a", "1", "0", "0")
REVERT = RevertSysctl("net.b", "0", "1")
RELEASE = ReleaseSysctl("net.c")
WAITING = Waiting("net.d", "not there")
CONFLICT = Conflict("net.e", "somebody else's")
REFUSED = OpError("net.f", errno.EACCES, "may not be written")
SYSCTL = Part("sysctl")


def linx(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "linx_async", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, **options.pop("env", {})},
        **options,
    )


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )


def shown(capsys: pytest.CaptureFixture[str], words: Any, *results: PartResult) -> list[str]:
    passes = Passes(HostConfig("host.toml"), HostStore())
    passes.results.extend(results)
    show_results(words, passes)
    return capsys.readouterr().out.splitlines()


def test_a_plan_is_shown_part_by_part_with_all_that_is_due(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan: Plan[Any] = Plan(
        ((SET, REVERT, RELEASE),),
        waiting=(WAITING,),
        conflicts=(CONFLICT,),
        failed=(REFUSED,),
    )
    result = PartResult.of_plan(SYSCTL, plan)
    quiet = PartResult.of_plan(Part("cgroup", "a"), Plan())
    assert not result.converged
    assert quiet.converged
    assert shown(capsys, PLAN, result, quiet) == [
        "sysctl:",
        "  set net.a = 1 (is 0)",
        "  revert net.b to 0 (is 1)",
        "  release net.c",
        "  will fail: net.f: EACCES (Permission denied): may not be written",
        "  waiting: net.d: not there",
        "  conflict: net.e: somebody else's",
        "cgroup a: nothing to do",
        "host.toml: 2 changes due, 1 key to release, 1 key will fail, 1 key waiting, 1 conflict",
    ]


def test_a_pass_is_shown_in_the_past_tense_and_what_is_left_in_a_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failure: Failure[Any] = Failure(SET, REFUSED)
    report: Report[Any] = Report(False, (SET, REVERT), (failure,), (RELEASE,))
    assert shown(capsys, APPLY, PartResult.of_report(SYSCTL, report)) == [
        "sysctl:",
        "  set net.a = 1 (was 0)",
        "  revert net.b to 0 (was 1)",
        "part    key    what       why",
        "sysctl  net.f  failed     EACCES (Permission denied): may not be written",
        "sysctl  net.c  not tried  it depends on what failed: release net.c",
        "host.toml: not converged: 2 changes made, 1 key failed, 1 key not tried",
    ]


def test_what_converged_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = PartResult.of_plan(SYSCTL, Plan())
    assert shown(capsys, PLAN, nothing)[-1] == "host.toml: nothing to do"
    done = PartResult.of_report(SYSCTL, Report(True, (SET,)))
    assert shown(capsys, APPLY, done)[-1] == "host.toml: converged: 1 change made"


def test_the_reason_of_an_op_may_have_brackets_of_its_own() -> None:
    op = SetSysctl("net.a", "1 (is 2)", "0", because="but net.b (is it?) overwrites it")
    assert past(op) == "set net.a = 1 (is 2) (was 0, but net.b (is it?) overwrites it)"
    assert past(RELEASE) == "release net.c"


def test_what_was_replaced_is_told_in_the_past_tense() -> None:
    new = rtnl.Route("default", "10.0.0.1")
    old = rtnl.Route("default", "10.0.0.9")
    key = new.prefix, new.destination.network_address.packed
    op = rtnl.ReplaceRoute(*key, new.forwarding, old.forwarding)
    assert past(op) == "replace route 0.0.0.0/0 via 10.0.0.1 (was via 10.0.0.9)"
    added = rtnl.AddRoute(*key, new.forwarding)
    assert past(added) == str(added)


def test_what_a_terminal_would_obey_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    op = SetSysctl("kernel.hostname", "\x1b[2J\udcff", "a")
    lines = shown(capsys, PLAN, PartResult.of_plan(SYSCTL, Plan(((op,),))))
    assert lines[1] == "  set kernel.hostname = \\x1b[2J\\xff (is a)"


def test_the_json_of_a_pass_has_every_field() -> None:
    passes = Passes(HostConfig("host.toml"), HostStore())
    plan: Plan[Any] = Plan(((SET,),), (WAITING,), (CONFLICT,), failed=(REFUSED,))
    passes.results.append(PartResult.of_plan(SYSCTL, plan))
    passes.results.append(PartResult(Part("cgroup", "a"), error="no cgroup2"))
    passes.trouble = "a damaged record"
    assert json.loads(json.dumps(results_json(PLAN, passes))) == {
        "command": "plan",
        "file": "host.toml",
        "converged": False,
        "parts": [
            {
                "part": "sysctl",
                "converged": False,
                "ops": [
                    {
                        "verb": "update",
                        "key": "net.a",
                        "value": "1",
                        "was": "0",
                        "text": "set net.a = 1 (is 0)",
                        "reason": "it is otherwise",
                        "present": "0",
                    }
                ],
                "failed": [
                    {
                        "key": "net.f",
                        "errno": "EACCES",
                        "message": "may not be written",
                        "text": "net.f: EACCES (Permission denied): may not be written",
                    }
                ],
                "pending": [],
                "waiting": [{"key": "net.d", "reason": "not there"}],
                "conflicts": [{"key": "net.e", "reason": "somebody else's"}],
                "error": None,
            },
            {
                "part": "cgroup a",
                "converged": False,
                "ops": [],
                "failed": [],
                "pending": [],
                "waiting": [],
                "conflicts": [],
                "error": "no cgroup2",
            },
        ],
        "errors": [
            {
                "file": "host.toml",
                "line": None,
                "column": None,
                "section": "",
                "key": "",
                "message": "a damaged record",
            }
        ],
    }


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind for event in events]


def test_a_quiet_pass_is_no_event() -> None:
    story = Story("sysctl")
    assert kinds(story.of(Report(True))) == ["converged"]
    assert story.of(Report(True)) == []


def test_a_heal_is_an_event_that_tells_what_was_there_and_why_the_pass_ran() -> None:
    story = Story("sysctl")
    story.of(Report(True))
    (event,) = story.of(Report(True, (SET,), trigger=Trigger.HINT, duration=0.0015))
    assert (event.kind, event.part, event.text) == ("applied", "sysctl", "set net.a = 1 (was 0)")
    assert event.fields["trigger"] == "hint"
    assert event.fields["pass_ms"] == 1.5
    assert (event.fields["key"], event.fields["value"], event.fields["was"]) == ("net.a", "1", "0")


def test_a_lasting_state_is_told_when_it_begins_and_when_it_is_over() -> None:
    story = Story("sysctl")
    failure: Failure[Any] = Failure(SET, REFUSED)
    bad: Report[Any] = Report(
        False,
        failed=(failure,),
        pending=(REVERT,),
        waiting=(WAITING,),
        conflicts=(CONFLICT,),
        flapping=("net.z",),
    )
    assert kinds(story.of(bad)) == ["failed", "pending", "waiting", "conflict", "flapping"]
    assert story.of(bad) == []
    assert kinds(story.of(Report(False, waiting=(WAITING,)))) == []
    assert kinds(story.of(Report(True))) == ["converged"]
    assert kinds(story.of(Report(False, waiting=(WAITING,)))) == ["waiting"]


def test_a_pass_that_could_not_run_is_told_once_and_so_is_a_crash() -> None:
    story = Story("sysctl")
    assert kinds(story.of(SourceError("gone"))) == ["error"]
    assert story.of(SourceError("gone")) == []
    assert kinds(story.of(SourceError("gone again"))) == ["error"]
    assert kinds(story.crashed(SourceError("gone"))) == ["restart"]
    assert story.crashed(SourceError("gone")) == []
    assert kinds(story.of(Report(True))) == ["converged"]
    assert kinds(story.crashed(SourceError("gone"))) == ["restart"]


@pytest.mark.anyio
async def test_the_command_sees_its_own_records_alone(tmp_path: Path) -> None:
    owned = Ownership().with_claims([Claim("net.a", "1")])
    for name in ("linx/sysctl", "sysctl@here", "linx/cgroup a", "linx/unknown"):
        async with FileStore(tmp_path).open(name, "here") as record:
            await record.save(owned)
    async with HostStore(tmp_path).open("cgroup b", "here") as record:
        await record.save(Ownership())
    assert await HostStore(tmp_path).owned() == [
        (Part("cgroup", "a"), "here"),
        (Part("sysctl"), "here"),
    ]
    assert await HostStore(tmp_path).peek("sysctl", "here") == owned


@pytest.mark.anyio
async def test_what_is_known_by_tags_is_remembered_until_it_is_forgotten(tmp_path: Path) -> None:
    store = HostStore(tmp_path)
    part = Part("rtnl")
    async with part.source() as source:
        identity = identity_of(source)
    async with store.open("rtnl", identity) as record:
        assert await record.load() == Ownership()
    assert await store.owned() == [(part, identity)]
    assert await store.peek("rtnl", identity) == Ownership()
    await store.forget(part)
    assert await store.owned() == []


@pytest.mark.anyio
async def test_what_is_owned_by_a_record_is_not_forgotten(tmp_path: Path) -> None:
    store = HostStore(tmp_path)
    part = Part("rtnl")
    async with part.source() as source:
        identity = identity_of(source)
    owned = Ownership().with_claims([Claim("link br0", "bridge", settled="7")])
    async with store.open("rtnl", identity) as record:
        await record.save(owned)
        assert await record.load() == owned
    await store.forget(part)
    assert await store.owned() == [(part, identity)]
    assert await store.peek("rtnl", identity) == owned


def test_without_the_extra_the_command_says_what_to_install() -> None:
    done = python(
        "import sys; sys.modules['click'] = None\nfrom linx_async.cli import main; main()"
    )
    assert done.returncode == 1
    assert done.stderr == "linx: click is not installed: pip install 'linx-async[cli]'\n"


def test_help_and_version_are_told() -> None:
    assert re.fullmatch(r"linx (\d+\.\d+\S*|\(a source tree .*\))\n", linx("--version").stdout)
    assert "Commands:\n  plan " in linx("--help").stdout
    for command in ("plan", "apply", "run", "demo"):
        done = linx(command, "--help")
        assert done.returncode == 0
        assert "Exit codes:\n" in done.stdout


def test_whatever_runs_an_event_loop_lets_one_choose_which() -> None:
    found = {
        " ".join(name)
        for name, command in commands(linx_command)
        if any(option.name == "backend" for option in command.params)
    }
    loops = {"plan", "apply", "run", "demo", "show", "import sysctl", "doctor"}
    # These ask another process, or read files.
    others = {"confirm", "status", "pause", "resume", "reconcile", "install-unit", "import nft"}
    assert loops <= found
    assert not found & others


def commands(group: click.Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name), command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan"], "Missing argument 'FILE'"),
        (["paln", "x"], "No such command 'paln'"),
        (["plan", "x", "y"], "unexpected extra argument"),
        (["plan", "--bogus", "x"], "No such option"),
        (["run", "--interval", "0", "x"], "'--interval': expected more than zero, got 0.0"),
        (["run", "--interval", "nan", "x"], "'--interval': expected more than zero, got nan"),
        (["run", "--debounce", "-1", "x"], "'--debounce': expected zero or more, got -1.0"),
        (["run", "--debounce", "inf", "x"], "expected at most"),
        (["run", "--backend", "curio", "x"], "'curio' is not one of"),
        (["demo", "--rounds", "0"], "0 is not in the range"),
        (["apply", "--confirm", "soon", "x"], "'soon' is not a valid number of seconds"),
        (["apply", "--check", " ", "x"], "'--check': expected a command, got none"),
        (["plan", "none.toml"], "linx: none.toml: cannot be read: No such file or directory"),
        (["apply", "none.toml"], "linx: none.toml: cannot be read: No such file or directory"),
        (["run", "none.toml"], "linx: none.toml: cannot be read: No such file or directory"),
        (["plan", "/"], "linx: /: this directory has no file"),
        (["plan", "--state-dir", __file__, "x"], "is a file"),
    ],
)
def test_a_wrong_call_is_an_error_and_not_a_change_that_is_due(
    arguments: list[str], words: str
) -> None:
    done = linx(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert words in done.stderr


def test_with_json_a_wrong_file_is_told_on_both_streams(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text("[sysctl]\nnet.a = 1.5\n[other]\n")
    done = linx("plan", "--json", str(file))
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["converged"], found["parts"]) == (False, [])
    assert [(each["line"], each["section"], each["key"]) for each in found["errors"]] == [
        (2, "sysctl", "net.a"),
        (3, "other", ""),
    ]
    assert len(done.stderr.splitlines()) == 2
    (line,) = linx("run", "--json", str(file)).stdout.splitlines()
    assert json.loads(line)["event"] == "error"
    assert json.loads(line)["errors"] == found["errors"]


def test_a_state_directory_that_is_refused_ends_a_run_before_it_begins(tmp_path: Path) -> None:
    file, records = tmp_path / "host.toml", tmp_path / "records"
    file.write_text("[sysctl]\nnet.a = 1\n")
    records.mkdir()
    records.chmod(0o777)
    reason = (
        f"the state directory {records}: others may write to it; chmod go-w, or name another one"
    )
    done = linx("run", "--state-dir", str(records), str(file))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"linx: {reason}\n")
    done = linx("run", "--json", "--state-dir", "/proc/linx", str(file))
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["event"] == "error"
    assert json.loads(line)["text"].startswith("the state directory /proc/linx: ")


def test_a_plan_of_sysctls_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text("[sysctl]\nnet.ipv4.ip_forward = 1\n")
    code = f"""
import sys
sys.argv = ["linx", "plan", {str(file)!r}]
from linx_async.cli import main
try:
    main()
except SystemExit:
    print(*sys.modules, file=sys.stderr)
"""
    loaded = set(python(code).stderr.split())
    assert "linx_async.sysctl" in loaded
    for unused in (
        *("rich", "trio", "cattrs", "pyroute2"),
        *("linx_async.cgroup", "linx_async.rtnl", "linx_async.netfilter", "linx_async.testing"),
    ):
        assert unused not in loaded


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            {"event": "healed", "key": "a", "how": "set to 0", "value": "1", "latency_ms": 1.234},
            "  a was set to 0: 1 again after 1.23 ms",
        ),
        (
            {"event": "healed", "key": "a", "how": "set to 0", "value": "1", "latency_ms": None},
            "  a was set to 0: not healed",
        ),
        (
            {"event": "skipped", "key": "a firewall", "reason": "there is no program nft"},
            "  skipped: a firewall: there is no program nft",
        ),
        (
            {"event": "machine", "sysctls": 1, "links": 2, "changed": []},
            "this machine is as it was: its own 1 sysctl and 2 links, before and after",
        ),
        (
            {"event": "machine", "sysctls": 1, "links": 2, "changed": ["a", "b"]},
            "this machine was changed meanwhile, by somebody else: a, b",
        ),
    ],
)
def test_an_event_of_the_demo_is_told_in_a_line(event: dict[str, Any], line: str) -> None:
    assert [re.sub(r"\x1b\[\d*m", "", text) for text in told(event)] == [line]


@pytest.mark.anyio
async def test_the_firewall_of_the_demo_is_left_out_with_the_reason_where_there_is_no_nft(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(_: object) -> None:
        raise SourceError("there is no program nft")

    monkeypatch.setattr(netfilter, "dry_run", refuse)
    events: list[Any] = []
    unused: Any = None
    await FIREWALL.play(Stage(1, 0, events.append, unused))
    reason = "there is no program nft"
    assert events == [{"event": "skipped", "key": "a firewall", "reason": reason}]


def test_a_demo_in_which_nothing_healed_says_so() -> None:
    event = {"event": "summary", "heals": 0, "unhealed": 9, "quiet_writes": 0}
    assert "nothing was healed" in "".join(told(event))


def test_an_event_of_a_later_demo_is_passed_over() -> None:
    assert told({"event": "of a kind that is not known"}) == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_first_signal_ends_the_work_in_good_order_and_a_second_at_once(backend: str) -> None:
    code = f"""
import os, signal
import anyio
from linx_async.cli.signals import until_signal

async def work():
    asked = anyio.Event()

    async def never_done():
        os.kill(os.getpid(), signal.SIGINT)
        await asked.wait()
        print("asked to end", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.sleep_forever()

    await until_signal(never_done, asked.set)

anyio.run(work, backend={backend!r})
"""
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (128 + 15, "asked to end\n", "")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_work_that_cannot_be_asked_to_end_is_cancelled(backend: str) -> None:
    code = f"""
import os, signal
import anyio
from linx_async.cli.signals import until_signal

async def work():
    os.kill(os.getpid(), signal.SIGTERM)
    await anyio.sleep_forever()

print(anyio.run(until_signal, work, backend={backend!r}).name)
"""
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "SIGTERM\n", "")
