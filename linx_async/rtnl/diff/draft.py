"""A plan in the making, and the ground it stands on: which interfaces there will be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import define, field, frozen

from ..._core.errors import OpError
from ..._core.model import Conflict, Plan, Waiting
from ..observed_link import ObservedLink
from ..ops import RtnlOp

__all__ = ["OPS_A_BATCH", "Draft", "Ground", "Steps"]

OPS_A_BATCH = 2000
"""Ops that are applied before the pass may be cancelled: a few sends."""


@frozen
class Ground:
    """Which interfaces there are, and will be once the plan is carried out.

    Attributes:
        links: The links that are there, by name; None where all are taken as there and up.
        coming: The keys of the ops that bring links, by the link's name.
        up: Links that will be up, or will not, where the plan changes it, by name.
        going: Links that will be deleted.
        bonds: Links that are bonds, or will be.
        foreign: Links that are not what was declared by their name.
        anew: The keys of links that are deleted and made anew.
    """

    links: Mapping[str, ObservedLink] | None = None
    coming: Mapping[str, str] = field(factory=dict)
    up: Mapping[str, bool] = field(factory=dict)
    going: frozenset[str] = frozenset()
    bonds: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    anew: frozenset[str] = frozenset()

    def missing(self, name: str | None) -> str:
        """Why an interface cannot be used; empty where it can."""
        if name is None or self.links is None or name in self.coming:
            return ""
        if name in self.going:
            return f"the interface {name} is to be deleted"
        if name in self.foreign:
            return f"the interface {name} is another than the declared one"
        if name in self.links:
            return ""
        return f"the interface {name} is not there"

    def down(self, name: str | None) -> str:
        """Why an interface cannot carry routes; empty where it can."""
        missing = self.missing(name)
        if missing or name is None or self.links is None:
            return missing
        link = self.links.get(name)
        up = self.up.get(name, link is not None and link.up)
        return "" if up else f"the interface {name} is down"

    def requires(self, *names: str | None) -> frozenset[str]:
        """The keys of the ops that bring these interfaces, or bring them up."""
        return frozenset(
            self.coming.get(name, f"link {name}")
            for name in names
            if name is not None and (name in self.coming or self.up.get(name))
        )


@define
class Steps:
    """The ops on one kind of object.

    Attributes:
        ahead: What has to come before all else, of the other kinds too.
        first: Deletes that have to come before what is made.
        levels: What is made or changed, by level: each needs those before it.
        last: Deletes that come after all else.
    """

    ahead: list[RtnlOp] = field(factory=list)
    first: list[RtnlOp] = field(factory=list)
    levels: list[list[RtnlOp]] = field(factory=list)
    last: list[RtnlOp] = field(factory=list)

    def build(self, op: RtnlOp, level: int = 0) -> None:
        """Add an op that makes or changes something."""
        while len(self.levels) <= level:
            self.levels.append([])
        self.levels[level].append(op)

    def build_all(self, ops: list[RtnlOp]) -> None:
        """Add many ops that need none of this kind."""
        if ops and not self.levels:
            self.levels.append(ops)
        elif ops:
            self.levels[0].extend(ops)


@define
class Draft:
    """A plan in the making.

    Attributes:
        steps: The ops.
        waiting: What cannot be done yet.
        conflicts: What somebody else holds.
        stale: Keys of claims on what is gone.
        failed: What can be told to fail.
    """

    steps: Steps = field(factory=Steps)
    waiting: list[Waiting] = field(factory=list)
    conflicts: list[Conflict] = field(factory=list)
    stale: set[str] = field(factory=set)
    failed: list[OpError] = field(factory=list)

    def wait(self, key: str, reason: str) -> None:
        """Note what cannot be done yet."""
        self.waiting.append(Waiting(key, reason))

    def conflict(self, key: str, reason: str) -> None:
        """Note what somebody else holds."""
        self.conflicts.append(Conflict(key, reason))

    def plan(self) -> Plan[RtnlOp]:
        """The plan of this draft alone."""
        return merged([self])


def merged(drafts: Iterable[Draft]) -> Plan[RtnlOp]:
    """One plan of drafts, in the order in which things are made; deletes in reverse, and last."""
    parts = list(drafts)
    batches: list[tuple[RtnlOp, ...]] = []
    for part in parts:
        batches.extend(_cut(part.steps.ahead))
    for part in parts:
        for level in (part.steps.first, *part.steps.levels):
            batches.extend(_cut(level))
    for part in reversed(parts):
        batches.extend(_cut(part.steps.last))
    return Plan(
        tuple(batches),
        tuple(each for part in parts for each in part.waiting),
        tuple(each for part in parts for each in part.conflicts),
        frozenset().union(*(part.stale for part in parts)),
        tuple(each for part in parts for each in part.failed),
    )


def _cut(ops: list[RtnlOp]) -> Iterator[tuple[RtnlOp, ...]]:
    for start in range(0, len(ops), OPS_A_BATCH):
        yield tuple(ops[start : start + OPS_A_BATCH])
