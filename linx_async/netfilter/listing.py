"""Which tables there are."""

from __future__ import annotations

from typing import Final

from anyio import to_thread
from attrs import frozen

from .._core.errors import SourceError
from .._core.groups import uninterrupted
from .._kernel.netlink import NetlinkDecodeError, split
from .._kernel.netns import Target
from .._kernel.nfnetlink import NfnetlinkSocket
from .._kernel.nfnetlink_messages import NFGENMSG
from .._kernel.scopes import Scope, namespace_of
from .codec.abi import Message
from .codec.tables import TableHead, decode
from .desired.families import FAMILIES

__all__ = ["Listed", "list_tables"]

_GETTABLE: Final = Message.GETTABLE.number
_NAMES: Final = {number: name for name, number in FAMILIES.items()}


@frozen
class Listed:
    """A table.

    Attributes:
        family: Its family.
        head: What it is.
    """

    family: str
    head: TableHead


async def list_tables(*, scope: Scope = None) -> tuple[Listed, ...]:
    """The tables of a network namespace, whoever made them.

    Args:
        scope: Where; None is here.

    Raises:
        DesiredStateError: No such form of a scope.
        OpError: The kernel refused to tell.
        SourceError: The scope cannot be reached, or the answer is malformed.
    """
    namespace = namespace_of(scope)
    pinned: list[Target] = []
    try:
        await uninterrupted(lambda: to_thread.run_sync(lambda: pinned.append(namespace.open())))
        async with await NfnetlinkSocket.open(opener=pinned[0].call) as socket:
            dump = await socket.dump(_GETTABLE, 0, key="tables")
    finally:
        for target in pinned:
            target.close()
    try:
        payloads = [each.payload for data in dump.datagrams for each in split(data)]
        return tuple(
            Listed(_NAMES[payload[0]], decode(payload[NFGENMSG.size :]))
            for payload in payloads
            if payload and payload[0] in _NAMES
        )
    except NetlinkDecodeError as error:
        raise SourceError(f"tables: the kernel's answer is malformed: {error}") from error
