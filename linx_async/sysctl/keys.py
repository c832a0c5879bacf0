"""Sysctl names: their two spellings, and which file, interface and namespace they stand for."""

from __future__ import annotations

import string
from functools import lru_cache

from .._core.errors import DesiredStateError

__all__ = [
    "directory_of",
    "interface_of",
    "joined",
    "key_at",
    "location",
    "namespace_kind",
    "normalized",
    "parts_of",
]

_UTS = frozenset({"kernel.hostname", "kernel.domainname"})
_IPC = frozenset(
    "kernel." + name
    for name in (
        *("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"),
        *("auto_msgmni", "msg_next_id", "sem_next_id", "shm_next_id"),
    )
)
_EVERYWHERE = frozenset({"all", "default"})
_NOT_IN_NAMES = "\0*" + string.whitespace


@lru_cache(65536)
def parts_of(key: str) -> tuple[str, ...]:
    """The path of a key below /proc/sys, from its dot form or its slash form.

    As in sysctl(8), the first separator tells which form it is; in the dot form a slash stands
    for a dot within a name (`net.ipv4.conf.eth0/100.forwarding`).

    Raises:
        DesiredStateError: It is no key: empty parts, `..`, NUL, white space, a wildcard.
    """
    first = next((char for char in key if char in "./"), "")
    swapped = key.translate({ord("."): "/", ord("/"): "."}) if first == "." else key
    path = swapped.removeprefix("/")
    if path.startswith("proc/sys/"):
        raise DesiredStateError(
            f"sysctl key {key!r}: leave proc and sys away: {key.lstrip('/')[len('proc/sys/') :]!r}"
        )
    parts = tuple(swapped.split("/"))
    if len(parts) < 2:
        raise DesiredStateError(f"sysctl key {key!r}: expected a name like net.ipv4.ip_forward")
    for part in parts:
        if part in {"", ".", ".."}:
            raise DesiredStateError(f"sysctl key {key!r}: the part {part!r} is no name")
        if any(char in _NOT_IN_NAMES for char in part):
            raise DesiredStateError(
                f"sysctl key {key!r}: NUL, white space and wildcards are no part of a name; "
                "name every key"
            )
        try:
            part.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise DesiredStateError(f"sysctl key {key!r}: cannot be encoded: {error}") from None
    return parts


def normalized(key: str) -> str:
    """The one spelling we use: dots, or slashes where a name has a dot in it.

    Raises:
        DesiredStateError: It is no key.
    """
    if not isinstance(key, str):
        raise DesiredStateError(f"sysctl key: expected text, got {key!r}")
    return joined(*parts_of(key))


def key_at(place: tuple[str, str]) -> str:
    """The key of a file, the inverse of `location`."""
    directory, name = place
    return joined(*filter(None, directory.split("/")), name)


def directory_of(prefix: str) -> str:
    """The directory below /proc/sys that holds the keys below a prefix; empty for all.

    Raises:
        DesiredStateError: It is no prefix.
    """
    if not isinstance(prefix, str):
        raise DesiredStateError(f"sysctl key prefix: expected text, got {prefix!r}")
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


def joined(*parts: str) -> str:
    """The key of a path: dots, or slashes where a name has a dot in it."""
    return ("/" if any("." in part for part in parts) else ".").join(parts)
