"""What `linx monitor` is to listen to: its words, a file, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Self

from attrs import frozen

from .._core.errors import DesiredStateError
from ..config.reading import closest
from .monitor_listener import Listener

if TYPE_CHECKING:
    from .._kernel.netns import NetworkNamespace
    from ..config import HostConfig
    from ..rtnl.monitor import Kind

__all__ = ["Wanted", "sources_of"]

_KINDS: Final[tuple[Kind, ...]] = ("link", "address", "route", "rule", "neighbour", "nexthop")
_NAMED: Final = ("sysctl", "cgroup")
_WORDS: Final = ("rtnl", *_KINDS, "netfilter", *_NAMED)


@frozen
class Source:
    """Something to listen to.

    Attributes:
        listener: It.
        optional: Whether the rest goes on without it.
    """

    listener: Listener
    optional: bool = False


@frozen
class Wanted:
    """What was asked for.

    Attributes:
        kinds: What of rtnetlink.
        firewall: Whether nf_tables; None where it was not named and is taken if it may be.
        keys: Sysctls, or what they begin with.
        cgroups: Paths of cgroups.
        of_file: Which of `sysctl` and `cgroup` are those that the file has.
    """

    kinds: tuple[Kind, ...] = ()
    firewall: bool | None = False
    keys: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    of_file: frozenset[str] = frozenset()

    @classmethod
    def of(cls, words: Iterable[str], *, has_file: bool) -> Self:
        """What words ask for.

        Raises:
            DesiredStateError: One of them asks for nothing.
        """
        bare: set[str] = set()
        named: dict[str, list[str]] = {kind: [] for kind in _NAMED}
        for word in dict.fromkeys(words):
            kind, colon, name = word.partition(":")
            if colon and kind in named and name:
                named[kind].append(name)
            elif word not in _WORDS:
                raise DesiredStateError(_unknown(word))
            elif word in named and not has_file:
                example = {"sysctl": "net.ipv4.ip_forward", "cgroup": "myorg/web-42"}[word]
                which = f"say which, as in {word}:{example}, or give --file"
                raise DesiredStateError(f"{word}: {which}")
            else:
                bare.add(word)
        if not bare and not any(named.values()):
            return cls(_KINDS, None, of_file=frozenset(_NAMED if has_file else ()))
        return cls(
            tuple(kind for kind in _KINDS if {kind, "rtnl"} & bare),
            "netfilter" in bare,
            tuple(named["sysctl"]),
            tuple(named["cgroup"]),
            frozenset(bare.intersection(_NAMED)),
        )


def _unknown(word: str) -> str:
    near = closest(word.partition(":")[0], _WORDS)
    meant = f"; did you mean {near}?" if near and near != word.partition(":")[0] else ""
    return (
        f"{word!r} is nothing to listen to: expected rtnl, {', '.join(_KINDS)}, netfilter, "
        f"sysctl:KEY or cgroup:PATH{meant}"
    )


def sources_of(
    wanted: Wanted, netns: NetworkNamespace | None, config: HostConfig | None
) -> list[Source]:
    """All that is to be listened to.

    Args:
        wanted: What was asked for.
        netns: Where; None is this namespace.
        config: The file, if there is one.

    Raises:
        DesiredStateError: What is named cannot be.
    """
    parts = () if config is None else config.parts
    keys: dict[NetworkNamespace | None, list[str]] = {netns: list(wanted.keys)}
    cgroups = list(wanted.cgroups)
    for part in parts:
        if part.kind == "sysctl" and "sysctl" in wanted.of_file:
            from .. import sysctl

            keys.setdefault(part.netns, []).extend(sysctl.Desired.of(part.desired).settings)
        elif part.kind == "cgroup" and "cgroup" in wanted.of_file:
            cgroups.append(part.scope)
    places = dict.fromkeys([netns, *(part.netns for part in parts)])
    return [
        *(source for place in places for source in _network(wanted, place)),
        *_flat({place: found for place, found in keys.items() if found}, cgroups),
    ]


def _network(wanted: Wanted, netns: NetworkNamespace | None) -> Iterable[Source]:
    if wanted.kinds:
        from .monitor_network import NetworkListener

        every = len(wanted.kinds) == len(_KINDS)
        yield Source(NetworkListener(netns, () if every else wanted.kinds))
    if wanted.firewall is not False:
        from .monitor_firewall import FirewallListener

        yield Source(FirewallListener(netns), optional=wanted.firewall is None)


def _flat(
    keys: dict[NetworkNamespace | None, list[str]], cgroups: Iterable[str]
) -> Iterable[Source]:
    for place, named in keys.items():
        from .monitor_sysctl import SysctlListener

        yield Source(SysctlListener(place, tuple(dict.fromkeys(named))))
    for path in dict.fromkeys(cgroups):
        from .monitor_cgroup import CgroupListener

        yield Source(CgroupListener(path))
