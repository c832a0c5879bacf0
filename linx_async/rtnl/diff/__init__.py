"""The diffs of rtnetlink: public and pure, one a resource, and the whole of them."""

from __future__ import annotations

from .address_ops import addresses
from .link_ops import links
from .others import neighbours, nexthops, rules
from .route_ops import routes
from .whole import diff

__all__ = ["addresses", "diff", "links", "neighbours", "nexthops", "routes", "rules"]
