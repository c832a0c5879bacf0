"""The other network namespaces that links are moved to, or have an end in."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from anyio import to_thread

from .._core.errors import DesiredStateError, OpError, ScopeGone, SourceError
from .._core.groups import uninterrupted
from .._core.ownership import Claim, Ownership
from .._kernel.netlink import NetlinkDecodeError, pack_text
from .._kernel.netns import NetworkNamespace
from .._kernel.nsfs import close_all, network_descriptor
from .._kernel.pinning import pinned
from .._kernel.socket import NetlinkSocket
from .away import Away, Elsewhere, is_away
from .codec import link as codec
from .codec.wire import Type
from .desired import Link
from .diff.bearing import bears
from .observed_link import ObservedLink
from .ops import AddLink, DeleteMoved, MoveLink, RtnlOp
from .records import LinkRecord
from .refusals import refused
from .views import Views

__all__ = ["delete_moved", "descriptors", "look_elsewhere"]

_IFINFOMSG: Final = bytes(16)
_IFNAME: Final = 3


async def look_elsewhere(
    links: Collection[Link], observed: Mapping[str, ObservedLink], owned: Ownership
) -> Elsewhere:
    """What there is of links in other namespaces: desired ones, and ours that were.

    A namespace that is not there (yet) has none, and one of another kind is another link.
    """
    found: set[str] = set()
    out_of_reach: dict[str, str] = {}
    identities: dict[str, str] = {}
    for link in links:
        if link.netns is None:
            continue
        try:
            async with pinned(link.netns) as target:
                identities[str(link.netns)] = target.identity
                if link.name in observed:
                    continue
                async with await NetlinkSocket.open(opener=target.call) as socket:
                    there = await _link_by(socket, link.name, link.netns)
        except ScopeGone:
            continue
        except SourceError as error:
            if link.name not in observed:
                out_of_reach[link.key] = str(error)
            continue
        if there is not None and link.kind in {None, there.kind}:
            found.add(link.key)
    wanted = {MoveLink(link).key for link in links if link.netns is not None}
    left, unseen = await _left(
        claim for key, claim in owned.items() if is_away(key) and key not in wanted
    )
    return Elsewhere(frozenset(found), out_of_reach | unseen, identities, left)


async def _left(claims: Iterable[Claim]) -> tuple[dict[str, Away], dict[str, str]]:
    """The links of ours that were moved and are still there, and why others cannot be looked for.

    Both by the key of the claim.
    """
    left: dict[str, Away] = {}
    out_of_reach: dict[str, str] = {}
    for claim in claims:
        try:
            away = await _away(claim)
        except ScopeGone:
            continue
        except SourceError as error:
            out_of_reach[claim.key] = str(error)
            continue
        if away is not None:
            left[claim.key] = away
    return left, out_of_reach


async def _away(claim: Claim) -> Away | None:
    """What there is of a link of ours that was moved; None where nothing is.

    Raises:
        ScopeGone: The namespace is not there.
        SourceError: It cannot be looked into.
    """
    name, _, scope = claim.key.removeprefix("link ").partition(" to ")
    record = LinkRecord.of(claim.settled)
    namespace = _scope(scope)
    if record is None or namespace is None:
        return None
    async with pinned(namespace) as target:
        if target.identity != claim.incarnation:
            return None
        async with await NetlinkSocket.open(opener=target.call) as socket:
            links = await Views(socket, 0).links()
    found = links.get(name)
    if found is None or (found.index, found.kind) != (record.index, claim.value):
        return None
    # What sits on it there is not ours by any record of ours here.
    return Away(namespace, found, bears(found, links, Ownership()))


def _scope(text: str) -> NetworkNamespace | None:
    """A network namespace of the text that it is shown as; None where it is none.

    Raises:
        ScopeGone: There is no such process.
        SourceError: It cannot be pinned.
    """
    kind, _, value = text.partition(" ")
    try:
        if text.startswith("/"):
            return NetworkNamespace.at_path(text)
        if kind == "pid" and value.isdecimal():
            return NetworkNamespace.of_pid(int(value))
        return NetworkNamespace.named(value) if kind == "netns" else NetworkNamespace(text)
    except DesiredStateError:
        return None


async def delete_moved(op: DeleteMoved) -> OpError | None:
    """Delete a link of ours in another namespace; gives why it could not be."""
    old = op.observed
    try:
        async with pinned(op.namespace) as target:
            if target.identity != op.identity:
                return None
            async with await NetlinkSocket.open(opener=target.call) as socket:
                found = await _link_by(socket, old.name, op.namespace)
                if found is None or (found.index, found.kind) != (old.index, old.kind):
                    return None
                payload = codec.encode_delete(old.index)
                (refusal,) = await socket.change([(Type.DELLINK, 0, payload)], key=op.key)
    except ScopeGone:
        return None
    except SourceError as error:
        return OpError(op.key, None, str(error))
    return None if refusal is None or refusal.errno == errno.ENODEV else refused(op, refusal)


async def _link_by(
    socket: NetlinkSocket, name: str, namespace: NetworkNamespace
) -> ObservedLink | None:
    """The link of a name; None where there is none.

    Raises:
        SourceError: The answer is malformed, or none came.
    """
    payload = _IFINFOMSG + pack_text(_IFNAME, name)
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
async def descriptors(
    batch: Collection[RtnlOp],
) -> AsyncGenerator[tuple[Mapping[str, int], Mapping[str, str]], None]:
    """Descriptors of the namespaces that ops need, by scope, and why there is none of others."""
    scopes = {
        scope
        for op in batch
        if isinstance(op, AddLink | MoveLink)
        for scope in (op.link.netns, op.link.peer_netns)
        if scope is not None
    }
    opened: dict[str, int] = {}
    out_of_reach: dict[str, str] = {}

    def work() -> None:
        for scope in scopes:
            try:
                target = scope.open()
                try:
                    opened[str(scope)] = target.call(network_descriptor)
                finally:
                    target.close()
            except SourceError as error:
                out_of_reach[str(scope)] = str(error)

    try:
        if scopes:
            await uninterrupted(lambda: to_thread.run_sync(work))
        yield opened, out_of_reach
    finally:
        close_all(opened)
