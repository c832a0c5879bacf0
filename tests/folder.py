"""A kernel that outlives the process, for a `FakeSource`."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class Folder:
    """A directory, one file an object, each change atomic."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._draft = path.parent / f"{path.name}-draft-{os.getpid()}"

    def look(self) -> dict[str, str]:
        return {file.name: file.read_text(encoding="utf-8") for file in self.path.iterdir()}

    def create(self, key: str, value: str) -> str:
        self._draft.write_text(value, encoding="utf-8")
        os.link(self._draft, self.path / key)
        self._draft.unlink()
        return value

    def update(self, key: str, value: str) -> str:
        if not (self.path / key).exists():
            raise FileNotFoundError(errno.ENOENT, "it is not there")
        self._draft.write_text(value, encoding="utf-8")
        self._draft.rename(self.path / key)
        return value

    def delete(self, key: str) -> None:
        (self.path / key).unlink()
