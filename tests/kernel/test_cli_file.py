"""The real program on a directory of files, with other namespaces and options in them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from linx_async.testing.namespaces import Namespaces, throwaway
from tests.kernel.program import Running, linx

IGNORE = "net.ipv4.conf.lo.arp_ignore"


class Directory:
    """A directory of desired state, and where the records are."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "host.d"
        self.records = folder / "records"
        self.files.mkdir()

    def says(self, **texts: str) -> None:
        for file in self.files.iterdir():
            file.unlink()
        for name, text in texts.items():
            (self.files / f"{name}.toml").write_text(text)

    def linx(self, command: str) -> Any:
        """What the command tells in JSON, by part."""
        done = linx(command, "--json", "--state-dir", self.records, self.files)
        told = json.loads(done.stdout)
        assert told["errors"] == []
        return {part["part"]: part for part in told["parts"]}

    def run(self, *options: str) -> Running:
        return Running("run", "--json", "--state-dir", self.records, *options, self.files)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    directory = Directory(tmp_path)
    yield directory
    directory.says(nothing="")
    directory.linx("apply")


def table_of(box: Namespaces, name: str = "box") -> str:
    return f"[netns.{name}]\npath = {str(box.path('net'))!r}\n"


def test_several_files_and_namespaces_are_applied_each_in_its_place(
    directory: Directory, box: Namespaces
) -> None:
    with throwaway("net") as other:
        directory.says(
            a=f"[netns.one.sysctl]\n{IGNORE} = 1\n{table_of(box, 'one')}",
            b='[[netns.one.rtnl.routes]]\ndestination = "10.1.0.0/16"\ntype = "blackhole"\n',
            c='[[netns.one.rtnl.routes]]\ndestination = "10.2.0.0/16"\ntype = "blackhole"\n',
            d=f"[netns.two]\npid = {other.pid}\n[netns.two.sysctl]\n{IGNORE} = 2\n",
        )
        where = box.path("net")
        planned = directory.linx("plan")
        assert {name: len(part["ops"]) for name, part in planned.items()} == {
            f"{where}: sysctl": 1,
            f"{where}: rtnl": 2,
            f"pid {other.pid}: sysctl": 1,
        }
        assert all(part["converged"] for part in directory.linx("apply").values())
        assert box.read(IGNORE) == "1\n"
        assert other.read(IGNORE) == "2\n"
        routes = box.run(["ip", "route", "show", "type", "blackhole"]).stdout
        assert [line.split()[1] for line in routes.splitlines()] == ["10.1.0.0/16", "10.2.0.0/16"]
        directory.says(a="[options]\nrevert_on_release = true\n")
        left = directory.linx("apply")
        assert {op["verb"] for part in left.values() for op in part["ops"]} == {"delete", "revert"}
        assert box.read(IGNORE) == "0\n"


def test_what_was_kept_in_a_namespace_that_is_gone_is_gone_too(directory: Directory) -> None:
    with throwaway("net") as box:
        directory.says(a=f"{table_of(box)}[netns.box.sysctl]\n{IGNORE} = 1\n")
        assert all(part["converged"] for part in directory.linx("apply").values())
        name = f"{box.path('net')}: sysctl"
    (part,) = directory.linx("plan").values()
    assert part["part"] == name
    assert "is not there" in part["error"]
    directory.says(a="")
    assert directory.linx("plan") == {}


def test_one_namespace_by_two_names_is_refused(directory: Directory, box: Namespaces) -> None:
    directory.says(
        a=f"[netns.one]\npid = {box.pid}\n[netns.one.rtnl]\n",
        b=f"{table_of(box, 'two')}[netns.two.rtnl]\n",
    )
    done = linx("plan", directory.files)
    assert done.returncode == 1
    assert done.stderr == (
        f"linx: {directory.files}/b.toml: [netns.two.rtnl]: the same as [netns.one.rtnl] in "
        f"{directory.files}/a.toml; say it once\n"
    )


def test_the_options_of_the_file_are_obeyed_and_those_of_the_command_go_before(
    directory: Directory, box: Namespaces
) -> None:
    options = "[options]\nmonitor = false\ninterval = 0.05\ndebounce = 0\n"
    directory.says(a=options, b=f"{table_of(box)}[netns.box.sysctl]\n{IGNORE} = 2\n")
    for more, trigger in (((), "resync"), (("--monitor", "--interval", "inf"), "hint")):
        with directory.run(*more) as running:
            running.line_with('"converged"')
            box.write(IGNORE, "1")
            assert json.loads(running.line_with('"applied"'))["trigger"] == trigger
            assert running.end(signal.SIGTERM) == (0, "")
