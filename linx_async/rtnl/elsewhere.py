"""The other network namespaces that links are moved to, or have an end in."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from anyio import to_thread
from attrs import field, frozen

from .._core.errors import OpError, ScopeGone, SourceError
from .._core.groups import uninterrupted
from .._kernel.netlink import NetlinkDecodeError, pack_text
from .._kernel.netns import NetworkNamespace, Target
from .._kernel.nsfs import close_all, network_descriptor
from .._kernel.socket import NetlinkSocket
from .codec import link as codec
from .codec.wire import Type
from .desired import Link
from .observed_link import ObservedLink
from .ops import AddLink, MoveLink, RtnlOp

__all__ = ["Moved", "descriptors", "moved", "pinned"]

_IFINFOMSG: Final = bytes(16)
_IFNAME: Final = 3


@frozen
class Moved:
    """What became of links that are to be moved.

    Attributes:
        there: The keys of those that are where they shall be.
        out_of_reach: Why it cannot be told of others, by key.
    """

    there: frozenset[str] = frozenset()
    out_of_reach: Mapping[str, str] = field(factory=dict)


@asynccontextmanager
async def pinned(namespace: NetworkNamespace) -> AsyncGenerator[Target, None]:
    """A namespace's descriptors until the context ends, or a cancellation meets their opening.

    Raises:
        ScopeGone: It is not there.
        SourceError: It may not be opened, or is no network namespace.
    """
    targets: list[Target] = []

    def work() -> None:
        targets.append(namespace.open())

    try:
        # A thread cannot be cut short: what it opens would be nobody's.
        await uninterrupted(lambda: to_thread.run_sync(work))
        yield targets[0]
    finally:
        for target in targets:
            target.close()


async def moved(links: Iterable[Link], observed: Mapping[str, ObservedLink]) -> Moved:
    """Which links are where they are to be moved to.

    A namespace that is not there (yet) has none, and one of another kind is another link.
    """
    found: set[str] = set()
    out_of_reach: dict[str, str] = {}
    for link in links:
        if link.netns is None or link.name in observed:
            continue
        try:
            there = await _link_in(link.netns, link.name)
        except ScopeGone:
            continue
        except SourceError as error:
            out_of_reach[link.key] = str(error)
            continue
        if there is not None and link.kind in {None, there.kind}:
            found.add(link.key)
    return Moved(frozenset(found), out_of_reach)


async def _link_in(namespace: NetworkNamespace, name: str) -> ObservedLink | None:
    """The link of a name in a namespace; None where there is none.

    Raises:
        ScopeGone: The namespace is not there.
        SourceError: It cannot be looked into, or its answer is malformed.
    """
    payload = _IFINFOMSG + pack_text(_IFNAME, name)
    async with pinned(namespace) as target, await NetlinkSocket.open(opener=target.call) as socket:
        try:
            answers = await socket.request(Type.GETLINK, payload=payload, key=f"link {name}")
            found = [codec.decode(each.payload) for each in answers if each.type == Type.NEWLINK]
        except OpError as error:
            if error.errno != errno.ENODEV:
                raise
            return None
        except NetlinkDecodeError as error:
            raise SourceError(
                f"link {name} in {namespace}: the kernel's answer is malformed: {error}"
            ) from error
    # IFLA_IFNAME finds it by an alternative name too (rtnl_dev_get() in net/core/rtnetlink.c).
    return next((each for each in found if each.name == name), None)


@asynccontextmanager
async def descriptors(batch: Collection[RtnlOp]) -> AsyncGenerator[Mapping[str, int], None]:
    """Descriptors of the namespaces that ops need, by scope; one out of reach has none."""
    scopes = {
        scope
        for op in batch
        if isinstance(op, AddLink | MoveLink)
        for scope in (op.link.netns, op.link.peer_netns)
        if scope is not None
    }
    opened: dict[str, int] = {}

    def work() -> None:
        for scope in scopes:
            try:
                target = scope.open()
            except SourceError:
                continue
            try:
                with suppress(SourceError):
                    opened[str(scope)] = target.call(network_descriptor)
            finally:
                target.close()

    try:
        if scopes:
            await uninterrupted(lambda: to_thread.run_sync(work))
        yield opened
    finally:
        close_all(opened)
