"""Whether the kernel has tables that are owned and outlive their owner."""

from __future__ import annotations

import errno
from typing import Final

from .._kernel.netlink import Flag, pack_text
from .._kernel.nfnetlink import Change, NfnetlinkSocket
from .codec.abi import Message, TableAttribute, TableFlag
from .codec.words import pack_be32
from .desired.families import FAMILIES

__all__ = ["has_persistent_owners"]

_NAME: Final = "linx-async asks whether owners persist"
"""Of a table that never comes to be."""
_NEWTABLE: Final = Message.NEWTABLE.number
_NEW: Final = int(Flag.CREATE | Flag.EXCL)


async def has_persistent_owners(socket: NfnetlinkSocket, family: str) -> bool:
    """Ask the kernel whether it knows NFT_TABLE_F_PERSIST (Linux 6.9), and change nothing.

    The same table is added with the flag and without, as one transaction. Either is refused: the
    first for a flag that the kernel does not know (nf_tables_newtable() in
    net/netfilter/nf_tables_api.c), or else the second, since the table is there by then. So it is
    never carried out, makes no generation, and is told to nobody.

    Args:
        socket: A socket in the namespace.
        family: The family of the table that it is about. Of a family that the kernel lacks
            nothing is known, and the answer is yes.

    Raises:
        OpError: The kernel refused to be asked.
        SourceError: No whole answer came.
    """
    flags = int(TableFlag.OWNER | TableFlag.PERSIST)
    changes = [_added(family, flags), _added(family, 0)]
    answer = await socket.commit(changes, generation=None, key="whether owners persist")
    with_flag, without = answer.refusals
    unknown = with_flag is not None and with_flag.errno == errno.EOPNOTSUPP
    return not (unknown and without is None)


def _added(family: str, flags: int) -> Change:
    said = pack_text(TableAttribute.NAME, _NAME) + pack_be32(TableAttribute.FLAGS, flags)
    return Change(_NEWTABLE, _NEW, FAMILIES[family], said)
