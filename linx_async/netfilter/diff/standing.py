"""Whose a table is, and how it can be written: pure."""

from __future__ import annotations

import enum
from typing import Final, Literal, TypeAlias

from ..codec.abi import TableFlag
from ..observed import ObservedTable

__all__ = ["LIFETIMES", "Lifetime", "Standing", "flags_for", "standing_of"]

Lifetime: TypeAlias = Literal["persist", "socket", "shared"]
"""How long a table stays, and who may write to it while it does."""

LIFETIMES: Final[dict[Lifetime, int]] = {
    "persist": int(TableFlag.OWNER | TableFlag.PERSIST),
    "socket": int(TableFlag.OWNER),
    "shared": 0,
}
"""The flags of a table by its lifetime."""


class Standing(enum.Enum):
    """Whose a table is, and how it can be written."""

    ABSENT = "it is not there"
    OURS = "it is ours, and can be written to"
    ORPHAN = "it is ours, and is to be owned again first"
    OTHER = "it is ours, and cannot become what it should be"
    FOREIGN = "it is somebody else's"


def flags_for(lifetime: Lifetime, *, dormant: bool) -> int:
    """The flags of a table (NFTA_TABLE_FLAGS)."""
    return LIFETIMES[lifetime] | (int(TableFlag.DORMANT) if dormant else 0)


def standing_of(
    table: ObservedTable | None, lifetime: Lifetime, port: int, *, dormant: bool
) -> tuple[Standing, str]:
    """Whose a table is, and why it is no better.

    Ours are those with our mark in their user data: our record would not do, since it is written
    before the table is made, and would fit one that somebody else makes after we ended in between.

    The kernel takes no owner for a table that never had one, and lets none go
    (nf_tables_updtable() in net/netfilter/nf_tables_api.c): such a one is made anew.

    Args:
        table: What is there.
        lifetime: What it should be.
        port: The port id of our socket.
        dormant: Whether it should be dormant.
    """
    if table is None:
        return Standing.ABSENT, ""
    head = table.head
    if head.owner and head.owner != port:
        return Standing.FOREIGN, f"another program owns it (the socket with port id {head.owner})"
    if not head.ours:
        return Standing.FOREIGN, "somebody else made it"
    if bool(head.flags & TableFlag.DORMANT) != dormant:
        return Standing.OTHER, "it should be dormant" if dormant else "it should not be dormant"
    if lifetime == "shared" or head.owner:
        return Standing.OURS, ""
    if lifetime == "persist" and head.flags & TableFlag.PERSIST:
        return Standing.ORPHAN, ""
    return Standing.OTHER, "it has no owner"
