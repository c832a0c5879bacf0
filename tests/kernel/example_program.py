"""The examples that are one file each, run as the files that they are."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.kernel.program import ROOT, Told, run

__all__ = ["Example", "example", "run_example"]

PYTHON = (sys.executable, "-u", "-W", "error")


def run_example(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one to its end."""
    return run([*PYTHON, file_of(name), *arguments])


def example(name: str, *arguments: str | Path) -> Example:
    """Start one."""
    return Example(file_of(name), *arguments)


def file_of(name: str) -> Path:
    return ROOT / "examples" / f"{name}.py"


class Example(Told):
    """One while it runs, and what it writes."""

    def __init__(self, *arguments: str | Path) -> None:
        super().__init__([*PYTHON, *arguments])

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C, and its end."""
        self.process.send_signal(signal.SIGINT)
        return self.ended()
