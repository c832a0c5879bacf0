"""All that a network namespace has, the routes of others too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from anyio import to_thread
from attrs import frozen

from .._core.bulk import run_in_bulk
from .._core.errors import DumpInterrupted, SourceError
from .._core.groups import uninterrupted
from .._core.ownership import Ownership
from .._kernel.netlink import NetlinkDecodeError
from .._kernel.netns import NetworkNamespace, Target
from .._kernel.socket import NetlinkSocket
from .codec.route_encode import dump_request
from .codec.wire import Names, Type
from .desired import Route
from .desired.desired import Desired
from .desired.routes import route_of
from .observed import Observed
from .reading import RouteReader
from .source import PROTOCOL, Scope, Source
from .streams import Stream

__all__ = ["Everything", "everything"]

_TRIES: Final = 5


@frozen
class Everything:
    """All that a network namespace has.

    Attributes:
        observed: All but the routes of others.
        routes: All routes, several with one key too.
    """

    observed: Observed
    routes: tuple[Route, ...]


async def everything(
    owned: Ownership, *, scope: Scope = None, protocol: int = PROTOCOL
) -> Everything:
    """Read a network namespace.

    Args:
        owned: Our record.
        scope: Where; None is here.
        protocol: Our tag.

    Raises:
        DesiredStateError: No such form of a scope or a tag.
        SourceError: It could not be read.
    """
    async with Source(scope, protocol=protocol) as source:
        observed = await source.observe(Desired(), owned)
        names = {each.index: each.name for each in observed.links.values()}
        return Everything(observed, await _routes(source.scope, names))


async def _routes(scope: NetworkNamespace, names: Names) -> tuple[Route, ...]:
    pinned: list[Target] = []
    try:
        await uninterrupted(lambda: to_thread.run_sync(lambda: pinned.append(scope.open())))
        async with await NetlinkSocket.open(opener=pinned[0].call) as socket:
            return tuple([each for family in (4, 6) for each in await _of(family, socket, names)])
    finally:
        for target in pinned:
            target.close()


async def _of(family: int, socket: NetlinkSocket, names: Names) -> Sequence[Route]:
    what = f"IPv{family} routes"
    for _ in range(_TRIES):
        dump = await socket.dump(Type.GETROUTE, dump_request(family), key=what)
        if not dump.interrupted:
            try:
                return await run_in_bulk(_read, dump.datagrams, family, names)
            except NetlinkDecodeError as error:
                raise SourceError(f"{what}: the kernel's answer is malformed: {error}") from error
    raise DumpInterrupted(f"{what}: the kernel's tables changed while they were dumped")


def _read(datagrams: Iterable[bytes], family: int, names: Names) -> list[Route]:
    found = RouteReader(names, None).all(Stream.of(datagrams), family)
    return [route_of(*key, way) for key, way in found]
