"""The other network namespaces that links are moved to, or have an end in."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from anyio import to_thread

from .._core.errors import OpError, ScopeGone
from .._core.groups import uninterrupted
from .._kernel.netlink import pack_text
from .._kernel.netns import NetworkNamespace
from .._kernel.nsfs import close_all, network_descriptor
from .._kernel.socket import NetlinkSocket
from .codec.wire import Type
from .desired import Link
from .observed_link import ObservedLink
from .ops import AddLink, MoveLink, RtnlOp

__all__ = ["descriptors", "moved"]

_IFINFOMSG: Final = bytes(16)
_IFNAME: Final = 3


async def moved(links: Iterable[Link], observed: Mapping[str, ObservedLink]) -> frozenset[str]:
    """The keys of links that are where they are to be moved to.

    A namespace that is not there (yet) has none.
    """
    found = set()
    for link in links:
        if link.netns is None or link.name in observed:
            continue
        try:
            if await _is_in(link.netns, link.name):
                found.add(link.key)
        except ScopeGone:
            continue
    return frozenset(found)


async def _is_in(namespace: NetworkNamespace, name: str) -> bool:
    target = await to_thread.run_sync(namespace.open)
    try:
        async with await NetlinkSocket.open(opener=target.call) as socket:
            payload = _IFINFOMSG + pack_text(_IFNAME, name)
            await socket.request(Type.GETLINK, payload=payload, key=f"link {name}")
    except OpError as error:
        if error.errno != errno.ENODEV:
            raise
        return False
    finally:
        target.close()
    return True


@asynccontextmanager
async def descriptors(batch: Collection[RtnlOp]) -> AsyncGenerator[Mapping[str, int], None]:
    """Descriptors of the namespaces that ops need, by scope; one that is not there has none."""
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
            except ScopeGone:
                continue
            try:
                opened[str(scope)] = target.call(network_descriptor)
            finally:
                target.close()

    try:
        if scopes:
            await uninterrupted(lambda: to_thread.run_sync(work))
        yield opened
    finally:
        close_all(opened)
