"""Sets and maps, named ones and those that a rule has for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, field, fields, frozen

from ..._core.checks import U32, U64, Checked, between, check_flag, or_none, unchecked, wrong
from .changes import changes_between, with_added, with_removed
from .datatypes import to_data_type, to_key_type
from .elements import Elements, Rest
from .entries import to_elements
from .form import Form, check_size, constant_size, default_userdata
from .keys import KeyType
from .names import check_comment, check_name
from .objects import to_object_type

__all__ = ["Set", "with_elements"]


@frozen(init=False)
class Set(Checked):
    """A set, or with `data` or `objects` a map.

    Args:
        name: Its name in the table; empty for the one that a rule has for itself.
        type: What its keys are: nft's name of a datatype, or several with ` . ` in between
            (`"ipv4_addr . inet_service"`), or a `KeyType`.
        elements: Its elements: each a value, a range as a pair of the first and the last, a
            network as text, a concatenation as a tuple of its parts, `"*"` for all else; or an
            `Element` with a value, a timeout or a comment. Of a map a mapping from such to data,
            a verdict as text, or the name of an object. Or `Elements` as they are.
        data: What a map has for each key: a datatype as for `type`, with `"interval "` before it
            ranges of that, or `"verdict"`.
        objects: Of which kind the objects are that a map has for each key: `counter`, `quota`…
        interval: Whether elements may be ranges.
        constant: Whether its elements cannot be changed once a rule uses it.
        dynamic: Whether rules may add elements (NFT_SET_EVAL).
        timeouts: Whether elements may go after a time of their own.
        timeout_ms: Milliseconds after which elements go, where they do not say it themselves.
        gc_interval_ms: Milliseconds between two collections of elements whose time is over.
        size: How many elements it may have; None leaves it to the kernel. Of a range kernels
            may count both ends (Linux 6.1 does).
        memory: Whether it shall rather be small than fast (NFT_SET_POL_MEMORY).
        auto_merge: Whether nft may join ranges that touch each other.
        expressions: The statements that each element has, canonical.
        comment: What nft shows with it.
        userdata: What else libnftnl keeps with it; where none is given, what nft notes for itself
            of the types, so that `nft list` shows the elements as they are.
        managed: Whether elements that packets put there, or that have a time to go, are removed
            where they are not declared. They are left alone otherwise.

    Raises:
        DesiredStateError: A field is wrong.
    """

    name: str
    type: KeyType
    elements: Elements
    data: KeyType | None
    objects: int | None
    interval: bool
    constant: bool
    dynamic: bool
    timeouts: bool
    timeout_ms: int | None
    gc_interval_ms: int | None
    size: int | None
    memory: bool
    auto_merge: bool
    expressions: bytes
    comment: str | None
    userdata: bytes
    managed: bool = field(eq=False)

    def __init__(
        self,
        name: str,
        type: str | KeyType,
        elements: Any = (),
        *,
        data: str | KeyType | None = None,
        objects: str | int | None = None,
        interval: bool = False,
        constant: bool = False,
        dynamic: bool = False,
        timeouts: bool = False,
        timeout_ms: int | None = None,
        gc_interval_ms: int | None = None,
        size: int | None = None,
        memory: bool = False,
        auto_merge: bool = False,
        expressions: bytes = b"",
        comment: str | None = None,
        userdata: bytes = b"",
        managed: bool = False,
    ) -> None:
        check_flag(interval, "interval")
        key = to_key_type(type, "type", interval=interval)
        found = or_none(data, "data", to_data_type)
        kind = or_none(objects, "objects", to_object_type)
        if found is not None and kind is not None:
            raise wrong("objects", "a map has either data or objects")
        filled = to_elements(
            elements,
            key,
            found,
            kind,
            interval=interval,
            auto_merge=check_flag(auto_merge, "auto_merge"),
            timeouts=check_flag(timeouts, "timeouts") or timeout_ms is not None,
            timeout_ms=timeout_ms,
            expressions=expressions,
        )
        if constant and name and size is None:
            size = constant_size(filled)
        form = Form(key, found, kind, interval)
        self.__attrs_init__(
            name if name == "" else check_name(name, "name"),
            key,
            filled,
            found,
            kind,
            interval,
            check_flag(constant, "constant"),
            check_flag(dynamic, "dynamic"),
            check_flag(timeouts, "timeouts") or timeout_ms is not None,
            or_none(timeout_ms, "timeout_ms", lambda value, what: between(value, what, 1, U64)),
            or_none(gc_interval_ms, "gc_interval_ms", lambda v, what: between(v, what, 1, U32)),
            or_none(size, "size", lambda value, what: check_size(value, what, filled, form)),
            check_flag(memory, "memory"),
            auto_merge,
            expressions,
            or_none(comment, "comment", check_comment),
            userdata or default_userdata(key, found, is_map=found is not None or kind is not None),
            check_flag(managed, "managed"),
        )

    @property
    def key(self) -> str:
        """What the sets and maps of a table are told apart by."""
        return f"set {self.name}"

    @property
    def is_map(self) -> bool:
        """Whether it has something for each key."""
        return self.data is not None or self.objects is not None

    @property
    def is_anonymous(self) -> bool:
        """Whether it is one that a rule has for itself."""
        return not self.name

    @property
    def form(self) -> Form:
        """What its elements are like."""
        return Form(
            self.type,
            self.data,
            self.objects,
            self.interval,
            self.auto_merge,
            self.timeouts,
            self.timeout_ms,
            self.expressions,
        )

    def adding(self, entries: Any) -> Set:
        """This set with some more elements; quick, however many it has.

        Args:
            entries: What else there shall be, as in `elements`.

        Raises:
            DesiredStateError: One is wrong, is there with something else, overlaps one that is, or
                there is no room for them.
        """
        return self._with(with_added(self.elements, entries, self.form))

    def removing(self, entries: Any) -> Set:
        """This set without some elements; quick, however many it has.

        Args:
            entries: Their keys; of a set with `auto_merge` parts of ranges too.

        Raises:
            DesiredStateError: One is wrong, or not there.
        """
        return self._with(with_removed(self.elements, entries, self.form))

    def changes_from(self, base: Set) -> tuple[Mapping[bytes, Rest], Mapping[bytes, Rest]] | None:
        """What to add to another set's elements and what to remove first, as the kernel takes it.

        What becomes something else is in both, and of a range that changes all of it.

        Args:
            base: The other one, of the same type.

        Returns:
            None where this one was not made of it by a few changes (`adding`, `removing`).
        """
        return changes_between(base.elements, self.elements, self.form)

    def _with(self, elements: Elements) -> Set:
        """The same with other elements, and where it has just room for its own, for those."""
        made = with_elements(self, elements)
        if self.constant and self.size == constant_size(self.elements):
            return evolve(made, size=constant_size(elements))
        if self.size is not None:
            check_size(self.size, "size", elements, self.form)
        return made


def with_elements(value: Set, elements: Elements) -> Set:
    """A set with other elements, which are known to be right."""
    return unchecked(
        Set,
        *(elements if name == "elements" else getattr(value, name) for name in _FIELDS),
    )


def with_name(value: Set, name: str) -> Set:
    """A set of another name, which is known to be right."""
    return unchecked(Set, *(name if each == "name" else getattr(value, each) for each in _FIELDS))


_FIELDS: Final = tuple(each.name for each in fields(Set))
