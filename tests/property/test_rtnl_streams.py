from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle, islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.netlink import NetlinkDecodeError, pack_message, split
from linx_async.rtnl.streams import LIMITS, Changes, Limits, Stream, changes

Messages = list[bytes]
Edit = Callable[[Messages], Messages]

UNBOUNDED = Limits(windows=(1, 2, 8, 10_000), share=1e9)


def message(number: int, length: int = 68) -> bytes:
    payload = number.to_bytes(4, "big") + b"\x0a\x00\x00\x07" * (length // 4)
    return pack_message(24, 2, 1, payload[: length - 16], pid=77)[:length]


def padded(one: bytes) -> bytes:
    return one + bytes(-len(one) & 3)


def joined(messages: Messages, cuts: Sequence[int] = ()) -> Stream:
    """The messages as a stream, in datagrams that end before the messages of those numbers."""
    at = [0, *sorted(cut % (len(messages) + 1) for cut in cuts), len(messages)]
    return Stream.of(b"".join(map(padded, messages[low:high])) for low, high in pairwise(at))


def applied(found: Changes, old: Messages) -> Counter[bytes]:
    count = Counter(old)
    count.subtract(found.removed)
    assert min(count.values(), default=0) >= 0
    count.update(found.added)
    return +count


def replayed(found: Changes, old: Messages) -> Messages:
    """The old messages, none of which comes twice, with each region changed at its place."""
    new: Messages = []
    at = 0
    for region in found.regions:
        place = 0 if region.before is None else old.index(region.before) + 1
        end = place + len(region.removed)
        assert at <= place
        assert tuple(old[place:end]) == region.removed
        assert old[end : end + 1] == [one for one in [region.after] if one is not None]
        new += [*old[at:place], *region.added]
        at = end
    return new + old[at:]


# A few messages, so that they come again; some start like others, some are not padded.
alphabet = st.builds(message, st.integers(0, 5), st.sampled_from((16, 17, 20, 31, 68)))
message_lists = st.lists(alphabet, max_size=40)
chunkings = st.lists(st.integers(0, 60), max_size=6)
all_limits = st.builds(
    Limits,
    windows=st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True).map(
        lambda sizes: tuple(sorted(sizes))
    ),
    share=st.sampled_from((0.0, 0.1, 0.5, 2.0, 100.0)),
    spare=st.sampled_from((0, 100, 5000)),
)


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    place, other, length = (draw(st.integers(0, 1000)) for _ in range(3))
    put = draw(st.lists(alphabet, max_size=8))
    kind = draw(st.sampled_from(("insert", "delete", "replace", "move", "swap")))

    def edit(messages: Messages) -> Messages:
        at = place % (len(messages) + 1)
        run = length % 9
        before, there, after = messages[:at], messages[at : at + run], messages[at + run :]
        to = other % (len(after) + 1)
        match kind:
            case "insert":
                return before + put + there + after
            case "delete":
                return before + after
            case "replace":
                return before + put + after
            case "move":
                return before + after[:to] + there + after[to:]
            case _:
                return before + after[to:] + after[:to] + there

    return edit


@st.composite
def edited(draw: st.DrawFn) -> tuple[Messages, Messages]:
    """A stretch of distinct messages with repeated ones in it, before and after some edits."""
    distinct = [
        message(number + 100, 20 + number % 30) for number in range(draw(st.integers(0, 200)))
    ]
    old = new = distinct + draw(message_lists)
    for edit in draw(st.lists(edits(), max_size=6)):
        new = edit(new)
    return old, new


@given(edited(), chunkings, chunkings)
def test_what_changed_leads_from_the_old_messages_to_the_new(
    pair: tuple[Messages, Messages], old_cuts: list[int], new_cuts: list[int]
) -> None:
    old, new = pair
    found = changes(joined(old, old_cuts), joined(new, new_cuts), UNBOUNDED)
    assert found is not None
    assert applied(found, old) == Counter(new)
    assert Counter(found.added) <= Counter(new)


@given(edited(), chunkings, chunkings)
def test_what_is_removed_and_not_added_again_is_the_difference_of_multisets(
    pair: tuple[Messages, Messages], old_cuts: list[int], new_cuts: list[int]
) -> None:
    old, new = pair
    found = changes(joined(old, old_cuts), joined(new, new_cuts), UNBOUNDED)
    assert found is not None
    removed, added = Counter(found.removed), Counter(found.added)
    assert removed - added == Counter(old) - Counter(new)
    assert added - removed == Counter(new) - Counter(old)


@given(message_lists, message_lists, chunkings, chunkings, all_limits)
def test_within_any_limits_the_answer_is_right_or_none(
    old: Messages, new: Messages, old_cuts: list[int], new_cuts: list[int], limits: Limits
) -> None:
    found = changes(joined(old, old_cuts), joined(new, new_cuts), limits)
    if found is not None:
        assert applied(found, old) == Counter(new)
        for region in found.regions:
            assert region.removed or region.added
            assert not set(region.removed) & set(region.added)


@given(edited(), chunkings, chunkings)
def test_each_region_lies_between_the_same_neighbours_in_both_streams(
    pair: tuple[Messages, Messages], old_cuts: list[int], new_cuts: list[int]
) -> None:
    old, new = (list(dict.fromkeys(messages)) for messages in pair)
    found = changes(joined(old, old_cuts), joined(new, new_cuts), UNBOUNDED)
    assert found is not None
    assert replayed(found, old) == new
    back = changes(joined(new, new_cuts), joined(old, old_cuts), UNBOUNDED)
    assert back is not None
    assert replayed(back, new) == old


long = {
    "of one length": [message(at) for at in range(2000)],
    "of any length": [message(at, 20 + at * 7 % 120) for at in range(2000)],
}
places = st.lists(st.integers(0, 1999), max_size=20, unique=True)
runs = st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 40)), max_size=10)


@given(st.sampled_from(tuple(long)), places, runs)
def test_where_nothing_moved_no_message_is_told_that_is_in_both(
    name: str, gone: list[int], come: list[tuple[int, int]]
) -> None:
    old = long[name]
    new = [one for at, one in enumerate(old) if at not in gone]
    fresh = map(message, range(5000, 6000), cycle((20, 31, 68, 132)))
    for place, count in come:
        new[place:place] = islice(fresh, count)
    streams = joined(old, range(0, 2000, 400)), joined(new, range(0, 2000, 350))
    found = changes(*streams, Limits(share=9))
    assert found is not None
    assert Counter(found.removed) == Counter(old) - Counter(new)
    assert Counter(found.added) == Counter(new) - Counter(old)
    assert replayed(found, old) == new


@given(message_lists, chunkings, chunkings)
def test_the_same_messages_in_other_datagrams_have_not_changed(
    messages: Messages, old_cuts: list[int], new_cuts: list[int]
) -> None:
    old, new = joined(messages, old_cuts), joined(messages, new_cuts)
    assert changes(old, new, Limits(share=0, spare=0)) == Changes()


@given(message_lists, st.data())
def test_messages_that_differ_in_their_padding_alone_have_not_changed(
    messages: Messages, data: st.DataObject
) -> None:
    dirty = [
        one + data.draw(st.binary(min_size=size, max_size=size))
        for one, size in ((one, -len(one) & 3) for one in messages)
    ]
    assert list(joined(dirty).messages()) == messages
    assert changes(joined(messages), joined(dirty), UNBOUNDED) == Changes()


@given(message_lists, chunkings)
def test_a_stream_yields_the_messages_its_datagrams_were_made_of(
    messages: Messages, cuts: list[int]
) -> None:
    stream = joined(messages, cuts)
    assert list(stream.messages()) == messages
    assert [one[16:] for one in messages] == [one.payload for one in split(stream.data)]


@given(message_lists, chunkings, st.integers(0, 40))
def test_messages_can_be_read_from_any_boundary(
    messages: Messages, cuts: list[int], first: int
) -> None:
    offset = sum(len(padded(one)) for one in messages[:first])
    assert list(joined(messages, cuts).messages(offset)) == messages[first:]


@st.composite
def spoilt(draw: st.DrawFn, messages: Messages) -> Stream:
    """A stream with bytes overwritten, most of them lengths, and datagrams that lie."""
    data = bytearray(joined(messages).data)
    boundaries = [0]
    for one in messages:
        boundaries.append(boundaries[-1] + len(padded(one)))
    for _ in range(draw(st.integers(1, 3)) if data else 0):
        place = draw(st.sampled_from(boundaries[:-1]) | st.integers(0, len(data) - 1))
        data[place] = draw(st.sampled_from((0, 1, 15, 16, 17, 64, 255)) | st.integers(0, 255))
    cut = draw(st.integers(0, len(data) // 4)) * 4
    kept = bytes(data[: len(data) - cut]) if draw(st.booleans()) else bytes(data)
    starts = draw(st.sets(st.integers(0, max(0, len(kept) // 4 - 1)).map(lambda word: word * 4)))
    return Stream(kept, tuple(sorted(starts | {0})) if kept else ())


@given(st.data(), message_lists, all_limits | st.just(LIMITS))
def test_malformed_streams_raise_a_decode_error_or_nothing(
    data: st.DataObject, messages: Messages, limits: Limits
) -> None:
    sound, broken = joined(messages), data.draw(spoilt(messages))
    other = data.draw(spoilt(messages))
    for old, new in ((sound, broken), (broken, sound), (broken, other)):
        with suppress(NetlinkDecodeError):
            changes(old, new, limits)
    with suppress(NetlinkDecodeError):
        assert sum(map(len, broken.messages())) <= len(broken.data)


@pytest.mark.parametrize("length", [0, 15, 72, 0xFFFFFFFF])
def test_a_length_that_does_not_fit_is_refused_where_something_changed(length: int) -> None:
    messages = [message(at) for at in range(10)]
    wrong = length.to_bytes(4, "little") + message(9)[4:]
    old, new = joined(messages), Stream.of([b"".join([*messages[:9], wrong])])
    for pair in ((old, new), (new, old)):
        with pytest.raises(NetlinkDecodeError, match=f"a message of {length} bytes does not fit"):
            changes(*pair)


def test_what_is_alike_is_not_looked_at_away_from_the_changes() -> None:
    messages = [message(at) for at in range(1000)]
    messages[100] = messages[700] = bytes(68)
    cuts = range(0, 1000, 200)
    edited = [*messages[:450], message(5000), *messages[450:]]
    found = changes(joined(messages, cuts), joined(edited, cuts))
    assert found is not None
    (region,) = found.regions
    assert (region.removed, region.added) == ((), (message(5000),))
    assert (region.before, region.after) == (message(449), message(450))


@pytest.mark.parametrize(("place", "before"), [(0, None), (1, 0), (200, 199), (201, 200)])
def test_the_neighbour_before_is_found_across_the_datagrams(place: int, before: int | None) -> None:
    messages = [message(at) for at in range(400)]
    edited = [*messages[:place], message(5000), *messages[place:]]
    found = changes(joined(messages, [200]), joined(edited, [200]))
    assert found is not None
    (region,) = found.regions
    assert region.before == (None if before is None else message(before))
    assert region.after == message(place)


def test_a_difference_wider_than_the_widest_window_is_given_up() -> None:
    old = [message(at) for at in range(100)]
    new = [message(at) for at in range(1000, 1020)] + old
    streams = joined(old), joined(new)
    assert changes(*streams, Limits(windows=(4, 20), share=9)) is None
    assert changes(*streams, Limits(windows=(4, 21), share=9)) is not None


def test_too_many_differences_are_given_up() -> None:
    old = [message(at) for at in range(1000)]
    new = [message(at + 5000 * (at % 4 == 0)) for at in range(1000)]
    streams = joined(old), joined(new)
    assert changes(*streams) is None
    assert changes(*streams, Limits(share=100)) is not None


def test_a_dump_with_another_sequence_number_is_given_up() -> None:
    old = [message(at) for at in range(20_000)]
    new = [one[:8] + b"" + one[9:] for one in old]
    assert changes(joined(old), joined(new)) is None


@pytest.mark.parametrize(
    ("size", "starts"),
    [
        (68, []),
        (68, [4]),
        (68, [0, 68]),
        (68, [0, 34]),
        (68, [0, 40, 36]),
        (68, [0, 36, 36]),
        (68, [0, -4]),
        (0, [0]),
        (67, [0]),
    ],
)
def test_datagrams_that_do_not_fit_their_stream_are_refused(size: int, starts: list[int]) -> None:
    with pytest.raises(NetlinkDecodeError):
        Stream(bytes(size), array("Q", starts) if min(starts, default=0) >= 0 else starts)


@pytest.mark.parametrize(
    ("field", "limits"),
    [
        ("windows", {"windows": ()}),
        ("windows", {"windows": (0, 4)}),
        ("windows", {"windows": (8, 8)}),
        ("share", {"share": -0.1}),
        ("share", {"share": float("nan")}),
        ("spare", {"spare": -1}),
    ],
)
def test_limits_out_of_range_are_refused_by_name(field: str, limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        Limits(**limits)


def test_starts_may_be_an_array() -> None:
    old = Stream(b"".join([message(0), message(1)]), array("Q", [0, 68]))
    found = changes(old, Stream(message(1), array("Q", [0])))
    assert found is not None
    assert (found.removed, found.added) == ([message(0)], [])
