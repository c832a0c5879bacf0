"""The diffs of rtnetlink: public and pure, one a resource, and the whole of them."""

from __future__ import annotations

from .address_ops import addresses
from .link_ops import links
from .nexthop_ops import nexthops
from .others import neighbours, rules
from .route_ops import routes
from .whole import diff

__all__ = ["addresses", "diff", "links", "neighbours", "nexthops", "routes", "rules"]
