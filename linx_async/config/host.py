"""The desired state of a host as values: one part for each table of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve, field, frozen

from .._core.errors import LinxError
from .._core.ownership import Claim
from .._core.source import Source
from .options import of_kind
from .problems import Keys

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace

__all__ = ["HostConfig", "Part", "in_order", "part_named"]

AnySource: TypeAlias = Source[Any, Any, Any]


# Late imports: only what a file asks for is loaded.


def _sysctl(part: Part, options: dict[str, Any], _once: bool) -> AnySource:
    from .. import sysctl

    return sysctl.Source(part.netns, **options)


def _cgroup(part: Part, options: dict[str, Any], _once: bool) -> AnySource:
    from .. import cgroup

    return cgroup.Source(part.scope, **options)


def _rtnl(part: Part, options: dict[str, Any], _once: bool) -> AnySource:
    from .. import rtnl

    if part.scope:
        options["protocol"] = int(part.scope.removeprefix(_PROTOCOL))
    return rtnl.Source(part.netns, **options)


def _netfilter(part: Part, options: dict[str, Any], once: bool) -> AnySource:
    from .. import netfilter

    return netfilter.Source(part.netns, **options, adopt=not once)


_PROTOCOL = "protocol "
_SOURCES: dict[str, Callable[[Part, dict[str, Any], bool], AnySource]] = {
    "sysctl": _sysctl,
    "cgroup": _cgroup,
    "rtnl": _rtnl,
    "netfilter": _netfilter,
}
_SCOPES = {
    "sysctl": re.compile(""),
    "cgroup": re.compile(".+", re.DOTALL),
    "rtnl": re.compile(f"(?:{_PROTOCOL}[1-9][0-9]{{0,2}})?"),
    "netfilter": re.compile("(?:ip|ip6|inet|arp|bridge|netdev) .+", re.DOTALL),
}
_TURNS = {"netfilter": 1, "sysctl": 2, "cgroup": 2, "rtnl": 3}
"""A firewall is there before addresses are, and so are the sysctls that links begin with."""
_LEFT = {"rtnl": 0, "sysctl": 2, "cgroup": 2, "netfilter": 4}
"""What of a network has left goes before anything takes its place, and a firewall goes last."""
_ABSENT = {"netfilter": None}
"""What is desired where nothing is, by the subsystem; else an empty mapping."""
_NAME = re.compile(
    r"(?: (?: netns[ ](?P<name>[^/]+?) | pid[ ](?P<pid>[1-9][0-9]{0,9}) | (?P<path>/.*?) ) :[ ] )?"
    rf"(?P<kind>{'|'.join(_SOURCES)}) (?:[ ](?P<scope>.+))?",
    re.DOTALL | re.VERBOSE,
)
"""No name and no path of a namespace that a file may say has a colon and a blank in it."""


@frozen
class Part:
    """What one loop keeps: one subsystem in one scope.

    Attributes:
        kind: The subsystem: `sysctl`, `cgroup`, `rtnl` or `netfilter`.
        scope: The cgroup's path; `protocol 80` for `rtnl` with another tag than the usual; the
            family and the name of a table for `netfilter`; else empty.
        desired: The desired state, in the shape that the subsystem takes; empty, or None, where
            nothing is desired any more.
        options: More arguments of the source, those that the file says.
        pacing: Arguments of its loop, those that the file says: `interval`, `debounce`, `monitor`.
        netns: The namespace that it is in; None is here.
        above: The keys before its section, where it is of another namespace: `netns`, and how the
            file calls that.
        file: The file that it is from.
    """

    kind: str
    scope: str = ""
    desired: Any = field(factory=dict)
    options: Mapping[str, Any] = field(factory=dict)
    pacing: Mapping[str, Any] = field(factory=dict)
    netns: NetworkNamespace | None = None
    above: tuple[str, ...] = field(default=(), eq=False)
    file: str = field(default="", eq=False)

    @property
    def name(self) -> str:
        """What it is called: `sysctl`, `cgroup myorg/web-42`, `netns blue: netfilter inet fw`."""
        words = " ".join(filter(None, (self.kind, self.scope)))
        return words if self.netns is None else f"{self.netns}: {words}"

    @property
    def section(self) -> Keys:
        """The keys of the table that it is read from."""
        own = (self.kind, self.scope) if self.kind == "cgroup" else (self.kind,)
        return (*self.above, *own)

    @property
    def share(self) -> str:
        """Which share of the namespace's state it is, where several parts have one each."""
        return self.scope if self.kind == "netfilter" else ""

    @property
    def is_tagged(self) -> bool:
        """Whether it is by tags of the kernel's that what is its own is known, not by a record."""
        return self.kind == "rtnl"

    @property
    def claim(self) -> Claim | None:
        """What of the kernel's state it is all about, whether that is there or not."""
        return Claim(f"table {self.scope}") if self.kind == "netfilter" else None

    def source(
        self, *, revert_on_release: bool | None = None, once: bool = False, dry: bool = False
    ) -> AnySource:
        """A new source for it, not entered.

        Args:
            revert_on_release: Whether what is not desired any more gets its value from before;
                `rtnl` and `netfilter` delete it either way. Default: as the file says, else not.
            once: Whether it is for a single pass.
            dry: Whether its plans are to be looked at, not to be applied.

        Raises:
            DesiredStateError: There can be no such scope.
        """
        options = dict(self.options)
        if revert_on_release is not None:
            options |= of_kind(self.kind, {"revert_on_release": revert_on_release})[0]
        if dry and self.kind == "netfilter":
            options["stepwise"] = False
        return _SOURCES[self.kind](self, options, once)


@frozen
class HostConfig:
    """The desired state of a host, checked.

    Attributes:
        file: Where it was read from: a file, or a directory of them.
        parts: What it says, one a loop, in the order of the file.
        options: What `[options]` says of all loops, by name; and by namespace where it says more.
    """

    file: str
    parts: tuple[Part, ...] = ()
    options: Mapping[NetworkNamespace | None, Mapping[str, Any]] = field(factory=dict)

    def left(self, part: Part) -> Part:
        """A part that has left the file, with the options that the file has for all loops."""
        said = self.options.get(part.netns, self.options.get(None, {}))
        kept = {name: said[name] for name in said if name not in {"protocol", "lifetime"}}
        options, pacing = of_kind(part.kind, kept)
        return evolve(part, options=options, pacing=pacing)


def in_order(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Parts in the order in which they are applied."""
    return tuple(sorted(parts, key=lambda part: (_TURNS if part.desired else _LEFT)[part.kind]))


def part_named(name: str) -> Part | None:
    """A part of that name that desires nothing; None where no part can have that name.

    None, too, where it is of a process that has ended.
    """
    found = _NAME.fullmatch(name)
    if not found or not _SCOPES[found["kind"]].fullmatch(found["scope"] or ""):
        return None
    kind, scope = found["kind"], found["scope"] or ""
    where: str | int | None = found["name"] or found["path"] or (found["pid"] and int(found["pid"]))
    if where is None:
        return Part(kind, scope, _ABSENT.get(kind, {}))
    if kind == "cgroup":
        return None
    from .._kernel.scopes import namespace_of

    try:
        return Part(kind, scope, _ABSENT.get(kind, {}), netns=namespace_of(where))
    except LinxError:
        return None
