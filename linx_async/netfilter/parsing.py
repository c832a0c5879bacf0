"""Tables from text in nft's syntax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anyio import to_thread

from .._core.errors import DesiredStateError
from .._kernel.interfaces import interfaces
from .desired import Table
from .reading import table_of
from .text.compiler import compile_now, compiled
from .text.raw import RawTable

__all__ = ["compile", "parse", "tables_of"]


def parse(
    text: str,
    *,
    links: Mapping[str, int] | None = None,
    defines: Mapping[str, str] | None = None,
) -> Table:
    """A table from text in nft's syntax, as `nft -f` takes it (nft(8)).

    The `nft` program compiles it, in a namespace that nobody else sees; no privileges are needed
    where user namespaces are allowed. It takes some 20 ms, for which this blocks: where there is
    an event loop, await `compile`.

    Args:
        text: One table.
        links: Indices of links by name, for rules and chains that name some (`iif`, `oif`,
            `device`). Default: those that are here now.
        defines: Variables, as if the text had `define NAME = VALUE` before.

    Raises:
        DesiredStateError: nft does not take it: the message has line, column and nft's words. Or
            it is no table, or more than one.
        SourceError: There is no nft, or no namespace to be had; the message says what to do.
    """
    return _only(tables_of(compile_now(text, links=_or_here(links), defines=defines)))


async def compile(
    text: str,
    *,
    links: Mapping[str, int] | None = None,
    defines: Mapping[str, str] | None = None,
) -> Table:
    """`parse`, in a thread. May be cancelled: nft is ended then."""
    here = await to_thread.run_sync(_or_here, links)
    return _only(tables_of(await compiled(text, links=here, defines=defines)))


def _or_here(links: Mapping[str, int] | None) -> Mapping[str, int]:
    return interfaces() if links is None else links


def tables_of(raw: Sequence[RawTable]) -> tuple[Table, ...]:
    """The tables of dumps, as desired ones."""
    return tuple(table_of(each)[0].table for each in raw)


def _only(tables: tuple[Table, ...]) -> Table:
    if len(tables) == 1:
        return tables[0]
    found = ", ".join(map(str, tables)) or "none"
    raise DesiredStateError(f"nft text: expected one table, found {found}")
