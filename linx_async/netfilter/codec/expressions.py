"""The expressions of rules, sets and elements in a canonical form: equal where they do the same."""

from __future__ import annotations

import re
import struct
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from attrs import frozen

from ..._kernel.netlink import NetlinkDecodeError
from .forms import canonical_data, canonical_object, elements, expression_of, pack, pack_expression
from .parts import KNOWN, Part, part_of

__all__ = [
    "NO_REFERENCES",
    "Canonical",
    "References",
    "canonical",
    "canonical_data",
    "canonical_object",
    "encoded",
    "expressions",
    "joined",
    "renamed",
]

T = TypeVar("T")

_ATTRIBUTE: Final = struct.Struct("=HH")
_ELEM: Final = 1
"""NFTA_LIST_ELEM."""
_TYPE_MASK: Final = 0x3FFF
_LONGEST: Final = 0xFFFF
_OWN_SET: Final = re.compile(r"__set(\d{1,5})\Z")
_OWN_CHAIN: Final = re.compile(r"__chain(\d{1,5})\Z")


@frozen
class References:
    """What expressions name, each once, in order of first use; nothing that is anonymous.

    Attributes:
        sets: Names of sets and maps.
        objects: Types (NFT_OBJECT_*) and names of stateful objects.
        chains: Names of chains to jump or go to.
        flowtables: Names of flowtables.
    """

    sets: tuple[str, ...] = ()
    objects: tuple[tuple[int, str], ...] = ()
    chains: tuple[str, ...] = ()
    flowtables: tuple[str, ...] = ()


NO_REFERENCES: Final = References()


@frozen
class Canonical:
    """Expressions in their canonical form.

    Attributes:
        body: The payload of NFTA_RULE_EXPRESSIONS. Anonymous sets are called `__set0`, `__set1`…
            in it, anonymous chains `__chain0`… by order of first use.
        sets: What the kernel calls the anonymous sets, in that order.
        chains: What it calls the anonymous chains.
        references: What else is named.
    """

    body: bytes
    sets: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    references: References = NO_REFERENCES


def canonical(raw: bytes, anonymous: Container[str] = (), bound: Container[str] = ()) -> Canonical:
    """The canonical form of a list of expressions as it is dumped, or as it was sent.

    It leaves out what the kernel takes for granted, counters, and what a dump has and the kernel
    does not take back: it can be sent as it is, or by way of `encoded`, and is then dumped as
    something with the same canonical form.

    Args:
        raw: The payload of NFTA_RULE_EXPRESSIONS, NFTA_SET_EXPRESSIONS or
            NFTA_SET_ELEM_EXPRESSIONS.
        anonymous: The names of the anonymous sets (NFT_SET_ANONYMOUS).
        bound: The names of the anonymous chains (NFT_CHAIN_BINDING).

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    parts: list[bytes] = []
    names: _Names | None = None
    known, unpack = KNOWN.get, _ATTRIBUTE.unpack_from
    offset, end = 0, len(raw)
    if end > _LONGEST:
        raise NetlinkDecodeError(f"{end} bytes of expressions are more than an attribute has", 0)
    while offset < end:
        start = offset + 4
        if start > end:
            raise NetlinkDecodeError("an expression's header is cut short", offset)
        length, kind = unpack(raw, offset)
        if kind & _TYPE_MASK != _ELEM or not 4 <= length <= end - offset:
            raise NetlinkDecodeError(
                f"an attribute of type {kind & _TYPE_MASK} with {length} bytes is no expression",
                offset,
            )
        element = raw[start : offset + length]
        part = known(element) or part_of(element)
        if not isinstance(part, bytes):
            names = names or _Names(anonymous, bound)
            part = names.replaced(part)
        parts.append(part)
        offset += (length + 3) & ~3
    body = b"".join(parts)
    return Canonical(body) if names is None else names.canonical(body)


class _Names:
    """The names in one list of expressions, anonymous ones numbered by order of first use."""

    __slots__ = ("_anonymous", "_bound", "_chains", "_named", "_sets")

    def __init__(self, anonymous: Container[str], bound: Container[str]) -> None:
        self._anonymous = anonymous
        self._bound = bound
        self._sets: dict[str, int] = {}
        self._chains: dict[str | int, int] = {}
        self._named: list[Part] = []

    def replaced(self, part: Part) -> bytes:
        """The expression's bytes, an anonymous name in it replaced."""
        name, chain = part.set, part.chain
        # No set has a name with a % in it (nf_tables_set_alloc_name()): this one is yet to be made.
        if name is not None and ("%" in name or name in self._anonymous):
            number = self._sets.setdefault(name, len(self._sets))
            return part.with_own_set(number)
        if chain is not None and (isinstance(chain, int) or chain in self._bound):
            number = self._chains.setdefault(chain, len(self._chains))
            return part.with_chain(f"__chain{number}")
        self._named.append(part)
        return part.body

    def canonical(self, body: bytes) -> Canonical:
        return Canonical(body, tuple(self._sets), tuple(map(str, self._chains)), self._references())

    def _references(self) -> References:
        if not self._named:
            return NO_REFERENCES
        return References(
            _each(part.set for part in self._named),
            _each(part.object for part in self._named),
            _each(str(part.chain) for part in self._named if part.chain is not None),
            _each(part.flowtable for part in self._named),
        )


def _each(names: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(name for name in names if name is not None))


def encoded(
    body: bytes, set_ids: Sequence[tuple[str, int]] = (), chain_ids: Sequence[int] = ()
) -> bytes:
    """The payload of NFTA_RULE_EXPRESSIONS to send for a canonical body.

    Named sets, chains, objects and flowtables of the same batch are found by name; those without a
    name only by id (nft_set_lookup_global(), nft_verdict_init()).

    Args:
        body: The canonical body, or one that `with_state` made of it.
        set_ids: Of `__set0` and so on the template with which it was created (`__set%d`, of maps
            `__map%d`) and its NFTA_SET_ID.
        chain_ids: Of `__chain0` and so on its NFTA_CHAIN_ID.

    Raises:
        ValueError: There are more anonymous sets or chains in it than ids.
        NetlinkDecodeError: It is malformed.
    """
    if b"__set" not in body and b"__chain" not in body:
        return body
    return b"".join([_sent(each, set_ids, chain_ids) for each in elements(body)])


def _sent(element: bytes, set_ids: Sequence[tuple[str, int]], chain_ids: Sequence[int]) -> bytes:
    part = part_of(element)
    if isinstance(part, bytes):
        # With what it has counted, where that was put in.
        return pack(_ELEM, element)
    if part.set is not None and (match := _OWN_SET.match(part.set)):
        number = int(match[1])
        if number >= len(set_ids):
            raise ValueError(f"set_ids: {len(set_ids)} are given, and {part.set} is used")
        return part.with_set(*set_ids[number])
    if isinstance(part.chain, str) and (match := _OWN_CHAIN.match(part.chain)):
        number = int(match[1])
        if number >= len(chain_ids):
            raise ValueError(f"chain_ids: {len(chain_ids)} are given, and {part.chain} is used")
        return part.with_chain(chain_ids[number])
    return part.body


def renamed(body: bytes, sets: Mapping[str, str]) -> bytes:
    """The same expressions with other sets.

    Args:
        body: The canonical body of a rule.
        sets: The names of the others, by the names of those that are named in it.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    return b"".join([_renamed(each, sets) for each in elements(body)])


def _renamed(element: bytes, sets: Mapping[str, str]) -> bytes:
    part = part_of(element)
    if isinstance(part, bytes):
        return part
    other = None if part.set is None else sets.get(part.set)
    return part.body if other is None else part.with_set(other)


def expressions(body: bytes) -> tuple[tuple[str, bytes], ...]:
    """The names and the data (NFTA_EXPR_DATA) of the expressions in a list.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    found = (expression_of(each) for each in elements(body))
    return tuple((name.decode("utf-8", "surrogateescape"), data) for name, data in found)


def joined(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    """A list of expressions of their names and data; canonical where the data are.

    Raises:
        NetlinkDecodeError: One is longer than its length can say.
    """
    return b"".join(
        [pack_expression(name.encode("utf-8", "surrogateescape"), data) for name, data in pairs]
    )
