"""The example of one pass, from a script that is not async."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from linx_async.testing.links import delete_link, links
from tests.kernel.example_program import example, run_example

BRIDGE = "shot0"
MORE_THAN_A_PIPE_HOLDS = 1 << 20  # bytes; pipe(7): 64 KiB
NETWORK = {
    "links": [{"name": BRIDGE, "kind": "bridge", "up": True}],
    "addresses": [[BRIDGE, "192.0.2.1/24"]],
}


class Script:
    """The script, its file and its records."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "network.json"
        self.records = folder / "records"

    def run(self, desired: object) -> subprocess.CompletedProcess[str]:
        self.file.write_text(json.dumps(desired))
        return run_example("single_shot", "--records", self.records, self.file)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    yield Script(tmp_path)
    if BRIDGE in links():
        delete_link(BRIDGE)


def test_a_run_removes_what_an_earlier_one_made_and_is_not_desired_any_more(script: Script) -> None:
    first = script.run(NETWORK)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith(f"converged; applied: add link {BRIDGE} (bridge); applied: ")
    second = script.run({})
    assert (second.returncode, second.stderr) == (0, "")
    assert f"applied: delete link {BRIDGE} (bridge)" in second.stdout
    assert BRIDGE not in links()


def test_the_exit_code_says_that_the_kernel_has_not_all_yet(script: Script) -> None:
    done = script.run({"addresses": [["later0", "10.0.0.1/8"]]})
    assert (done.returncode, done.stderr) == (2, "")
    assert "waiting: address 10.0.0.1/8 on later0: the interface later0 is not there" in done.stdout


@pytest.mark.parametrize(
    ("desired", "why"),
    [({"route": []}, "error: rtnl: 'route' is not known; expected links"), ([], "rtnl: expected")],
)
def test_a_file_that_describes_no_network_is_an_error(
    script: Script, desired: object, why: str
) -> None:
    done = script.run(desired)
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_ends_it_without_a_traceback(script: Script) -> None:
    os.mkfifo(script.file)
    with example("single_shot", script.file) as program:
        # The write is over once some of it was read, so that the script is reading then.
        with script.file.open("w") as pipe:
            pipe.write(" " * MORE_THAN_A_PIPE_HOLDS)
            pipe.flush()
            program.process.send_signal(signal.SIGINT)
        assert program.ended() == (130, "")
