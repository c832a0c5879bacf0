"""A table of the kernel's as text in nft's syntax that stands for the same table."""

from __future__ import annotations

import re
from typing import Final

from anyio import to_thread
from attrs import evolve

from .._core.errors import DesiredStateError, SourceError
from .._kernel.interfaces import interfaces
from .._kernel.netns import NetworkNamespace
from .._kernel.output import output_of
from .._kernel.programs import find
from .._kernel.scopes import Scope, namespace_of
from .desired import Table
from .diff.whole import draft_contents
from .observed import ObservedTable
from .parsing import parsed_tables

__all__ = ["Unfaithful", "as_text"]

_CURE: Final = "install nftables, to see tables in its syntax"
_FLAGS: Final = re.compile(r"^\tflags ([^\n]*)\n\n?", re.MULTILINE)
"""Flags of the table itself; those of what is in it are further in."""


class Unfaithful(Exception):
    """nft's text is not the table that the kernel has; the message says where it is not."""


async def as_text(table: ObservedTable, *, scope: Scope = None) -> str:
    """The text of a table, as nft lists it without what is counted.

    It is compiled again and compared with what the kernel has, so that it never says anything else.

    Args:
        table: The table, as it was observed.
        scope: Where; None is here.

    Raises:
        Unfaithful: nft has no way to say it, or the text says something else.
        SourceError: There is no nft, or it could not be run.
    """
    return await to_thread.run_sync(_as_text, table, namespace_of(scope))


def _as_text(table: ObservedTable, namespace: NetworkNamespace) -> str:
    nft = find("nft", _CURE)
    name = table.head.name
    listed = output_of(nft, ["-s", "list", "table", table.family, name], namespace)
    text = _FLAGS.sub(_own_flags, listed, count=1)
    target = namespace.open()
    try:
        links = target.call(interfaces)
    finally:
        target.close()
    try:
        made = parsed_tables(text, links=links)
        differs = _differs(made, table)
    except (DesiredStateError, SourceError) as error:
        first = str(error).partition("\n")[0]
        raise Unfaithful(f"nft does not take its own text of it: {first}") from error
    if differs:
        raise Unfaithful(f"nft's text of it says something else: {differs}")
    return text


def _own_flags(found: re.Match[str]) -> str:
    """What is to be said of the flags: whose a table is, and how long it stays, is not."""
    return "\tflags dormant\n\n" if "dormant" in re.split(r"[,\s]+", found[1]) else ""


def _differs(made: tuple[Table, ...], table: ObservedTable) -> str:
    """What would be changed to make the kernel's table that of the text; empty for nothing."""
    if len(made) != 1 or made[0].key != table.key:
        return f"it has {', '.join(map(str, made)) or 'no table'}"
    head = table.head
    if (made[0].comment, made[0].dormant) != (head.comment, bool(head.flags & 1)):
        return "its comment or its flags"
    bare = evolve(table, head=evolve(head, userdata=b""))
    draft = draft_contents(made[0], bare, recreate=True)
    return next((str(op) for op in draft.ops), "") or next(iter(draft.passed_over.values()), "")
