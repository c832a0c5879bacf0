"""Any elements of a set become any others, and those of packets are left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linx_async.netfilter.diff.multiset import ElementChanges, element_changes

# A value beside the key, and the milliseconds after which the element goes by itself.
Rest = tuple[str, int]
Elements = dict[bytes, Rest]

elements = st.dictionaries(
    st.integers(0, 12).map(lambda number: number.to_bytes(4, "big")),
    st.tuples(st.sampled_from(("", "drop")), st.sampled_from((0, 60_000))),
)


def timed(rest: Rest) -> bool:
    return rest[1] > 0


def applied(changes: ElementChanges[bytes], observed: Elements, desired: Elements) -> Elements:
    """The elements after the changes, as the kernel takes them: neither adds nor deletes twice."""
    now = dict(observed)
    for key in (*changes.deleted, *changes.changed):
        del now[key]
    for key in (*changes.changed, *changes.added):
        assert key not in now
        now[key] = desired[key]
    return now


@given(elements, elements)
def test_any_elements_become_any_others_and_then_there_is_nothing_to_do(
    desired: Elements, observed: Elements
) -> None:
    changes = element_changes(desired, observed)

    assert applied(changes, observed, desired) == desired
    assert not element_changes(desired, desired)
    assert changes.spared == 0


@given(elements, elements)
def test_elements_that_are_there_as_desired_are_untouched(
    desired: Elements, observed: Elements
) -> None:
    changes = element_changes(desired, observed)

    sent = {*changes.added, *changes.changed, *changes.deleted}
    alike = {key for key in desired if observed.get(key) == desired[key]}
    assert changes.untouched == len(alike)
    assert not sent & alike
    assert sent | alike == {*desired, *observed}


@given(elements, elements)
def test_elements_that_time_takes_are_left_alone_where_they_are_not_desired(
    desired: Elements, observed: Elements
) -> None:
    changes = element_changes(desired, observed, transient=timed)

    left = {key: observed[key] for key in observed.keys() - desired.keys() if timed(observed[key])}
    assert applied(changes, observed, desired) == left | desired
    assert changes.spared == len(left)
    assert not element_changes(desired, left | desired, transient=timed)


@given(elements, elements)
def test_where_all_are_managed_no_element_is_left_alone(
    desired: Elements, observed: Elements
) -> None:
    changes = element_changes(desired, observed, managed=True, transient=timed)

    assert changes == element_changes(desired, observed)


@given(elements, elements)
def test_changes_come_in_the_order_of_the_elements(desired: Elements, observed: Elements) -> None:
    changes = element_changes(desired, observed)

    assert list(changes.added) == [key for key in desired if key in changes.added]
    assert list(changes.changed) == [key for key in desired if key in changes.changed]
    assert list(changes.deleted) == [key for key in observed if key in changes.deleted]


def test_a_desired_element_that_time_would_take_is_made_to_stay() -> None:
    changes = element_changes({b"a": ("", 0)}, {b"a": ("", 60_000)}, transient=timed)

    assert changes == ElementChanges((), (b"a",), (), 0, 0)


def test_an_element_without_a_value_is_added_where_it_is_missing() -> None:
    changes = element_changes({b"a": None, b"b": None}, {b"b": None})

    assert changes == ElementChanges((b"a",), (), (), 1, 0)
