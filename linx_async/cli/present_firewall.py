"""The tables of nf_tables that there are."""

from __future__ import annotations

import errno
from typing import Final

from .. import netfilter
from .._core.errors import OpError, SourceError
from .._kernel.netns import NetworkNamespace
from ..config.writing import comment, long_text
from ..netfilter.as_text import Unfaithful, as_text
from ..netfilter.codec.abi import TableFlag
from ..netfilter.listing import Listed, list_tables
from .present import Entry, LeftOut, Present
from .selection import Selection

__all__ = ["present_firewall"]

_OTHERS: Final = (
    "somebody else made it; to have this put in its place, uncomment it and add"
    ' on_conflict = "replace"'
)


async def present_firewall(selection: Selection) -> list[Present]:
    """The tables of a network namespace.

    Args:
        selection: Which of them.

    Raises:
        SourceError: They cannot be read.
    """
    try:
        listed = await list_tables(scope=selection.netns)
    except OpError as error:
        if error.errno != errno.EPERM or selection.names:
            return []  # a kernel without nf_tables
        unread = LeftOut("tables", "may not be read: it takes CAP_NET_ADMIN")
        return [Present("netfilter", left_out=[unread], netns=selection.netns)]
    found = []
    for each in listed:
        name = each.head.name
        wanted = selection.wants(name, f"{each.family} {name}", f"{each.family}/{name}")
        if wanted and (each.head.ours or not selection.ours):
            found.append(await _present(each, selection.netns))
    return found


async def _present(listed: Listed, netns: NetworkNamespace | None) -> Present:
    family, head = listed.family, listed.head
    present = Present("netfilter", f"{family} {head.name}", netns=netns)
    text = f"table {family} {head.name}"
    table = await netfilter.pull(family, head.name, scope=netns)
    if table is None:
        present.left_out.append(LeftOut(text, "it was deleted meanwhile"))
        return present
    try:
        said = await as_text(table, scope=netns)
    except (Unfaithful, SourceError) as error:
        present.left_out.append(LeftOut(text, str(error)))
        return present
    place = (family, head.name)
    if not head.ours:
        lines = [present.header("netfilter", *place), *long_text("text", said).split("\n")]
        told = tuple(line for each in lines for line in comment(each))
        present.left_out.append(LeftOut(text, _OTHERS, told))
        return present
    if not head.flags & TableFlag.PERSIST:
        present.options = {"lifetime": "socket" if head.flags & TableFlag.OWNER else "shared"}
    size = "1 rule or element" if table.size == 1 else f"{table.size} rules and elements"
    present.entries.append(Entry(text, place, said, f"{text}, {size}", True))
    return present
