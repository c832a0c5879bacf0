"""The interfaces that a table hooks into or names by index: those that are there: pure."""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import chain

from attrs import evolve

from .._core.model import Waiting
from .desired import Table

__all__ = ["devices_of", "other_indices", "within_reach"]


def devices_of(table: Table) -> frozenset[str]:
    """The interfaces that chains and flowtables hook into."""
    hooked = [each.devices for each in table.chains] + [each.devices for each in table.flowtables]
    return frozenset(chain.from_iterable(hooked))


def within_reach(table: Table, links: Container[str]) -> tuple[Table, tuple[Waiting, ...]]:
    """A table as far as it can be, and what waits for interfaces.

    The kernel takes no chain that hooks into an interface which is not there. Such a chain hooks
    into the others of its interfaces; where none is there, it is left out: nothing would come
    through it.

    Args:
        table: The table.
        links: The names of the interfaces that are there.
    """
    waiting: list[Waiting] = []
    chains = []
    flowtables = []
    for each in table.chains:
        there, missing = _parted(each.devices, links)
        waiting += [Waiting.for_interface(each.key, name) for name in missing]
        if there or not missing:
            chains.append(evolve(each, devices=there) if missing else each)
    for flowtable in table.flowtables:
        there, missing = _parted(flowtable.devices, links)
        waiting += [Waiting.for_interface(flowtable.key, name) for name in missing]
        flowtables.append(evolve(flowtable, devices=there) if missing else flowtable)
    if not waiting:
        return table, ()
    return evolve(table, chains=chains, flowtables=flowtables), tuple(waiting)


def other_indices(table: Table, links: Mapping[str, int]) -> tuple[Waiting, ...]:
    """What waits for interfaces that rules name by index, as they were compiled.

    Args:
        table: The table.
        links: The indices of the interfaces that are there, by name.
    """
    return tuple(
        _other_index(table.key, name, index, links.get(name))
        for name, index in table.links
        if links.get(name) != index
    )


def _other_index(key: str, name: str, compiled: int, now: int | None) -> Waiting:
    if now is None:
        return Waiting.for_interface(key, name)
    return Waiting(
        key,
        f"the interface {name} has index {now}, and the table was compiled with {compiled}: compile"
        " it again, with links= as it is there, or name the interface by iifname or oifname",
    )


def _parted(names: tuple[str, ...], links: Container[str]) -> tuple[tuple[str, ...], list[str]]:
    """The interfaces that are there, and those that are not."""
    return tuple(name for name in names if name in links), [n for n in names if n not in links]
