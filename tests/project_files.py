"""The files of the project: what git tracks or would track."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_OURS = {"__pycache__", "_build"}
NOT_OURS_ABOVE = {"build", "dist", "node_modules", "venv"}


def project_files() -> list[Path]:
    """What git tracks or would track; without git, everything that is not built or installed."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists():
        listed = subprocess.run(git, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            paths = [ROOT / name for name in listed.stdout.split("\0") if name]
            return sorted(path for path in paths if path.is_file())
    return sorted(path for path in walk(ROOT) if path.is_file())


def walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        hidden = path.name.startswith(".") and path.name not in {".ci", ".gitignore"}
        above = folder == ROOT and path.name in NOT_OURS_ABOVE
        if hidden or above or path.name in NOT_OURS or path.name.endswith(".egg-info"):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)
        else:
            yield path
