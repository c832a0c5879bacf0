"""What may be said of a loop: how often it looks, and how it treats what it finds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from attrs import frozen

from .._core.errors import DesiredStateError
from .._core.pace import checked_seconds

__all__ = ["OPTIONS", "PACING", "Option", "named_in", "of_kind", "wrong_with"]

PACING: Final = ("interval", "debounce", "monitor")
"""Those of the loop itself; the others are its source's."""
_ALL: Final = ("sysctl", "cgroup", "rtnl", "netfilter")


@frozen
class Option:
    """One option.

    Attributes:
        kinds: The subsystems that have it.
        check: Raises a `DesiredStateError` where a value is wrong.
    """

    kinds: tuple[str, ...]
    check: Callable[[Any], object]


def _flag(value: Any, name: str) -> None:
    if type(value) is not bool:
        raise DesiredStateError(f"{name}: expected true or false, got {value!r}")


def _conflict(value: Any) -> None:
    if value not in ("report", "replace"):
        raise DesiredStateError(f"on_conflict: expected 'report' or 'replace', got {value!r}")


# Late imports: a file that says nothing of a subsystem does not load it.


def _protocol(value: Any) -> None:
    from .. import rtnl

    rtnl.Source(protocol=value)


def _lifetime(value: Any) -> None:
    from .. import netfilter

    netfilter.Source(lifetime=value)


OPTIONS: Final[Mapping[str, Option]] = {
    "revert_on_release": Option(
        ("sysctl", "cgroup"), lambda value: _flag(value, "revert_on_release")
    ),
    "protocol": Option(("rtnl",), _protocol),
    "lifetime": Option(("netfilter",), _lifetime),
    "on_conflict": Option(("rtnl", "netfilter"), _conflict),
    "recreate": Option(("netfilter",), lambda value: _flag(value, "recreate")),
    "interval": Option(_ALL, lambda value: checked_seconds("interval", value, zero=False)),
    "debounce": Option(_ALL, lambda value: checked_seconds("debounce", value, endless=False)),
    "monitor": Option(_ALL, lambda value: _flag(value, "monitor")),
}
"""All there are, by name."""


def named_in(kind: str) -> tuple[str, ...]:
    """The names of the options that a subsystem has."""
    return tuple(name for name, option in OPTIONS.items() if kind in option.kinds)


def of_kind(
    kind: str, said: Mapping[str, Any], without: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of what is said of all loops, what is the source's of one, and what is its pace.

    Args:
        kind: The subsystem.
        said: Options by name.
        without: Names of options that it shall not have.
    """
    there = [name for name in named_in(kind) if name in said and name not in without]
    source = {name: said[name] for name in there if name not in PACING}
    return source, {name: said[name] for name in there if name in PACING}


def wrong_with(name: str, value: Any, kind: str = "") -> str:
    """What is wrong with an option; empty where nothing is.

    Args:
        name: Its name, one of all there are.
        value: Its value.
        kind: The subsystem in whose table it stands; empty where it is said of all.
    """
    option = OPTIONS[name]
    if kind and kind not in option.kinds:
        whose = " and ".join(f"[{each}]" for each in option.kinds)
        return f"is an option of {whose}, and has no meaning here"
    try:
        option.check(value)
    except DesiredStateError as error:
        return str(error).removeprefix(f"{name}: ")
    return ""
