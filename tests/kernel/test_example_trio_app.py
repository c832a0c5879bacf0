"""The example of a trio application."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.example_program import example, run_example


def test_it_heals_a_sysctl_while_it_runs_and_ends_at_ctrl_c(link: str) -> None:
    key = f"net.ipv4.conf.{link}.rp_filter"
    file = Path("/proc/sys", key.replace(".", "/"))
    with example("trio_app", f"{key}=1", "net.ipv4.conf.later.rp_filter=1") as program:
        first = program.until("applied")
        assert f"set {key} = 1 (is 0)" in first
        assert "waiting: net.ipv4.conf.later.rp_filter: the interface later is not there" in first
        file.write_text("2")
        assert f"applied: set {key} = 1 (is 2)" in program.until("(is 2)")
        code, rest = program.interrupt()
    assert (code, rest.splitlines()[-1]) == (0, "stopped")
    assert file.read_text() == "1\n"


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("net.ipv4.ip_forward", "expected KEY=VALUE, got 'net.ipv4.ip_forward'"),
        ("ip_forward=1", "'ip_forward': expected a name like net.ipv4.ip_forward"),
    ],
)
def test_a_word_that_is_no_setting_is_told(word: str, why: str) -> None:
    done = run_example("trio_app", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
