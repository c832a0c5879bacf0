"""Tables from text in nft's syntax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anyio import to_thread
from attrs import evolve

from .._core.errors import DesiredStateError
from .._kernel.interfaces import interfaces
from .desired import Table
from .indices import Asking, indices_in
from .reading import table_of
from .text.compiler import compile_now, compiled
from .text.raw import RawTable

__all__ = ["compile", "parse", "parsed_tables", "tables_of"]


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
    return _only(parsed_tables(text, links=_or_here(links), defines=defines))


async def compile(
    text: str,
    *,
    links: Mapping[str, int] | None = None,
    defines: Mapping[str, str] | None = None,
) -> Table:
    """`parse`, in a thread (nft(8)). May be cancelled: nft is ended then.

    Args:
        text: One table.
        links: As for `parse`.
        defines: As for `parse`.

    Raises:
        DesiredStateError: nft does not take it, or it is no table, or more than one.
        SourceError: There is no nft, or no namespace to be had; the message says what to do.
    """
    here = await to_thread.run_sync(_or_here, links)

    async def made(links: Mapping[str, int], *, listed: bool = False) -> tuple[Table, ...]:
        return tables_of(await compiled(text, links=links, defines=defines, listed=listed))

    tables = await made(here, listed=True)
    asking = _asking(text, here, defines, tables)
    try:
        question = next(asking)
        while True:
            question = asking.send(await made(question))
    except StopIteration as told:
        return _only(_with_links(tables, told.value))


def parsed_tables(
    text: str, *, links: Mapping[str, int], defines: Mapping[str, str] | None = None
) -> tuple[Table, ...]:
    """All tables of a text, each with the interfaces that it names by index. Blocks.

    Args and errors: as for `parse`.
    """

    def made(links: Mapping[str, int], *, listed: bool = False) -> tuple[Table, ...]:
        return tables_of(compile_now(text, links=links, defines=defines, listed=listed))

    tables = made(links, listed=True)
    asking = _asking(text, links, defines, tables)
    try:
        question = next(asking)
        while True:
            question = asking.send(made(question))
    except StopIteration as told:
        return _with_links(tables, told.value)


def _asking(
    text: str,
    links: Mapping[str, int],
    defines: Mapping[str, str] | None,
    tables: tuple[Table, ...],
) -> Asking:
    said = " ".join([text, *(defines or {}).values()])
    return indices_in(said, links, tables)


def _with_links(
    tables: tuple[Table, ...], indices: tuple[Mapping[str, int], ...]
) -> tuple[Table, ...]:
    return tuple(
        evolve(table, links=links) if links else table
        for table, links in zip(tables, indices, strict=True)
    )


def _or_here(links: Mapping[str, int] | None) -> Mapping[str, int]:
    return interfaces() if links is None else links


def tables_of(raw: Sequence[RawTable]) -> tuple[Table, ...]:
    """The tables of dumps, as desired ones.

    Raises:
        DesiredStateError: One has what none may say.
    """
    return tuple(table_of(each)[0].declared() for each in raw)


def _only(tables: tuple[Table, ...]) -> Table:
    if len(tables) == 1:
        return tables[0]
    found = ", ".join(map(str, tables)) or "none"
    raise DesiredStateError(f"nft text: expected one table, found {found}")
