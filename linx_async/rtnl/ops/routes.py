"""The ops on routes."""

from __future__ import annotations

from attrs import frozen

from ..._core.ops import NOTHING, Create, Delete, Update
from ..desired.forwarding import Forwarding
from ..desired.route import Prefix, Route
from ..desired.routes import route_key, route_of

__all__ = ["AddRoute", "DeleteRoute", "ReplaceRoute"]


@frozen
class _OnRoute:
    """Of which route an op is: its key is put into words only where somebody reads it."""

    prefix: Prefix
    packed: bytes

    @property
    def key(self) -> str:
        """The route's key."""
        return route_key(self.prefix, self.packed)


@frozen
class AddRoute(_OnRoute, Create):
    """Add a route (RTM_NEWROUTE, NLM_F_EXCL).

    Attributes:
        prefix: What tells it from others, but for the destination's bytes.
        packed: The destination's bytes.
        forwarding: What it does.
        requires: Keys that must be there first.
    """

    forwarding: Forwarding
    requires: frozenset[str] = NOTHING

    @property
    def route(self) -> Route:
        """The route."""
        return route_of(self.prefix, self.packed, self.forwarding)

    def __str__(self) -> str:
        return f"add route {self.route}"


@frozen
class ReplaceRoute(_OnRoute, Update):
    """Change a route of ours, without a gap.

    Attributes:
        prefix: What tells it from others, but for the destination's bytes.
        packed: The destination's bytes.
        forwarding: What it should do.
        observed: What it does.
        requires: Keys that must be there first.
    """

    forwarding: Forwarding
    observed: Forwarding
    requires: frozenset[str] = NOTHING

    @property
    def route(self) -> Route:
        """What it should be."""
        return route_of(self.prefix, self.packed, self.forwarding)

    def __str__(self) -> str:
        return f"replace route {self.route} (is {str(self.observed) or self.observed.type})"


@frozen
class DeleteRoute(_OnRoute, Delete):
    """Delete a route of ours (RTM_DELROUTE, with our tag).

    Attributes:
        prefix: What tells it from others, but for the destination's bytes.
        packed: The destination's bytes.
        observed: What it does.
    """

    observed: Forwarding

    @property
    def route(self) -> Route:
        """The route."""
        return route_of(self.prefix, self.packed, self.observed)

    def __str__(self) -> str:
        return f"delete route {self.route}"
