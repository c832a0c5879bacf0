"""The desired state of a host as values: one part for each table of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from .._core.source import Source
from .problems import Path

__all__ = ["HostConfig", "Part", "part_named"]

AnySource: TypeAlias = Source[Any, Any, Any]


# Late imports: only what a file asks for is loaded.


def _sysctl(_scope: str, revert_on_release: bool) -> AnySource:
    from .. import sysctl

    return sysctl.Source(revert_on_release=revert_on_release)


def _cgroup(scope: str, revert_on_release: bool) -> AnySource:
    from .. import cgroup

    return cgroup.Source(scope, revert_on_release=revert_on_release)


_SOURCES: dict[str, Callable[[str, bool], AnySource]] = {"sysctl": _sysctl, "cgroup": _cgroup}
_SCOPED = frozenset({"cgroup"})


@frozen
class Part:
    """What one loop keeps: one subsystem in one scope.

    Attributes:
        kind: The subsystem: `sysctl` or `cgroup`.
        scope: The cgroup's path; empty for `sysctl`, whose scope is here.
        desired: The desired state, in the shape that the subsystem takes.
    """

    kind: str
    scope: str = ""
    desired: Mapping[str, Any] = field(factory=dict)

    @property
    def name(self) -> str:
        """What it is called: `sysctl`, `cgroup myorg/web-42`."""
        return " ".join(self.section)

    @property
    def section(self) -> Path:
        """The keys of the table that it is read from."""
        return tuple(filter(None, (self.kind, self.scope)))

    def source(self, *, revert_on_release: bool = False) -> AnySource:
        """A new source for it, not entered.

        Args:
            revert_on_release: Whether what is not desired any more gets its value from before.

        Raises:
            DesiredStateError: There can be no such scope.
        """
        return _SOURCES[self.kind](self.scope, revert_on_release)


@frozen
class HostConfig:
    """The desired state of a host, checked.

    Attributes:
        file: Where it was read from.
        parts: What it says, one a loop, in the order of the file.
    """

    file: str
    parts: tuple[Part, ...] = ()


def part_named(name: str) -> Part | None:
    """A part of that name that desires nothing; None where no part can have that name."""
    kind, _, scope = name.partition(" ")
    if kind not in _SOURCES or bool(scope) is not (kind in _SCOPED):
        return None
    return Part(kind, scope)
