"""The real program makes files of desired state of foreign files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from tests.kernel.nft_program import nft_or_skip
from tests.kernel.program import linx


def test_sysctls_of_the_system_are_read_in_their_order_of_precedence(tmp_path: Path) -> None:
    etc, usr = (tmp_path / place / "sysctl.d" for place in ("etc", "usr/lib"))
    for directory in (etc, usr):
        directory.mkdir(parents=True)
    (usr / "50-a.conf").write_text("net.ipv4.ip_forward = 0\nnonsense\n")
    (usr / "60-b.conf").write_text("net.ipv4.ip_forward = 7\n")
    (etc / "60-b.conf").symlink_to("/dev/null")
    (etc / "70-c.conf").write_text("-kernel.there.is.none = 1\nnet.ipv4.tcp_ecn = 1\n")
    (etc.parent / "sysctl.conf").write_text("net.ipv4.ip_forward = 5\n")
    last = tmp_path / "last.conf"
    last.write_text("net.ipv4.tcp_ecn = 2\n")
    options = ("--system", "--root", tmp_path, "--backend", "trio")
    done = linx("import", "sysctl", *options, last)
    assert done.returncode == 2
    said = tomllib.loads(done.stdout)["sysctl"]["net"]["ipv4"]
    assert said == {"ip_forward": 0, "tcp_ecn": 2}
    told = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in told] == ["not imported"] * 2 + ["note"] * 2
    for line, place in zip(
        told,
        (f"{usr}/50-a.conf:2", f"{etc}/70-c.conf:1", f"{usr}/60-b.conf", f"{tmp_path}/etc/sysctl"),
        strict=True,
    ):
        assert place in line


def test_an_nft_file_is_imported_with_what_it_includes(tmp_path: Path) -> None:
    nft_or_skip()
    chains = tmp_path / "chains.nft"
    chains.write_text(
        'chain c { # include "nothing"\n tcp dport $ssh accept comment "\'\'\' \\"\n}'
    )
    file = tmp_path / "fw.nft"
    table = f'table inet imported {{ include "{chains}"; }}'
    file.write_text(f"flush ruleset\ndefine ssh = 22\n{table}\n")
    done = linx("import", "nft", file, "--json")
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    text = tomllib.loads(told["config"])["netfilter"]["text"]
    assert "define ssh = 22\n" in text
    assert "tcp dport $ssh accept" in text
    assert [(note["file"], note["line"]) for note in told["notes"]] == [(str(file), 1)]


def test_what_nft_does_not_take_is_told_by_the_file_that_it_is_in(tmp_path: Path) -> None:
    nft_or_skip()
    (tmp_path / "b.nft").write_text("chain c {\n tcp dport 22 acept\n}\n")
    file = tmp_path / "a.nft"
    file.write_text(f'table inet imported {{\n include "{tmp_path}/b.nft"\n}}\n')
    done = linx("import", "nft", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"linx: {tmp_path}/b.nft:2:")
    file.write_text('table inet a {\n include "./is-not-there.nft"\n}\n')
    done = linx("import", "nft", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f'linx: {file}:2: include "./is-not-there.nft": there is no /')
