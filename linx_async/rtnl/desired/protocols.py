"""Protocol tags by the names that people know them by."""

from __future__ import annotations

from typing import Final

__all__ = ["KERNEL_TAGS", "shown_protocol"]

KERNEL_TAGS: Final = frozenset({1, 2})
"""What the kernel puts there itself: redirects, and the routes that come with addresses."""

_NAMES: Final = {
    1: "redirect",
    2: "kernel",
    3: "boot",
    4: "static",
    8: "gated",
    9: "ra",
    10: "mrt",
    11: "zebra",
    12: "bird",
    13: "dnrouted",
    14: "xorp",
    15: "ntk",
    16: "dhcp",
    17: "mrouted",
    18: "keepalived",
    42: "babel",
    99: "openr",
    186: "bgp",
    187: "isis",
    188: "ospf",
    189: "rip",
    192: "eigrp",
}


def shown_protocol(number: int | None) -> str:
    """A tag for people: `protocol 4 (static)`, as include/uapi/linux/rtnetlink.h names it."""
    name = _NAMES.get(number or 0)
    return f"protocol {number or 0}" + (f" ({name})" if name else "")
