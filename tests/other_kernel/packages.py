"""The Debian packages that another kernel needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

APT_SECONDS = 300
APT_OPTIONS = (
    "-o=Acquire::Retries=2",
    "-o=Acquire::http::Timeout=20",
    "-o=Acquire::https::Timeout=20",
    "-o=DPkg::Lock::Timeout=60",
)


class Unavailable(Exception):
    """This machine cannot have the other kernel; the message is the reason."""


def apt(*arguments: str, folder: Path | None = None) -> str:
    """Runs an apt command that asks nothing, gives its output; Unavailable with apt's reason."""
    command = [arguments[0], *APT_OPTIONS, *arguments[1:]]
    what = " ".join(arguments[:2])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=APT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise Unavailable(
            f"{arguments[0]} is not here, and the kernel is a Debian package"
        ) from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{what} took more than {APT_SECONDS} s") from None
    if done.returncode:
        reasons = [line for line in done.stdout.splitlines() if line.startswith("E:")]
        raise Unavailable(f"{what} failed: {' '.join(reasons) or done.stdout[-200:]}")
    return done.stdout


def require(names: Sequence[str], programs: Sequence[str]) -> None:
    """Installs the packages, where we are root, unless all of their programs are here."""
    lacking = missing(programs)
    if not lacking:
        return
    install = ["install", "--yes", "--no-install-recommends", *names]
    if os.geteuid() != 0:
        raise Unavailable(f"no {lacking}; as root: apt-get {' '.join(install)}")
    print(f"installing {', '.join(names)}", flush=True)
    apt("apt-get", "update")
    apt("apt-get", *install)
    if lacking := missing(programs):
        raise Unavailable(f"no {lacking}, though {', '.join(names)} are installed")


def missing(programs: Sequence[str]) -> str:
    """Those of the programs that are not on the path, separated by commas."""
    return ", ".join(program for program in programs if not shutil.which(program))
