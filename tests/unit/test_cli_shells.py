"""The manual page and the completion say what the commands' help says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import click
import pytest

from linx_async.cli.commands import linx
from linx_async.cli.manual import manual_page


def run(*words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "linx_async", *words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout


def all_below(group: click.Group) -> list[click.Command]:
    found: list[click.Command] = []
    for each in group.commands.values():
        found += [each, *(all_below(each) if isinstance(each, click.Group) else [])]
    return found


def test_the_manual_page_has_all_commands_and_options() -> None:
    page = manual_page(linx, "linx", "1.2.3")
    assert page.startswith('.TH LINX 1 "" "linx-async 1.2.3"\n.SH NAME\nlinx \\- ')
    for command in all_below(linx):
        assert command.name is not None
        assert f" {command.name} ".replace("-", r"\-") in page
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option.replace("-", r"\-") in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_troff_has_nothing_to_say_against_the_page() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z"],
        input=run("man"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


def test_what_troff_would_take_for_its_own_is_escaped() -> None:
    @click.group()
    def tool() -> None:
        """.Of a 'tool' with \\ and -."""

    page = manual_page(tool, "tool", "1")
    assert r"tool \- \&.Of a \(aqtool\(aq with \e and \-" in page


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_asks_the_program(shell: str) -> None:
    assert f"_LINX_COMPLETE={shell}_complete" in run("completion", shell)


def test_the_program_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        count = str(len(words.split(" ")) - 1)
        asked = {"_LINX_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
        program = "import sys; sys.argv[0] = 'linx'; from linx_async.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | asked,
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completed("linx pl") == ["plan"]
    assert "--confirm" in completed("linx apply --c")
