"""A file, and a directory, with more than twenty different mistakes: all are told at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from linx_async.config import ConfigError, load

MISTAKES = [
    # what the statement is; what is told of it
    ("top = 1", "top: unknown option; known sections are"),
    ("interval = 5", "interval: is said in a table: [options], or that of a loop"),
    ("[options]\nintervall = 5", "[options] intervall: unknown option; did you mean interval?"),
    ("debounce = -1", "[options] debounce: expected zero or more, got -1"),
    ("interval = '5'", "[options] interval: expected seconds, got '5'"),
    ("on_conflict = 'win'", "[options] on_conflict: expected 'report' or 'replace', got 'win'"),
    ("[sysclt]\nnet.a = 1", "[sysclt]: unknown section; did you mean [sysctl]?"),
    ("[sysctl]\nnet.core.somaxconn = 1.5", "[sysctl] net.core.somaxconn: expected an integer"),
    ("kernel.hostname = web", "[sysctl] kernel.hostname: not TOML: invalid value; text is written"),
    ("net.ipv4.ip_forward = 1\nnet.ipv4.ip_forward = 0", "this is set already on line"),
    ("lifetime = 'x'", "[sysctl] lifetime: is an option of [netfilter], and has no meaning here"),
    ("revert_on_relase = true", "unknown option; did you mean revert_on_release?"),
    ("[cgroup.a]\ncpu.max = [1.5]", "[cgroup.a] cpu.max: "),
    ("pids.max = -1", "[cgroup.a] pids.max: expected zero or more, got -1"),
    ("[cgroup.'a/../b']", '[cgroup."a/../b"]: '),
    ("[rtnl]\nprotocol = 4", "[rtnl] protocol: expected an integer from 5 to 255, got 4"),
    ("neighbors = []", "[rtnl] neighbors: unknown key; did you mean neighbours?"),
    ("rules = [7]", "[rtnl] rules[0]: expected a table, or an array [priority, table], got 7"),
    ("addresses = [['eth0']]", "[rtnl] addresses[0]: lacks address"),
    ("[rtnl.links.eth0]\nmut = 1", "[rtnl.links.eth0] mut: unknown field; did you mean mtu?"),
    ("up = 'yes'", "[rtnl.links.eth0] up: expected True or False, got 'yes'"),
    (
        "[[rtnl.routes]]\ndestination = '10.0.0.1/8'",
        "[rtnl] routes[0].destination: '10.0.0.1/8' has",
    ),
    (
        "[[rtnl.routes]]\ndestination = 'default'\ngatway = '::1'",
        "unknown field; did you mean gateway?",
    ),
    ("[netfilter]\nlifetime = 'ever'", "[netfilter] lifetime: expected one of persist, socket"),
    ("[netfilter.inett.fw]", "[netfilter] inett: unknown key; did you mean inet?"),
    ("[netfilter.inet.fw.chains.in]\nhok = 'input'", "hok: unknown field; did you mean hook?"),
    ("rules = [{tcp.dprt = 22}]", "rules[0].tcp.dprt: unknown; did you mean dport?"),
    ("[netns.blue]\npaht = '/a'", "[netns.blue] paht: unknown; did you mean path?"),
    ("[netns.blue.cgroup.a]", "[netns.blue] cgroup: cgroups are of no network namespace"),
    ("[netns.red]\npath = 'a'", "[netns.red] path: expected an absolute path, got 'a'"),
    ("[netns.red.sysctl]\nnet.a = 1979-05-27", "[netns.red.sysctl] net.a: expected an integer"),
]


def problems_of(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value


def as_file(folder: Path) -> Path:
    file = folder / "host.toml"
    file.write_text("\n".join(statement for statement, _ in MISTAKES))
    return file


def as_directory(folder: Path) -> Path:
    """A file for each mistake, with the header that it stands below."""
    header = ""
    for number, (statement, _) in enumerate(MISTAKES):
        found = re.match(r"\[.*\]", statement)
        header = found[0] if found else header
        text = statement if found else f"{header}\n{statement}"
        (folder / f"{number:02}.toml").write_text(text)
    return folder


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    error = problems_of(as_file(tmp_path))
    told = str(error).splitlines()
    assert len(told) == len(MISTAKES) >= 20
    for line, (_, message) in zip(told, MISTAKES, strict=True):
        assert message in line
    assert all(each.line and each.column and (each.section or each.key) for each in error.problems)


def test_all_mistakes_of_a_directory_are_told_at_once_each_with_its_file(tmp_path: Path) -> None:
    error = problems_of(as_directory(tmp_path))
    told = str(error).replace("routes[1]", "routes[0]").splitlines()
    assert len(told) == len(MISTAKES)
    for number, (line, (_, message)) in enumerate(zip(told, MISTAKES, strict=True)):
        assert line.startswith(f"{tmp_path}/{number:02}.toml:")
        assert message in line
    assert all(each.line and each.column for each in error.problems)
