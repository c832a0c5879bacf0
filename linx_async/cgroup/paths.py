"""Cgroup paths and interface file names, checked as they are written down."""

from __future__ import annotations

from .._core.errors import DesiredStateError
from .._flat.values import encodable

__all__ = ["ancestors", "below_mount", "checked_name", "checked_path"]

_VERBS = {
    "cgroup.procs": "add_process",
    "cgroup.threads": "add_process",
    "cgroup.subtree_control": "enable_controllers",
    "cgroup.kill": "kill",
    "cgroup.type": "create",
    "memory.reclaim": "a write of your own",
    "cpu.pressure": "a write of your own",
    "io.pressure": "a write of your own",
    "irq.pressure": "a write of your own",
    "memory.pressure": "a write of your own",
}


def checked_path(path: str) -> str:
    """A cgroup's path, relative to the cgroup2 mount or absolute, without a trailing slash.

    Raises:
        DesiredStateError: Empty parts, `.`, `..`, a NUL or a newline, what cannot be encoded.
    """
    if not isinstance(path, str) or not path:
        raise DesiredStateError(f"cgroup path: expected text like 'myorg/web-42', got {path!r}")
    trimmed = path.rstrip("/") if len(path) > 1 else path
    for part in trimmed.removeprefix("/").split("/"):
        if part in {"", ".", ".."} or any(c in part for c in "\0\n") or not encodable(part):
            raise DesiredStateError(f"cgroup path {path!r}: the part {part!r} is no name")
    return trimmed


def below_mount(path: str, point: str) -> str:
    """The path relative to the mount point; empty for the root cgroup."""
    if not path.startswith("/"):
        return path
    return path.removeprefix(point.rstrip("/")).strip("/")


def ancestors(path: str) -> list[str]:
    """The cgroups above a relative path, the root (empty) first."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:count]) for count in range(len(parts))]


def checked_name(name: str) -> str:
    """The name of an interface file that holds a limit or another setting.

    Raises:
        DesiredStateError: No such name, or a file that does something rather than hold a value.
    """
    if not isinstance(name, str) or "." not in name.strip("."):
        raise DesiredStateError(
            f"cgroup key: expected an interface file like memory.max, got {name!r}"
        )
    if name.startswith(".") or any(char in name for char in "/\0\n") or not encodable(name):
        raise DesiredStateError(f"cgroup key {name!r}: it is no file name")
    if name in _VERBS:
        raise DesiredStateError(
            f"cgroup key {name!r}: it does something rather than hold a setting; use {_VERBS[name]}"
        )
    return name
