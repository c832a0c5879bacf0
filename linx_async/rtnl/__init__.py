"""Links, addresses, routes, rules, neighbours and nexthops of a network namespace."""

from __future__ import annotations

from . import diff
from .away import Away, Elsewhere
from .desired import (
    FOREVER,
    Address,
    Encap,
    Forwarding,
    Link,
    Neighbour,
    NextHop,
    Nexthop,
    Route,
    Rule,
)
from .desired.desired import Desired, DesiredLike
from .desired.route import Prefix
from .desired.routes import RouteTable
from .monitor import Announcement, Lost, monitor
from .observed import Observed
from .observed_link import ObservedLink
from .ops import (
    AddAddress,
    AddLink,
    AddNeighbour,
    AddNexthop,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    DeleteMoved,
    DeleteNeighbour,
    DeleteNexthop,
    DeleteRoute,
    DeleteRule,
    MoveLink,
    Release,
    ReplaceAddress,
    ReplaceNeighbour,
    ReplaceNexthop,
    ReplaceRoute,
    RtnlOp,
    SetLink,
)
from .seen import SeenRoutes
from .source import PROTOCOL, Scope, Source
from .verbs import observe, reconcile, subscribe

__all__ = [
    "FOREVER",
    "PROTOCOL",
    "AddAddress",
    "AddLink",
    "AddNeighbour",
    "AddNexthop",
    "AddRoute",
    "AddRule",
    "Address",
    "Announcement",
    "Away",
    "DeleteAddress",
    "DeleteLink",
    "DeleteMoved",
    "DeleteNeighbour",
    "DeleteNexthop",
    "DeleteRoute",
    "DeleteRule",
    "Desired",
    "DesiredLike",
    "Elsewhere",
    "Encap",
    "Forwarding",
    "Link",
    "Lost",
    "MoveLink",
    "Neighbour",
    "NextHop",
    "Nexthop",
    "Observed",
    "ObservedLink",
    "Prefix",
    "Release",
    "ReplaceAddress",
    "ReplaceNeighbour",
    "ReplaceNexthop",
    "ReplaceRoute",
    "Route",
    "RouteTable",
    "RtnlOp",
    "Rule",
    "Scope",
    "SeenRoutes",
    "SetLink",
    "Source",
    "diff",
    "monitor",
    "observe",
    "reconcile",
    "subscribe",
]
