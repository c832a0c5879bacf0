"""The families of tables, and the hooks and priorities that each of them has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..._core.checks import between, one_of, wrong

__all__ = [
    "FAMILIES",
    "FAMILY_NAMES",
    "HOOKS",
    "PRIORITIES",
    "check_family",
    "check_hook",
    "to_priority",
]

FAMILIES: Final[Mapping[str, int]] = {
    "inet": 1,
    "ip": 2,
    "arp": 3,
    "netdev": 5,
    "bridge": 7,
    "ip6": 10,
}
"""Families by name (NFPROTO_*, include/uapi/linux/netfilter.h)."""

FAMILY_NAMES: Final[Mapping[int, str]] = {number: name for name, number in FAMILIES.items()}
"""Families by number."""

_INET: Final = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}

HOOKS: Final[Mapping[str, Mapping[str, int]]] = {
    "inet": {**_INET, "ingress": 5},
    "ip": _INET,
    "ip6": _INET,
    "bridge": _INET,
    "arp": {"input": 0, "output": 1},
    "netdev": {"ingress": 0, "egress": 1},
}
"""Hooks by name, a family (NF_INET_*, NF_ARP_*, NF_NETDEV_*; NF_BR_* are numbered as NF_INET_*)."""

_IP: Final = {
    "raw": -300,
    "mangle": -150,
    "dstnat": -100,
    "filter": 0,
    "security": 50,
    "srcnat": 100,
}

PRIORITIES: Final[Mapping[str, Mapping[str, int]]] = {
    "inet": _IP,
    "ip": _IP,
    "ip6": _IP,
    "bridge": {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300},
    "arp": {"filter": 0},
    "netdev": {"filter": 0},
}
"""Priorities by name, a family (nft(8), "standard priority names")."""

_LEAST: Final = -(2**31)
_NAMED: Final = re.compile(r"\A\s*([a-z]+)\s*(?:([+-])\s*(\d+))?\s*\Z")


def check_family(value: Any, what: str) -> str:
    """The family of a table.

    Raises:
        DesiredStateError: It is none.
    """
    return one_of(value, what, FAMILIES)


def check_hook(value: Any, what: str, family: str) -> str:
    """A hook that a family has.

    Raises:
        DesiredStateError: It has none of that name.
    """
    if value not in HOOKS[family]:
        known = ", ".join(HOOKS[family])
        raise wrong(what, f"a table of family {family} has no hook {value!r}; it has {known}")
    return str(value)


def to_priority(value: Any, what: str, family: str) -> int:
    """A priority by number, or by a name that a family has, with an offset: `filter - 5`.

    Raises:
        DesiredStateError: It is none.
    """
    if not isinstance(value, str):
        return between(value, what, _LEAST, -_LEAST - 1)
    try:
        return between(int(value), what, _LEAST, -_LEAST - 1)
    except ValueError:
        named = _NAMED.match(value)
    if named is None or named[1] not in PRIORITIES[family]:
        known = ", ".join(PRIORITIES[family])
        raise wrong(what, f"{value!r} is no priority of family {family}: a number, or {known}")
    offset = int((named[2] or "") + (named[3] or "0"))
    return between(PRIORITIES[family][named[1]] + offset, what, _LEAST, -_LEAST - 1)
