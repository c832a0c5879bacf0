"""The elements of a set, many in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from attrs import field, frozen

__all__ = ["CATCHALL", "END", "NOTHING", "PLAIN", "Elements", "Rest", "element_key"]

PLAIN: Final = b"\0"
"""First byte of the key of an element that is a value, or where a range begins."""
END: Final = b"\1"
"""First byte of the key of what comes after a range (NFT_SET_ELEM_INTERVAL_END)."""
CATCHALL: Final = b"\2"
"""The key of the element that stands for all values else (NFT_SET_ELEM_CATCHALL)."""

_MOST_STEPS: Final = 64
"""How many changes back the way to a value is known."""
_LEAST_OVER: Final = 512
"""So many changes lie over what is shared before it is copied, or a 64th of it."""


@frozen(cache_hash=True)
class Rest:
    """What an element is besides its key.

    Attributes:
        data: What a map has for it: the payload of NFTA_SET_ELEM_DATA, canonical.
        object: The name of the object that a map has for it.
        timeout_ms: How long it stays, in milliseconds, where that is not the set's default.
        comment: What nft shows with it.
        expressions: Its own statements, canonical: counters are zero.
        userdata: What else libnftnl keeps with it.
        expires: Whether its time is running; of an observed one.
    """

    data: bytes = b""
    object: str = ""
    timeout_ms: int | None = None
    comment: str | None = None
    expressions: bytes = b""
    userdata: bytes = b""
    expires: bool = field(default=False, eq=False)


NOTHING: Final = Rest()
"""What most elements are besides their key."""


def element_key(key: bytes, end: bytes = b"", first: bytes = PLAIN) -> bytes:
    """What an element is told from others by.

    Args:
        key: The key's bytes.
        end: The last key of a range, of a set of concatenations with intervals.
        first: `PLAIN`, `END` or `CATCHALL`.
    """
    return first + key + end


class _Shared:
    """Elements that several `Elements` have in common, and their keys in order once asked for."""

    __slots__ = ("_bounds", "items")

    def __init__(self, items: Mapping[bytes, Rest]) -> None:
        self.items = items
        self._bounds: list[bytes] | None = None

    @property
    def bounds(self) -> list[bytes]:
        """`Elements.shared_bounds`."""
        if self._bounds is None:
            self._bounds = sorted(
                [key[1:] + _ORDER[key[0]] for key in self.items if key != CATCHALL]
            )
        return self._bounds


_ORDER: Final = {PLAIN[0]: END, END[0]: PLAIN, CATCHALL[0]: CATCHALL}
"""Where one range ends and the next begins, the end comes first."""

_Changes = Mapping[bytes, "Rest | None"]
"""What elements became, by key; None where they went."""


class Elements(Mapping[bytes, Rest]):
    """Elements by key; equal where they are the same, in whatever order.

    Some may be others with a few changes (`derived`): these have all else in common, and tell
    quickly what the difference is.

    Args:
        items: What each is besides its key, by `element_key`. It is kept: do not change it.
    """

    __slots__ = ("_flat", "_hash", "_length", "_marks", "_over", "_shared", "_steps", "_token")

    def __init__(self, items: Mapping[bytes, Rest] | None = None) -> None:
        self._shared = _Shared({} if items is None else items)
        self._over: _Changes = {}
        self._marks: list[bytes] | None = None
        self._flat: Mapping[bytes, Rest] | None = self._shared.items
        self._length = len(self._shared.items)
        self._steps: tuple[tuple[object, _Changes], ...] = ()
        self._token = object()
        self._hash: int | None = None

    @classmethod
    def derived(
        cls, base: Elements, added: Mapping[bytes, Rest], removed: Mapping[bytes, object]
    ) -> Elements:
        """Others with changes; it takes time for the changes, not for all elements.

        Args:
            base: The others.
            added: Elements that are new, or have become something else.
            removed: The keys of those that are there no more; one that is added as well stays.
        """
        changes: dict[bytes, Rest | None] = dict.fromkeys(key for key in removed if key in base)
        changes.update(added)
        made = cls.__new__(cls)
        made._shared, made._hash, made._token = base._shared, None, object()
        made._over = {**base._over, **changes}
        grown = sum(1 for key in added if key not in base)
        lost = sum(1 for rest in changes.values() if rest is None)
        made._length = base._length + grown - lost
        made._steps = _recent((*base._steps, (base._token, changes)), made._length)
        made._flat = None
        made._marks = None if base._marks is None else _marked(base._marks, changes)
        if len(made._over) > max(_LEAST_OVER, len(made._shared.items) // 64):
            made._shared, made._over, made._marks = _Shared(made.items_by_key), {}, None
        return made

    def delta_from(
        self, base: Elements
    ) -> tuple[Mapping[bytes, Rest], Mapping[bytes, Rest]] | None:
        """What to add to others and what to remove from them, if these were derived from them.

        Elements that became something else are among those to add.

        Args:
            base: The others.

        Returns:
            The elements to add and those to remove, as they were; None where it is not known, since
            they are not related, or too many changes lie in between.
        """
        if base._token is self._token:
            return {}, {}
        changes: dict[bytes, Rest | None] = {}
        for token, later in reversed(self._steps):
            changes = {**later, **changes}
            if token is base._token:
                return _against(base, changes)
        return None

    @property
    def items_by_key(self) -> Mapping[bytes, Rest]:
        """What each is besides its key; for a look at all of them."""
        if self._flat is None:
            items = dict(self._shared.items)
            for key, rest in self._over.items():
                if rest is None:
                    items.pop(key, None)
                else:
                    items[key] = rest
            # Of ranges one of the first few is an end, whatever their order.
            ranges = any(key[:1] == END for key in (*islice(items, 4), *self._over))
            self._flat = _in_order(items) if ranges else items
        return self._flat

    @property
    def shared_bounds(self) -> list[bytes]:
        """Where ranges begin and end, in order, but for the changes in `over`.

        Each has the byte of the other kind behind it, `END` where a range begins.
        """
        return self._shared.bounds

    @property
    def over(self) -> _Changes:
        """What is otherwise than `shared_bounds` say, by key."""
        return self._over

    @property
    def over_bounds(self) -> list[bytes]:
        """The keys in `over`, as `shared_bounds` are."""
        if self._marks is None:
            self._marks = _marked([], self._over)
        return self._marks

    def __getitem__(self, key: bytes) -> Rest:
        if key in self._over:
            rest = self._over[key]
            if rest is None:
                raise KeyError(key)
            return rest
        return self._shared.items[key]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.items_by_key)

    def __len__(self) -> int:
        return self._length

    def __contains__(self, key: object) -> bool:
        if key in self._over:
            return self._over[key] is not None  # type: ignore[index]
        return key in self._shared.items

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Elements):
            return NotImplemented
        if self is other:
            return True
        if self._length != other._length:
            return False
        delta = self.delta_from(other) or other.delta_from(self)
        if delta is not None:
            return not delta[0] and not delta[1]
        return self.items_by_key == other.items_by_key

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.items_by_key.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"<{len(self)} elements>"


def _marked(marks: list[bytes], changes: Iterable[bytes]) -> list[bytes]:
    """Sorted bounds, and those of some keys more."""
    known = set(marks)
    more = {key[1:] + _ORDER[key[0]] for key in changes if key != CATCHALL}
    return sorted([*marks, *(more - known)])


def _in_order(items: Mapping[bytes, Rest]) -> dict[bytes, Rest]:
    """Ranges as they follow each other: the kernel wants an end after its beginning."""
    bounds = sorted([key[1:] + _ORDER[key[0]] for key in items])
    keys = [_ORDER[bound[-1]] + bound[:-1] for bound in bounds]
    return {key: items[key] for key in keys}


def _recent(
    steps: tuple[tuple[object, _Changes], ...], length: int
) -> tuple[tuple[object, _Changes], ...]:
    """The last steps: so many that they cost less than to look at all elements."""
    left = max(_LEAST_OVER, length // 4)
    kept = 0
    for _, changes in reversed(steps[-_MOST_STEPS:]):
        left -= len(changes)
        if left < 0:
            break
        kept += 1
    return steps[len(steps) - kept :]


def _against(
    base: Elements, changes: _Changes
) -> tuple[Mapping[bytes, Rest], Mapping[bytes, Rest]]:
    added: dict[bytes, Rest] = {}
    removed: dict[bytes, Rest] = {}
    for key, rest in changes.items():
        old = base.get(key)
        if rest is None:
            if old is not None:
                removed[key] = old
        elif rest != old:
            added[key] = rest
    return added, removed
