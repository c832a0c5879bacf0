"""Files of sysctl.d, as systemd-sysctl would apply them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from linx_async.config.importing import Imported
from linx_async.config.importing_sysctl import assignments, imported_sysctls, masked

THERE = (
    "kernel/sysrq",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/eth0.5/rp_filter",
    "net/ipv4/conf/lo/rp_filter",
    "net/ipv4/ip_forward",
)


def imported(*files: str, there: Sequence[str] = THERE) -> Imported:
    said = []
    for number, text in enumerate(files):
        found, problems = assignments(f"{number}.conf", text)
        assert problems == []
        said += found
    return imported_sysctls(said, there)


def table(made: Imported) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def flatten(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                flatten(f"{prefix}.{key}" if prefix else key, inner)
        else:
            found[prefix] = value

    flatten("", tomllib.loads("\n".join(made.lines))["sysctl"])
    return found


def told(made: Imported) -> list[str]:
    return [str(problem) for problem in made.problems]


def test_lines_are_assignments_in_either_spelling_and_comments_are_none() -> None:
    made = imported(
        "# one\n; two\n\n net.ipv4.ip_forward=1 \nkernel/core_pattern = |/bin/x %P\n"
        "net/ipv4/conf/eth0.5/rp_filter = 2\nnet.ipv4.tcp_rmem = 4096\t131072  6291456\n"
        "kernel.domainname =\nkernel.hostname = 010\n"
    )
    assert told(made) == []
    assert table(made) == {
        "net.ipv4.ip_forward": 1,
        "kernel.core_pattern": "|/bin/x %P",
        "net/ipv4/conf/eth0.5/rp_filter": 2,
        "net.ipv4.tcp_rmem": [4096, 131072, 6291456],
        "kernel.domainname": "",
        "kernel.hostname": "010",
    }


def test_of_several_lines_for_one_key_the_last_counts() -> None:
    made = imported("kernel.sysrq = 1\n", "kernel/sysrq = 2\nkernel.panic = 5\n")
    assert table(made) == {"kernel.sysrq": 2, "kernel.panic": 5}


def test_wildcards_stand_for_what_is_there_but_not_for_what_is_named() -> None:
    made = imported(
        "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n",
        "net.ipv4.conf.all.rp_filter = 0\n",
    )
    assert table(made) == {
        "net/ipv4/conf/eth0.5/rp_filter": 2,
        "net.ipv4.conf.all.rp_filter": 0,
    }
    assert [note.line for note in made.notes] == [1]


def test_what_cannot_be_imported_is_told_by_its_line() -> None:
    made = imported(
        "foo = 1\n-kernel.gone = 1\nnet.nothing.* = 1\n-net.ipv4.conf.*.rp_filter\n"
        "-kernel.sysrq = 7\nkernel.core_pattern = \udcff\n"
    )
    assert table(made) == {"kernel.sysrq": 7}
    gone, glob = "it is not there, which its - says to ignore", "a key is left out of wildcards"
    for line, told_of in zip(
        told(made),
        (
            "0.conf:1: foo: expected a name like net.ipv4.ip_forward",
            f"0.conf:2: kernel.gone: {gone}: write it without the -, and linx waits for it",
            "0.conf:3: net.nothing.*: its wildcards stand for nothing that is there now",
            f"0.conf:4: net.ipv4.conf.*.rp_filter: {glob} by its name alone: name it",
            r"0.conf:6: kernel.core_pattern: TOML is UTF-8, and has no way to say '\udcff'",
        ),
        strict=True,
    ):
        assert line == told_of


def test_a_line_that_is_no_assignment_is_told() -> None:
    found, problems = assignments("a.conf", "kernel.sysrq 1\n = 5\n-\n")
    assert found == []
    assert [problem.line for problem in problems] == [1, 2, 3]


def test_of_two_names_of_one_knob_the_last_is_taken_and_the_other_told() -> None:
    made = imported("net.ipv4.ip_forward = 1\n", "net.ipv4.conf.all.forwarding = 0\n")
    assert table(made) == {"net.ipv4.conf.all.forwarding": 0}
    assert [problem.line for problem in made.problems] == [1]


def test_files_of_earlier_directories_take_the_place_of_others_and_all_come_by_name() -> None:
    etc = {"50-b.conf": "/etc/50-b.conf", "90-z.conf": "/etc/90-z.conf"}
    usr = {"50-b.conf": "/usr/50-b.conf", "10-a.conf": "/usr/10-a.conf"}
    assert list(masked([etc, usr])) == [
        ("/usr/10-a.conf", []),
        ("/etc/50-b.conf", ["/usr/50-b.conf"]),
        ("/etc/90-z.conf", []),
    ]
