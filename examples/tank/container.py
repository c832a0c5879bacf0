"""What a container is, as values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from attrs import evolve, field, frozen

from linx_async import Restart, cgroup, netfilter, rtnl, sysctl

__all__ = ["PROC", "Container", "Firewall", "IdMap", "Mount", "Spawn", "Veth", "own_ids"]

IdMap: TypeAlias = tuple[int, int, int]
"""The first id inside, the first outside, and how many (user_namespaces(7))."""


@frozen
class Mount:
    """Something mounted in the container's mount namespace.

    Attributes:
        kind: A file system as mount(8) has it, or `bind`.
        target: Where.
        source: What; of a `bind`, the directory or file.
        flags: Any of `ro`, `nosuid`, `nodev`, `noexec`.
        options: The file system's own: `size=1M`.
    """

    kind: str
    target: str
    source: str = ""
    flags: tuple[str, ...] = ()
    options: str = ""


PROC: Final = Mount("proc", "/proc", flags=("nosuid", "nodev", "noexec"))


@frozen
class Veth:
    """The names of the two ends of the pair."""

    host: str
    container: str = "eth0"


@frozen
class Firewall:
    """A table in the container's network namespace.

    Attributes:
        table: In nft's syntax.
        lifetime: As of `netfilter.Source`. With `persist` nobody in the container can write to it,
            root included; with `shared` anybody may, and it is put right.
        compiled: The table, once it was compiled.
    """

    table: str
    lifetime: Any = "persist"
    compiled: netfilter.Table | None = None

    async def with_compiled(self) -> Firewall:
        """This with what nft makes of it.

        Raises:
            DesiredStateError: nft finds it wrong, or is not there.
        """
        return evolve(self, compiled=await netfilter.compile(self.table))


@frozen
class Spawn:
    """What is given once, at each spawn, and not kept: namespaces, ids, mounts, the program."""

    command: tuple[str, ...]
    namespaces: tuple[str, ...]
    hostname: str
    mounts: tuple[Mount, ...]
    uids: tuple[IdMap, ...]
    gids: tuple[IdMap, ...]
    environment: Mapping[str, str]
    directory: str

    @property
    def has_groups(self) -> bool:
        """Whether ids were given: an ordinary user has but one, and must give up setgroups(2)."""
        return self.gids != own_ids(os.getegid())


@frozen
class Container:
    """A workload, and what is kept around it for as long as it runs.

    Attributes:
        name: Its name, and that of its cgroup.
        spawn: What is given at each spawn.
        veth: The pair of links between the host and it; None for none.
        host: Addresses, routes and the like on the host's end.
        network: Links, addresses and routes in its network namespace; lo is up unless it says so.
        sysctl: Sysctls of its namespaces.
        firewall: A table in its network namespace; None for none.
        limits: Of its cgroup.
        restart: When it is started again after it died.
    """

    name: str
    spawn: Spawn
    veth: Veth | None
    host: rtnl.Desired
    network: rtnl.Desired
    sysctl: sysctl.Desired
    firewall: Firewall | None
    limits: cgroup.Desired
    restart: Restart = field(factory=Restart)

    def ends(self, pid: int) -> tuple[rtnl.Desired, rtnl.Desired]:
        """What the host has of its network, and what it has, with the pair's ends in them.

        Args:
            pid: Of a process in its network namespace, where the kernel makes the other end.
        """
        if self.veth is None:
            return rtnl.Desired(), self.network
        outside, inside = self.veth.host, self.veth.container
        pair = with_link(self.host, outside, kind="veth", peer=inside, peer_netns=pid)
        return pair, with_link(self.network, inside)


def own_ids(number: int) -> tuple[IdMap, ...]:
    """Root inside is who we are outside."""
    return ((0, number, 1),)


def with_link(network: rtnl.Desired, name: str, **fields: Any) -> rtnl.Desired:
    """A network with a link that has these fields, and is up unless it is described otherwise."""
    given = next((link for link in network.links if link.name == name), rtnl.Link(name))
    made = evolve(given, up=given.up is not False, **fields)
    return evolve(network, links=[*(link for link in network.links if link is not given), made])
