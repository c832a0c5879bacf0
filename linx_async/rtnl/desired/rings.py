"""Links that would each have to be there before the other."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from ..._core.errors import DesiredStateError
from .link import Link

__all__ = ["refuse_rings"]


def refuse_rings(links: Sequence[Link]) -> None:
    """Refuse links that sit on, or belong to, each other: the kernel would (ELOOP, EBUSY).

    Raises:
        DesiredStateError: Some do; the message names their entries.
    """
    names = {link.name for link in links}
    ring = _ring({link.name: _needed(link, names) for link in links})
    if not ring:
        return
    places = {link.name: place for place, link in enumerate(links)}
    start = min(range(len(ring)), key=lambda turn: places[ring[turn]])
    first, *others = ring[start:] + ring[:start]
    way = "".join(f" needs {each} (links[{places[each]}]), which" for each in others)
    raise DesiredStateError(
        f"links[{places[first]}]: {first}{way} needs {first}: by their masters and parents each"
        " would have to be there before the other"
    )


def _needed(link: Link, declared: Container[str]) -> list[str]:
    """What a link sits on, and what it belongs to, of what is declared."""
    return [each for each in (link.parent, link.master) if each and each in declared]


def _ring(needs: Mapping[str, list[str]]) -> list[str]:
    """Names of which each needs the next, and the last the first; empty where there are none."""
    left = dict(needs)
    needed_by: dict[str, list[str]] = {name: [] for name in left}
    for name, needed in left.items():
        for each in needed:
            needed_by[each].append(name)
    open_needs = {name: len(needed) for name, needed in left.items()}
    free = [name for name, count in open_needs.items() if not count]
    while free:
        name = free.pop()
        del left[name]
        for each in needed_by[name]:
            open_needs[each] -= 1
            if not open_needs[each]:
                free.append(each)
    if not left:
        return []
    # Each of those that are left needs another of them: whoever follows comes round.
    name = next(iter(left))
    walked: dict[str, None] = {}
    while name not in walked:
        walked[name] = None
        name = next(each for each in left[name] if each in left)
    names = list(walked)
    return names[names.index(name) :]
