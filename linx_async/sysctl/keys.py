"""Sysctl names: their two spellings, which namespace they belong to, and which are one knob."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from .._core.errors import DesiredStateError
from .._flat.values import number

__all__ = [
    "directory_of",
    "effects",
    "either_or",
    "influences",
    "interface_of",
    "key_at",
    "location",
    "namespace_kind",
    "normalized",
    "parts_of",
    "rank",
    "same_knob",
]

_UTS = frozenset({"kernel.hostname", "kernel.domainname"})
_IPC = frozenset(
    "kernel." + name
    for name in (
        *("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"),
        *("auto_msgmni", "msg_next_id", "sem_next_id", "shm_next_id"),
    )
)
_IP_FORWARD = ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding")
_FANS_OUT_V6 = frozenset(
    {"forwarding", "disable_ipv6", "ignore_routes_with_linkdown", "addr_gen_mode"}
)
_EVERYWHERE = frozenset({"all", "default"})
_CONNTRACK = ("net.netfilter.nf_conntrack_max", "net.nf_conntrack_max")
_EITHER_OR = (
    ("vm.dirty_bytes", "vm.dirty_ratio"),
    ("vm.dirty_background_bytes", "vm.dirty_background_ratio"),
    ("vm.overcommit_kbytes", "vm.overcommit_ratio"),
)
"""Writing one of them sets the other to 0 (mm/page-writeback.c, mm/util.c)."""
_SPREADING = frozenset({*_IP_FORWARD, *_CONNTRACK}.union(*_EITHER_OR))


@lru_cache(8192)
def parts_of(key: str) -> tuple[str, ...]:
    """The path of a key below /proc/sys, from its dot form or its slash form.

    As in sysctl(8), the first separator tells which form it is; in the dot form a slash stands
    for a dot within a name (`net.ipv4.conf.eth0/100.forwarding`).

    Raises:
        DesiredStateError: It is no key: empty parts, `..`, NUL, a wildcard.
    """
    if not isinstance(key, str):
        raise DesiredStateError(f"sysctl key: expected text, got {key!r}")
    first = next((char for char in key if char in "./"), "")
    if first == "/" and key.startswith("/proc/sys/"):
        raise DesiredStateError(
            f"sysctl key {key!r}: leave /proc/sys/ away: {key.removeprefix('/proc/sys/')!r}"
        )
    swapped = key.translate({ord("."): "/", ord("/"): "."}) if first == "." else key
    parts = tuple(swapped.split("/"))
    if len(parts) < 2:
        raise DesiredStateError(f"sysctl key {key!r}: expected a name like net.ipv4.ip_forward")
    for part in parts:
        if part in {"", ".", ".."}:
            raise DesiredStateError(f"sysctl key {key!r}: the part {part!r} is no name")
        if any(char in part for char in "\0\n*"):
            raise DesiredStateError(
                f"sysctl key {key!r}: NUL, newlines and wildcards are no part of a name; "
                "name every key"
            )
    return parts


def normalized(key: str) -> str:
    """The one spelling we use: dots, or slashes where a name has a dot in it.

    Raises:
        DesiredStateError: It is no key.
    """
    return _join(*parts_of(key))


def key_at(place: tuple[str, str]) -> str:
    """The key of a file, the inverse of `location`."""
    directory, name = place
    return _join(*filter(None, directory.split("/")), name)


def directory_of(prefix: str) -> str:
    """The directory below /proc/sys that holds the keys below a prefix; empty for all.

    Raises:
        DesiredStateError: It is no prefix.
    """
    if not prefix:
        return ""
    separator = next((char for char in prefix if char in "./"), ".")
    return location(f"{prefix}{separator}x")[0]


def location(key: str) -> tuple[str, str]:
    """The directory below /proc/sys, and the file in it."""
    *directory, name = parts_of(key)
    return "/".join(directory), name


def namespace_kind(key: str) -> str | None:
    """Which kind of namespace holds the value: `net`, `uts`, `ipc`, or None for the machine.

    Keys that belong to a user or pid namespace count as the machine's: a thread cannot enter those.
    """
    if key in _UTS:
        return "uts"
    parts = parts_of(key)
    if key in _IPC or parts[:2] == ("fs", "mqueue"):
        return "ipc"
    return "net" if parts[0] == "net" else None


def interface_of(key: str) -> str | None:
    """The interface a key belongs to, if it belongs to one."""
    match parts_of(key):
        case ("net", "ipv4" | "ipv6" | "mpls", "conf" | "neigh", name, _):
            return None if name in _EVERYWHERE else name
    return None


def rank(key: str) -> tuple[int, str]:
    """Where a key comes in a pass: what overwrites others first, what is overwritten last."""
    if key in _IP_FORWARD:
        return 0, key
    match parts_of(key):
        case ("net", _, "conf" | "neigh", "all", _):
            return 1, key
        case ("net", _, "conf" | "neigh", "default", _):
            return 2, key
    return (3 if interface_of(key) else 0), key


def same_knob(key: str) -> tuple[str, int]:
    """The name under which the kernel keeps the value, and the factor from this key's unit to it.

    Two keys of one name are one knob: net.ipv4.ip_forward and net.ipv4.conf.all.forwarding
    (net/ipv4/devinet.c), a time in seconds and in milliseconds (net/core/neighbour.c).
    """
    if key in _IP_FORWARD:
        return _IP_FORWARD[1], 1
    if key in _CONNTRACK:
        return _CONNTRACK[0], 1
    match parts_of(key):
        case ("net", "ipv4" | "ipv6", "neigh", _, "base_reachable_time"):
            return key + "_ms", 1000
    return key, 1


def either_or(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The pairs among these keys of which only one can be other than 0."""
    present = set(keys)
    return (pair for pair in _EITHER_OR if present.issuperset(pair))


def effects(key: str, text: str, others: Iterable[str]) -> dict[str, str]:
    """What writing a text to a key does to the others: their values afterwards."""
    if not _may_spread(key):
        return {}
    return {
        other: value
        for other in others
        if other != key and (value := _effect(key, text, other)) is not None
    }


def influences(key: str) -> frozenset[str]:
    """The keys that, when they are written, may change this one; itself among them."""
    found = {key}
    match parts_of(key):
        case ("net", "ipv4", "conf", _, "forwarding") | ("net", "ipv4", "ip_forward"):
            found.update(_IP_FORWARD)
        case ("net", "ipv4", "conf", "all", "accept_redirects"):
            found.update(_IP_FORWARD)
        case ("net", "ipv6", "conf", name, leaf) if leaf in _FANS_OUT_V6 and name != "all":
            found.add(f"net.ipv6.conf.all.{leaf}")
    match parts_of(key):
        case ("net", "ipv4", "conf", name, leaf) if name not in _EVERYWHERE:
            found.add(f"net.ipv4.conf.default.{leaf}")
        case ("net", "ipv4" | "ipv6" as family, "neigh", name, leaf):
            stem = leaf.removesuffix("_ms")
            for place in {name, "default"}:
                found.add(_join("net", family, "neigh", place, stem))
                found.add(_join("net", family, "neigh", place, stem + "_ms"))
    if key in _CONNTRACK:
        found.update(_CONNTRACK)
    for pair in _EITHER_OR:
        if key in pair:
            found.update(pair)
    return frozenset(found)


def _join(*parts: str) -> str:
    return ("/" if any("." in part for part in parts) else ".").join(parts)


def _may_spread(key: str) -> bool:
    """Spares most keys the look at all the others."""
    match parts_of(key):
        case ("net", _, "conf" | "neigh", "all" | "default", _):
            return True
        case ("net", _, "neigh", _, leaf):
            return leaf.startswith("base_reachable_time")
    return key in _SPREADING


def _effect(key: str, text: str, other: str) -> str | None:
    knob, factor = same_knob(key)
    if same_knob(other)[0] == knob:
        return _scaled(text, factor, same_knob(other)[1])
    if any({key, other} == set(pair) for pair in _EITHER_OR):
        return "0" if number(text) else None
    there = parts_of(other)
    if key in _IP_FORWARD:
        return _forwarding_effect(text, there)
    match parts_of(key), there:
        case ("net", "ipv6", "conf", "all", leaf), ("net", "ipv6", "conf", _, other_leaf):
            return text if leaf == other_leaf and leaf in _FANS_OUT_V6 else None
        case ("net", "ipv4", "conf", "default", leaf), ("net", "ipv4", "conf", name, other_leaf):
            # Interfaces whose own key was never written follow their default (net/ipv4/devinet.c).
            return text if leaf == other_leaf != "forwarding" and name != "all" else None
        case ("net", family, "neigh", "default", leaf), ("net", same, "neigh", _, other_leaf):
            return text if (family, leaf) == (same, other_leaf) else None
    return None


def _forwarding_effect(text: str, there: tuple[str, ...]) -> str | None:
    """net/ipv4/devinet.c, inet_forward_change."""
    match there:
        case ("net", "ipv4", "conf", _, "forwarding"):
            return text
        case ("net", "ipv4", "conf", "all", "accept_redirects"):
            return "0" if number(text) else "1"
    return None


def _scaled(text: str, factor: int, other_factor: int) -> str | None:
    value = number(text)
    if factor == other_factor:
        return text
    return None if value is None else str(value * factor // other_factor)
