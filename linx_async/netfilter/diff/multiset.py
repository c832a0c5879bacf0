"""The diff of set elements, by key: as many as a million of them, in any order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from itertools import filterfalse, islice, repeat
from typing import Generic, TypeVar

from attrs import frozen

__all__ = ["ElementChanges", "element_changes"]

KeyT = TypeVar("KeyT", bound=Hashable)
RestT = TypeVar("RestT")

_ABSENT = object()


@frozen
class ElementChanges(Generic[KeyT]):
    """What makes the elements of a set the desired ones.

    Attributes:
        added: The keys that are missing, in the order of the desired ones.
        changed: The keys that are there with something else beside them. For an element that is
            there the kernel refuses another value and ignores another comment; it is to be deleted
            and added again in one transaction, where not all of the change can be done in place.
        deleted: The keys that have to go, in the order of the observed ones.
        untouched: How many are there as desired.
        spared: How many are not desired and are left alone.
    """

    added: tuple[KeyT, ...]
    changed: tuple[KeyT, ...]
    deleted: tuple[KeyT, ...]
    untouched: int
    spared: int

    def __bool__(self) -> bool:
        """Whether anything has to be done."""
        return bool(self.added or self.changed or self.deleted)


def element_changes(
    desired: Mapping[KeyT, RestT],
    observed: Mapping[KeyT, RestT],
    *,
    managed: bool = False,
    transient: Callable[[RestT], bool] | None = None,
) -> ElementChanges[KeyT]:
    """The changes that make the observed elements of a set the desired ones.

    Args:
        desired: By its key, what else is to be said of each element: the value it maps to, its
            timeout, comment, expressions.
        observed: The same of the elements that are there.
        managed: Whether all that is not desired goes.
        transient: Tells by what else is said of an element that is not desired whether packets may
            have put it there or time will take it: such a one is left alone unless `managed`. None
            where no element is such a one.
    """
    if desired == observed:
        return ElementChanges((), (), (), len(desired), 0)
    there = map(observed.get, desired, repeat(_ABSENT))
    differing = [
        key
        for (key, rest), old in zip(desired.items(), there, strict=True)
        if rest is not old and rest != old
    ]
    added = tuple(filterfalse(observed.__contains__, differing))
    changed = tuple(filter(observed.__contains__, differing)) if len(added) < len(differing) else ()
    untouched = len(desired) - len(differing)
    deleted: list[KeyT] = []
    extra = len(observed) - untouched - len(changed)
    if extra:
        deleted.extend(islice(filterfalse(desired.__contains__, observed), extra))
    if extra and transient and not managed:
        deleted = [key for key in deleted if not transient(observed[key])]
    return ElementChanges(added, changed, tuple(deleted), untouched, extra - len(deleted))
