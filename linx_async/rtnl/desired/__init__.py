"""What links, addresses, routes, rules, neighbours and nexthops should be."""

from __future__ import annotations

from .address import FOREVER, Address
from .forwarding import Encap, Forwarding, NextHop
from .link import Link
from .neighbour import Neighbour
from .nexthop import Nexthop
from .route import Route
from .rule import Rule

__all__ = [
    "FOREVER",
    "Address",
    "Encap",
    "Forwarding",
    "Link",
    "Neighbour",
    "NextHop",
    "Nexthop",
    "Route",
    "Rule",
]
