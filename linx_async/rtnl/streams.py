"""A whole dump as bytes, and what changed between two of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice, pairwise
from typing import Final

from attrs import field, frozen

from .._kernel.netlink import MESSAGE, NetlinkDecodeError, align

__all__ = ["LIMITS", "Changes", "Limits", "Region", "Stream", "changes"]

_HEADER: Final = MESSAGE.size
_WORD: Final = 4
_FIRST_STEP: Final = 4096
"""Bytes first compared after a change; doubled as long as they are alike."""
_SEARCH: Final = 1024
"""Bytes of messages that take as long to look at as a change takes to find."""


@frozen
class Stream:
    """The datagrams of one dump joined together, without the NLMSG_DONE that closes it.

    The kernel pads each message to 4 bytes, the last of a datagram too (nlmsg_put(),
    net/netlink/af_netlink.c), so the datagrams join to one run of messages.

    Attributes:
        data: The messages.
        starts: Where in `data` each datagram starts, in bytes, ascending from 0; none if `data`
            is empty. Each is known to be a boundary between messages without looking at any.

    Raises:
        NetlinkDecodeError: The length or a start is no multiple of 4, or the starts are not
            ascending from 0 and inside of `data`.
    """

    data: bytes = field(repr=False)
    starts: Sequence[int] = field(repr=False)

    def __attrs_post_init__(self) -> None:
        size, starts = len(self.data), self.starts
        if size % _WORD:
            raise NetlinkDecodeError("data: its last message is not padded to 4 bytes", size)
        if bool(starts) != bool(size) or (starts and starts[0] != 0):
            raise NetlinkDecodeError(f"starts: the first datagram of {size} bytes is not told", 0)
        for start, following in pairwise(chain(starts, [size])):
            if start >= following or start % _WORD:
                raise NetlinkDecodeError(
                    f"starts: no padded datagram lies between {start} and {following}", start
                )

    @classmethod
    def of(cls, datagrams: Iterable[bytes]) -> Stream:
        """Join datagrams; empty ones are left out.

        Raises:
            NetlinkDecodeError: The length of one is no multiple of 4.
        """
        parts = [datagram for datagram in datagrams if datagram]
        ends = list(accumulate(map(len, parts), initial=0))
        return cls(b"".join(parts), tuple(ends[:-1]))

    def messages(self, offset: int = 0) -> Iterator[bytes]:
        """Each message with its header and without its padding, in order.

        Args:
            offset: The boundary in bytes to begin at.

        Raises:
            NetlinkDecodeError: A length does not fit the header or the datagram. What came before
                has been yielded by then.
        """
        data, starts, at = self.data, self.starts, offset
        words = memoryview(data).cast("I")
        for datagram in range(bisect_right(starts, offset), len(starts) + 1):
            end = starts[datagram] if datagram < len(starts) else len(data)
            while at < end:
                length = words[at >> 2]
                stop = at + length
                if length < _HEADER or stop > end:
                    raise _misfit(length, end - at, at)
                yield data[at:stop]
                at = (stop + 3) & ~3


@frozen
class Region:
    """One place at which two streams differ.

    Attributes:
        removed: The messages of the old stream there, in order.
        added: The messages of the new stream there, in order; none of them is in `removed`.
        before: The message before them that is in both, None at the beginning.
        after: The message after them that is in both, None at the end.
    """

    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]
    before: bytes | None
    after: bytes | None


@frozen
class Changes:
    """What leads from the messages of one stream to those of another.

    Attributes:
        regions: The places at which they differ, in order. A message that moved is removed
            in one and added in another.
    """

    regions: tuple[Region, ...] = ()

    @property
    def removed(self) -> list[bytes]:
        """The removed messages of all regions."""
        return [message for region in self.regions for message in region.removed]

    @property
    def added(self) -> list[bytes]:
        """The added messages of all regions."""
        return [message for region in self.regions for message in region.added]

    def __bool__(self) -> bool:
        return bool(self.regions)


@frozen
class Limits:
    """How far two streams are aligned before it is given up.

    Attributes:
        windows: How many messages of each stream are looked at to find where both go on alike:
            the first number, then the next as long as they do not. At least one, ascending.
        share: The part of the bytes of both streams that may be looked at so, all in all. Each
            place at which they differ counts as 1024 bytes more.
        spare: Bytes that may be looked at in any case.

    Raises:
        ValueError: One of them is out of range.
    """

    windows: tuple[int, ...] = (4, 16, 64, 256, 1024, 8192)
    share: float = 0.25
    spare: int = 1 << 16

    def __attrs_post_init__(self) -> None:
        if not self.windows or any(low >= high for low, high in pairwise((0, *self.windows))):
            raise ValueError(f"windows: {self.windows!r} is not ascending from 1 or more")
        for name, value in (("share", self.share), ("spare", self.spare)):
            if not value >= 0:
                raise ValueError(f"{name}: {value!r} is not 0 or more")


LIMITS: Final = Limits()
"""At these, giving up costs less than looking at each message would."""


def changes(old: Stream, new: Stream, limits: Limits = LIMITS) -> Changes | None:
    """What changed between two dumps, looking only at the messages around the changes.

    Taking `removed` from the messages of `old`, as a multiset, and putting `added` to them gives
    the messages of `new`. None if there is more difference than is worth aligning: look at all.

    Raises:
        NetlinkDecodeError: A stream is malformed where it had to be looked at.
    """
    allowed = limits.spare + limits.share * (len(old.data) + len(new.data))
    regions: list[Region] = []
    unchanged: bytes | None = None
    left = right = 0
    while True:
        alike = _alike(old.data, new.data, left, right)
        if left + alike == len(old.data) and right + alike == len(new.data):
            return Changes(tuple(regions))
        last, boundary = _around(old, left, left + alike)
        if last is not None:
            unchanged = next(old.messages(last))
        removed, added = _Window(old, boundary), _Window(new, right + boundary - left)
        meeting = _meeting(removed, added, limits.windows)
        allowed -= removed.size + added.size + _SEARCH
        if meeting is None or allowed < 0:
            return None
        gone, come = meeting
        after = added.messages[come] if come < len(added.messages) else None
        if gone or come:
            there = tuple(removed.messages[:gone]), tuple(added.messages[:come])
            regions.append(Region(*there, before=unchanged, after=after))
        unchanged = after
        left, right = removed.end_of(gone), added.end_of(come)


def _alike(old: bytes, new: bytes, left: int, right: int) -> int:
    """How many bytes are the same from there on, rounded down to 4."""
    rest = min(len(old) - left, len(new) - right)
    view = memoryview(new)[right : right + rest]
    low, step = 0, _FIRST_STEP
    # startswith() is a memcmp() of both in place; == of two memoryviews goes item by item.
    while low < rest and old.startswith(view[low : low + step], left + low):
        low = min(low + step, rest)
        step *= 2
    high = min(low + step, rest)
    while high - low > _WORD:
        middle = (low + high) >> 1 & ~3
        if old.startswith(view[low:middle], left + low):
            low = middle
        else:
            high = middle
    return low


def _around(stream: Stream, known: int, limit: int) -> tuple[int | None, int]:
    """The last boundary not after `limit`, behind the one before it (None if it is `known`).

    Only the datagram around `limit`, or the one before it, is looked at.
    """
    if known == limit:
        return None, known
    words = memoryview(stream.data).cast("I")
    first = max(known, stream.starts[bisect_right(stream.starts, limit) - 1])
    at, end, last = first // _WORD, limit // _WORD, -1
    while at < end:
        length = words[at]
        if length < _HEADER:
            raise _misfit(length, len(stream.data) - at * _WORD, at * _WORD)
        following = at + (length + 3 >> 2)
        if following > end:
            break
        last, at = at, following
    if last < 0 and first > known:
        return _around(stream, known, first - _WORD)[1], first
    return (None if last < 0 else last * _WORD), at * _WORD


class _Window:
    """The messages from a boundary on, as far as they were looked at."""

    __slots__ = ("_at", "_rest", "messages")

    def __init__(self, stream: Stream, at: int) -> None:
        self._at = at
        self._rest = stream.messages(at)
        self.messages: list[bytes] = []

    def grow(self, count: int) -> bool:
        """Look at so many in all; False if there are fewer."""
        self.messages += islice(self._rest, count - len(self.messages))
        return len(self.messages) == count

    def end_of(self, index: int) -> int:
        """Where that message ends, in bytes, or the last one if there are fewer."""
        return self._at + sum(align(len(message)) for message in self.messages[: index + 1])

    @property
    def size(self) -> int:
        """What was looked at, in bytes without padding."""
        return sum(map(len, self.messages))


def _meeting(removed: _Window, added: _Window, windows: Sequence[int]) -> tuple[int, int] | None:
    """How many messages of each lie before the nearest one that is in both, or before the end."""
    for count in windows:
        more = removed.grow(count), added.grow(count)
        meeting = _nearest(removed.messages, added.messages)
        # What lies further off than the window is wide may be nearer to one outside of it.
        if meeting and (sum(meeting) <= count or count == windows[-1]):
            return meeting
        if not any(more):
            return meeting or (len(removed.messages), len(added.messages))
    return None


def _nearest(old: list[bytes], new: list[bytes]) -> tuple[int, int] | None:
    """The indices with the least sum at which both have the same message."""
    first = dict(zip(reversed(old), range(len(old) - 1, -1, -1), strict=True))
    nearest: tuple[int, int] | None = None
    least = len(old) + len(new)
    for index, message in enumerate(new):
        if index >= least:
            break
        found = first.get(message)
        if found is not None and found + index < least:
            nearest, least = (found, index), found + index
    return nearest


def _misfit(length: int, room: int, at: int) -> NetlinkDecodeError:
    return NetlinkDecodeError(f"a message of {length} bytes does not fit the {room} there are", at)
