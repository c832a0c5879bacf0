"""The ops on rules, neighbours and nexthops."""

from __future__ import annotations

from attrs import frozen

from ..._core.ops import NOTHING, Create, Delete, Update
from ..desired import Neighbour, Nexthop, Rule

__all__ = [
    "AddNeighbour",
    "AddNexthop",
    "AddRule",
    "DeleteNeighbour",
    "DeleteNexthop",
    "DeleteRule",
    "ReplaceNeighbour",
    "ReplaceNexthop",
]


@frozen
class AddRule(Create):
    """Add a rule (RTM_NEWRULE, NLM_F_EXCL).

    Attributes:
        rule: The rule.
        beside: Whether one of ours is there that the kernel would take it for: without NLM_F_EXCL.
    """

    rule: Rule
    requires: frozenset[str] = NOTHING
    beside: bool = False

    @property
    def key(self) -> str:
        """The rule's key."""
        return self.rule.key

    def __str__(self) -> str:
        return f"add rule {self.rule}"


@frozen
class DeleteRule(Delete):
    """Delete a rule of ours (RTM_DELRULE, with our tag)."""

    observed: Rule

    @property
    def key(self) -> str:
        """The rule's key."""
        return self.observed.key

    def __str__(self) -> str:
        return f"delete rule {self.observed}"


@frozen
class AddNeighbour(Create):
    """Add a neighbour, or a proxy for one (RTM_NEWNEIGH, NLM_F_EXCL).

    Attributes:
        neighbour: The neighbour.
        requires: Keys that must be there first.
    """

    neighbour: Neighbour
    requires: frozenset[str] = NOTHING

    @property
    def key(self) -> str:
        """The neighbour's key."""
        return self.neighbour.key

    def __str__(self) -> str:
        return f"add neighbour {self.neighbour}"


@frozen
class ReplaceNeighbour(Update):
    """Change a neighbour of ours, or what the kernel had learned (NLM_F_REPLACE).

    Attributes:
        neighbour: What it should be.
        observed: What is there.
        requires: Keys that must be there first.
    """

    neighbour: Neighbour
    observed: Neighbour
    requires: frozenset[str] = NOTHING

    @property
    def key(self) -> str:
        """The neighbour's key."""
        return self.neighbour.key

    def __str__(self) -> str:
        return f"replace neighbour {self.neighbour} (is {self.observed})"


@frozen
class DeleteNeighbour(Delete):
    """Delete a neighbour of ours (RTM_DELNEIGH)."""

    observed: Neighbour

    @property
    def key(self) -> str:
        """The neighbour's key."""
        return self.observed.key

    def __str__(self) -> str:
        return f"delete neighbour {self.observed}"


@frozen
class AddNexthop(Create):
    """Add a nexthop (RTM_NEWNEXTHOP, NLM_F_EXCL).

    Attributes:
        nexthop: The nexthop.
        requires: Keys that must be there first.
    """

    nexthop: Nexthop
    requires: frozenset[str] = NOTHING

    @property
    def key(self) -> str:
        """The nexthop's key."""
        return self.nexthop.key

    def __str__(self) -> str:
        return f"add nexthop {self.nexthop}"


@frozen
class ReplaceNexthop(Update):
    """Change a nexthop of ours, for all routes that go by it (NLM_F_REPLACE), or make it anew.

    Attributes:
        nexthop: The nexthop.
        observed: What is there.
        in_place: Whether the kernel can change it; otherwise it is deleted first, and routes that
            go by it go with it.
    """

    nexthop: Nexthop
    observed: Nexthop
    requires: frozenset[str] = NOTHING
    in_place: bool = True

    @property
    def key(self) -> str:
        """The nexthop's key."""
        return self.nexthop.key

    def __str__(self) -> str:
        return f"replace nexthop {self.nexthop} (is {self.observed})"


@frozen
class DeleteNexthop(Delete):
    """Delete a nexthop of ours (RTM_DELNEXTHOP); routes that go by it go with it."""

    observed: Nexthop

    @property
    def key(self) -> str:
        """The nexthop's key."""
        return self.observed.key

    def __str__(self) -> str:
        return f"delete nexthop {self.observed}"
