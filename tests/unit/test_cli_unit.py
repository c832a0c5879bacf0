"""The unit file: what it says, and what systemd says of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from linx_async.cli.install import install
from linx_async.cli.unit import Unit, UnitError, program

UNIT = Unit("/etc/linx/host.toml", ("/usr/bin/linx",))
MOST_EXPOSED = 35
"""Of a hundred; without the machine's network, sysctls and cgroups it would be of no use."""


def settings(unit: Unit) -> dict[str, str]:
    lines = [line for line in str(unit).splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_a_unit_runs_the_file_reloads_it_and_is_watched() -> None:
    said = settings(UNIT)
    assert said["ExecStart"] == "/usr/bin/linx run --state-dir %t/linx-async /etc/linx/host.toml"
    assert said["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert (said["Type"], said["WatchdogSec"]) == ("notify", "2min")
    assert (said["RuntimeDirectory"], said["RuntimeDirectoryPreserve"]) == ("linx-async", "yes")
    assert said["WorkingDirectory"] == "/etc/linx"
    assert (said["ProtectHome"], said["PrivateTmp"]) == ("yes", "yes")


def test_what_is_left_open_has_its_reason_above_it() -> None:
    section = str(UNIT).partition("# Left open")[2].partition("[Install]")[0].strip().splitlines()
    for number, line in enumerate(section):
        if line.endswith("=no"):
            assert any(above.startswith("#") for above in section[max(0, number - 3) : number])


def test_a_program_or_a_file_in_a_home_or_below_tmp_can_be_seen() -> None:
    assert settings(evolve(UNIT, file="/home/me/host.toml"))["ProtectHome"] == "read-only"
    assert settings(evolve(UNIT, needs=("/home/me/venv",)))["ProtectHome"] == "read-only"
    assert settings(evolve(UNIT, program=("/var/tmp/linx",)))["PrivateTmp"] == "no"


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" %$'\"\\;")))
def test_a_word_of_the_command_line_is_read_as_it_was(name: str) -> None:
    line = settings(evolve(UNIT, file=f"/etc/{name}"))["ExecStart"]
    word = line.removeprefix("/usr/bin/linx run --state-dir %t/linx-async ")
    assert unquoted(word) == f"/etc/{name}"


def unquoted(word: str) -> str:
    """As systemd.service(5) has it."""
    if word.startswith('"'):
        word = re.sub(r"\\(.)", r"\1", word[1:-1])
    else:
        assert not set(word) & set(" '\"\\;")
    return word.replace("%%", "%").replace("$$", "$")


@pytest.mark.parametrize("name", ["linx", "a/b.service", "a b.service", "a\n.service"])
def test_a_name_that_no_service_has_is_refused(name: str) -> None:
    with pytest.raises(UnitError, match=r"expected NAME\.service"):
        Unit.of("host.toml", name)


def test_standard_input_is_not_there_at_the_next_boot() -> None:
    with pytest.raises(UnitError, match="at the next boot"):
        Unit.of("-", "linx.service")


def test_the_program_is_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert program() == (sys.executable, "-m", "linx_async")
    monkeypatch.setattr("sys.argv", [shutil.which("true"), "run"])
    assert program() == (sys.executable, "-m", "linx_async")


def test_it_is_written_once_and_another_one_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(file: str, force: bool = False, as_json: bool = False) -> int:
        return install(file, str(tmp_path), "linx.service", force=force, as_json=as_json)

    there = tmp_path / "linx.service"
    assert run("/etc/a.toml") == 0
    assert "systemctl enable --now linx.service" in capsys.readouterr().out
    assert there.stat().st_mode & 0o777 == 0o644
    assert run("/etc/a.toml") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert run("/etc/b.toml") == 1
    assert "there is another one" in capsys.readouterr().err
    assert run("/etc/b.toml", force=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["written"] is True
    assert "/etc/b.toml" in there.read_text()
    assert run("/etc/c.toml", as_json=True) == 1
    assert "there is another one" in json.loads(capsys.readouterr().out)["error"]
    assert [each.name for each in tmp_path.iterdir()] == ["linx.service"]


def test_a_directory_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert install("a.toml", "/no/such", "linx.service", force=False, as_json=False) == 1
    assert "/no/such/linx.service: No such file or directory" in capsys.readouterr().err


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("there is no systemd-analyze")
    return found


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "linx.service"
    path.write_text(str(evolve(UNIT, program=(sys.executable, "-m", "linx_async"))))
    return path


def test_systemd_finds_nothing_wrong_with_it(analyze: str, written: Path) -> None:
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(written)], capture_output=True, text=True, check=False
    )
    # What is wrong with the machine's other units is told, too.
    assert [line for line in done.stderr.splitlines() if "linx" in line] == []


def test_systemd_finds_it_hardened(analyze: str, written: Path) -> None:
    options = ["security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager"]
    done = subprocess.run(
        [analyze, *options, str(written)], capture_output=True, text=True, check=False
    )
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze looks at no files")
    assert done.returncode == 0, done.stdout + done.stderr
