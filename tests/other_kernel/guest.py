"""What a guest is told: the scratch folder it shares with the host."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]

MOST_GUESTS = 2
"""How many share the tests unless told otherwise, where there are so many processors."""

# Mounted afresh in the guest: of what the host has there, only the kept folders are seen.
FRESH = (Path("/dev"), Path("/run"), Path("/tmp"))

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = ("CI", "HYPOTHESIS_PROFILE", "PYTEST_ADDOPTS", "PYTHONPATH", "TERM")


@dataclass(frozen=True, slots=True)
class Kernel:
    """How to boot a kernel, and what its guest needs to know."""

    kind: str
    """uml or qemu: what LINX_OTHER_KERNEL tells the tests."""
    command: Sequence[str]
    """The host's command that is the whole machine; its output is the console."""
    modules: Path
    """The folder that becomes the guest's /lib/modules."""
    disk: str
    """The guest's name for its scratch disk."""
    share: str
    """What mount(8) needs to mount the scratch folder in the guest, but for the folder."""


def write_scratch(scratch: Path, kernel: Kernel, pytest_arguments: Sequence[str]) -> None:
    """Writes what the guest's scripts read."""
    home = os.environ.get("HOME", "/root")
    config = {
        "SCRATCH": str(scratch),
        "CHECKOUT": str(CHECKOUT),
        "GUEST_HOME": home,
        "MODULES": str(kernel.modules),
        "DISK": kernel.disk,
        "SHARE": kernel.share,
    }
    environment = {
        "HOME": home,
        "PATH": f"{Path(sys.executable).parent}:{SEARCH_PATH}",
        "LANG": "C.UTF-8",
        "COLUMNS": str(shutil.get_terminal_size().columns),
        "FORCE_COLOR" if sys.stdout.isatty() else "NO_COLOR": "1",
        "LINX_OTHER_KERNEL": kernel.kind,
        "LINX_OTHER_KERNEL_DISK": f"/dev/{kernel.disk}",
        "LINX_OTHER_KERNEL_OUT": str(scratch / "out"),
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
    }
    variables = [f"{name}={value}" for name, value in environment.items()]
    command = ["env", "-i", *variables, sys.executable, "-m", "pytest", *pytest_arguments]
    kept = kept_folders([CHECKOUT, kernel.modules, *python_folders()])

    (scratch / "out").mkdir()
    (scratch / "command").write_text(f"exec {shlex.join(command)}\n")
    (scratch / "config").write_text(
        "".join(f"{name}={shlex.quote(value)}\n" for name, value in config.items())
    )
    (scratch / "keep").write_text("".join(f"{folder}\n" for folder in kept))
    for script in HERE.glob("*.sh"):
        shutil.copy(script, scratch)


def python_folders() -> list[Path]:
    """Where this interpreter, its packages and the rest of its import path live."""
    program = Path(sys.executable)
    names = [sys.prefix, sys.base_prefix, *filter(None, sys.path)]
    folders = [program.parent, program.resolve().parent, *map(Path, names)]
    return [folder for folder in folders if folder.is_dir()]


def kept_folders(folders: Sequence[Path]) -> list[Path]:
    """Those of the folders that the guest's fresh mounts would hide, the outermost only."""
    hidden = {
        path
        for folder in folders
        for path in (folder.absolute(), folder.resolve())
        if any(path.is_relative_to(fresh) for fresh in FRESH)
    }
    return sorted(path for path in hidden if hidden.isdisjoint(path.parents))
