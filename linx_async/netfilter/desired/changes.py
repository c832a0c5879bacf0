"""A few elements more or less, without a look at all of a big set."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final

from ..._core.checks import wrong
from .element import Element
from .elements import CATCHALL, NOTHING, PLAIN, Elements, Rest
from .entries import Entries, entries_of
from .form import Form
from .nearby import Span, spans_near
from .ranges import closed, of_ranges, ranges_in, span_keys, zero_end
from .shown import range_text

__all__ = ["changes_between", "with_added", "with_removed"]

_FEW: Final = 24
"""Of so many ranges each is looked up; of more all elements are gone through once."""

Changes = dict[bytes, "Rest | None"]


def with_added(base: Elements, entries: Any, form: Form) -> Elements:
    """Elements, and some more.

    Args:
        base: The elements.
        entries: What else there shall be, as in a set's declaration.
        form: What elements are like.

    Raises:
        DesiredStateError: One is wrong, is there with something else, or overlaps one that is.
    """
    read = entries_of(entries, form, "entries")
    if form.in_ranges:
        return _with_ranges(base, read)
    found = read.keyed()
    for key, rest in found.items():
        if base.get(key, rest) != rest:
            raise wrong(read.told_of(key), "is there already, with something else")
    return Elements.derived(base, {key: found[key] for key in found if key not in base}, {})


def with_removed(base: Elements, entries: Any, form: Form) -> Elements:
    """Elements without some of them.

    Args:
        base: The elements.
        entries: The keys of those that shall be there no more; of sets with `auto_merge` parts of
            ranges too.
        form: What elements are like.

    Raises:
        DesiredStateError: One is wrong, or not there.
    """
    bare = Form(form.key, interval=form.interval)
    if not isinstance(entries, str | bytes) and isinstance(entries, Iterable):
        entries = [each.value if isinstance(each, Element) else each for each in entries]
    read = entries_of(entries, bare, "entries")
    if form.in_ranges:
        return _without_ranges(base, read, form)
    found = read.keyed()
    for key in found:
        if key not in base:
            raise wrong(read.told_of(key), "is not in the set")
    return Elements.derived(base, {}, found)


def changes_between(
    base: Elements, wanted: Elements, form: Form
) -> tuple[dict[bytes, Rest], dict[bytes, Rest]] | None:
    """What to add to elements and what to remove first, as the kernel takes it.

    What becomes something else is in both. So is of a range that changes all of it: the kernel
    refuses half of one (__nft_rbtree_insert() in net/netfilter/nft_set_rbtree.c).

    Returns:
        None where `wanted` was not made of `base` by a few changes.
    """
    delta = wanted.delta_from(base)
    if delta is None:
        return None
    added, removed = dict(delta[0]), dict(delta[1])
    for key in delta[0]:
        if key in base:
            removed[key] = base[key]
    if form.in_ranges and (added or removed):
        if len(added) + len(removed) > 8 * _FEW:
            return None
        return _whole(base, wanted, {*added, *removed}, form)
    return added, removed


def _whole(
    base: Elements, wanted: Elements, keys: set[bytes], form: Form
) -> tuple[dict[bytes, Rest], dict[bytes, Rest]]:
    kind = form.scalar
    points = {int.from_bytes(key[1:], "big") for key in keys if key != CATCHALL}
    alone = {CATCHALL, zero_end(kind.length)} & keys
    ours, theirs = (
        {
            span
            for point in points
            for span in spans_near(each, point, point, kind.length, kind.most)
        }
        for each in (wanted, base)
    )
    made = sorted(ours - theirs, key=_first), sorted(theirs - ours, key=_first)
    added, removed = (
        {
            key: each[key]
            for key in (*(key for key in alone if key in each), *(k for s in spans for k in s.keys))
        }
        for each, spans in zip((wanted, base), made, strict=True)
    )
    for key in alone & added.keys() & removed.keys():
        if added[key] == removed[key]:
            del added[key], removed[key]
    return added, removed


_first: Final = attrgetter("first")


def _with_ranges(base: Elements, read: Entries) -> Elements:
    found, other = read.ranges()
    if len(found) > _FEW:
        return _rebuilt(base, read, found, other)
    form, made = read.form, base
    for first, place, last in found:
        made = _with_range(made, first, last, read.rest(-place), form, read.told(-place))
    if other is not None:
        if made.get(CATCHALL, other) != other:
            raise wrong("entries", "'*' is there already, with something else")
        made = Elements.derived(made, {CATCHALL: other}, {})
    return _at_once(base, made)


def _with_range(
    base: Elements, first: int, last: int, rest: Rest, form: Form, what: str
) -> Elements:
    kind, merge = form.scalar, form.auto_merge and not form.is_map
    near = spans_near(base, first, last, kind.length, kind.most)
    joined: list[Span] = []
    for span in near:
        there = closed(span.rest)
        overlaps = span.first <= last and first <= span.last
        alike = there.timeout_ms == rest.timeout_ms
        if (span.first, span.last) == (first, last) and there == rest:
            return base
        if overlaps and not (merge and alike):
            text = range_text(span.first, span.last, kind)
            raise wrong(what, f"overlaps {text}, which is there already")
        if merge and alike:
            joined.append(span)
    if joined and joined[0].first <= first:
        rest = closed(joined[0].rest)
    low = min([first, *(span.first for span in joined)])
    high = max([last, *(span.last for span in joined)])
    changes: Changes = {key: None for span in joined for key in span.keys}
    changes.update(span_keys(low, high, rest, kind.length, kind.most))
    return _changed(base, changes, kind.length)


def _without_ranges(base: Elements, read: Entries, form: Form) -> Elements:
    found, other = read.ranges()
    made, kind = base, form.scalar
    for first, place, last in found:
        near = spans_near(made, first, last, kind.length, kind.most)
        near = [span for span in near if span.first <= last and first <= span.last]
        exact = [(span.first, span.last) for span in near] == [(first, last)]
        partly = form.auto_merge and not form.is_map
        if not exact and not (partly and _covers(near, first, last)):
            raise wrong(read.told(-place), _missing(near, first, last, form))
        made = _cut(made, near, first, last, form)
    if other is not None:
        if CATCHALL not in made:
            raise wrong("entries", "'*' is not in the set")
        made = Elements.derived(made, {}, {CATCHALL: None})
    return _at_once(base, made)


def _covers(near: list[Span], first: int, last: int) -> bool:
    reached = first
    for span in near:
        if span.first > reached:
            return False
        reached = span.last + 1
    return reached > last


def _missing(near: list[Span], first: int, last: int, form: Form) -> str:
    there = ", ".join(range_text(span.first, span.last, form.scalar) for span in near)
    return f"is not in the set; {there} is" if there else "is not in the set"


def _cut(base: Elements, near: list[Span], first: int, last: int, form: Form) -> Elements:
    kind = form.scalar
    changes: Changes = {key: None for span in near for key in span.keys}
    for span in near:
        rest = closed(span.rest)
        for low, high in ((span.first, first - 1), (last + 1, span.last)):
            if low <= high:
                changes.update(span_keys(low, high, rest, kind.length, kind.most))
    return _changed(base, changes, kind.length)


def _changed(base: Elements, changes: Changes, length: int) -> Elements:
    """Elements with changes; the end at zero is there as long as a range is, and none at zero."""
    added = {key: rest for key, rest in changes.items() if rest is not None}
    removed = {key: rest for key, rest in changes.items() if rest is None}
    made = Elements.derived(base, added, removed)
    end = zero_end(length)
    left = len(made) - (end in made) - (CATCHALL in made)
    wanted = left > 0 and PLAIN + bytes(length) not in made
    if wanted == (end in made):
        return made
    if wanted:
        return Elements.derived(made, {end: NOTHING}, {})
    return Elements.derived(made, {}, {end: None})


def _rebuilt(base: Elements, read: Entries, found: list[Any], other: Rest | None) -> Elements:
    """The same for many ranges: all of them anew, and then what is other than before."""
    form = read.form
    kind, count = form.scalar, len(read.values)
    there = ranges_in(base, kind.most)
    rests = [read.rest(place) for place in range(count)]
    for place, (first, last) in enumerate(there, count):
        found.append((first, -place, last))
        key = span_keys(first, last, NOTHING, kind.length, kind.most)[0][0]
        rests.append(closed(base[key]))

    def told(place: int) -> str:
        return read.told(place) if place < count else range_text(*there[place - count], kind)

    merge = form.auto_merge and not form.is_map
    made = of_ranges(found, rests, form.plain, kind.length, kind.most, merge, told)
    catchall = other if other is not None else base.get(CATCHALL)
    if catchall is not None:
        if base.get(CATCHALL, catchall) != catchall:
            raise wrong("entries", "'*' is there already, with something else")
        made[CATCHALL] = catchall
    return Elements.derived(
        base,
        {key: rest for key, rest in made.items() if base.get(key) != rest},
        {key: None for key in base if key not in made},
    )


def _at_once(base: Elements, made: Elements) -> Elements:
    """Several small changes as one."""
    delta = made.delta_from(base)
    if made is base or delta is None:
        return made
    return Elements.derived(base, *delta)
