"""The fields of packets by nft's words for them: `tcp dport`, `ct original ip saddr`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import frozen

from .._core.checks import wrong
from ..netfilter import build
from ..netfilter.build import Concatenation, FibLookup, Field, concat, fib

__all__ = ["GIVEN", "Fib", "Given", "Subject", "begins", "next_words", "subject_of"]

_PLACES: Final = (
    *(build.arp, build.dccp, build.ether, build.icmp, build.icmpv6, build.ip, build.ip6),
    *(build.sctp, build.tcp, build.th, build.udp, build.udplite, build.vlan),
    *(build.meta, build.ct, build.ct.original, build.ct.reply, build.rt, build.socket),
)
_UNQUALIFIED: Final = (
    *("mark", "iif", "iifname", "iiftype", "iifgroup", "oif", "oifname", "oiftype", "oifgroup"),
    *("skuid", "skgid", "rtclassid", "ibrname", "obrname", "pkttype", "cpu", "cgroup"),
)
"""Keys that nft also takes without `meta` (meta_key_unqualified in its parser_bison.y)."""
_FIB_RESULTS: Final = ("type", "oif", "oifname")
_FIB_WORDS: Final = ("saddr", "daddr", "mark", "iif", "oif")
_MOST_WORDS: Final = 4
_DOT: Final = "."


def _fields() -> dict[tuple[str, ...], Field]:
    found: dict[tuple[str, ...], Field] = {}
    for place in _PLACES:
        for name in dir(place):
            each: Any = getattr(place, name)
            if isinstance(each, Field):
                found[tuple(each.name.split())] = each
    return found | {(word,): found["meta", word] for word in _UNQUALIFIED}


_FIELDS: Final[Mapping[tuple[str, ...], Field]] = _fields()


@frozen
class Given:
    """What conntrack or a security module is given of an object of the table, by `set`.

    Attributes:
        kind: The kind of the object.
    """

    kind: str


GIVEN: Final[Mapping[tuple[str, ...], Given]] = {
    ("ct", "helper"): Given("ct helper"),
    ("ct", "timeout"): Given("ct timeout"),
    ("ct", "expectation"): Given("ct expectation"),
    ("meta", "secmark"): Given("secmark"),
}


@frozen
class Fib:
    """Whether there is a route, or what it is.

    Attributes:
        lookup: The look into the routing tables.
        field: What is found.
    """

    lookup: FibLookup
    field: Field


Subject: TypeAlias = Field | Concatenation | Given | Fib
"""What the key of a rule may be about."""


def subject_of(words: str) -> Subject | None:
    """What nft's words stand for; None where they do not, or not yet.

    Raises:
        DesiredStateError: They do, and it makes no sense.
    """
    parts = words.split()
    if given := GIVEN.get(tuple(parts)):
        return given
    found: list[Field] = []
    first: Fib | None = None
    at = 0
    while True:
        one, at = _field_at(parts, at)
        if one is None:
            return None
        first = one if isinstance(one, Fib) else first
        found.append(one.field if isinstance(one, Fib) else one)
        if at == len(parts):
            break
        if parts[at] != _DOT:
            return None
        at += 1
    if len(found) > 1:
        return concat(*found)
    return first or found[0]


def _field_at(parts: Sequence[str], at: int) -> tuple[Field | Fib | None, int]:
    """The field whose words begin at a place, and where they end."""
    if parts[at : at + 1] == ["fib"]:
        return _fib_at(parts, at + 1)
    for size in range(_MOST_WORDS, 0, -1):
        found = _FIELDS.get(tuple(parts[at : at + size]))
        if found is not None:
            return found, min(at + size, len(parts))
    return None, at


def _fib_at(parts: Sequence[str], at: int) -> tuple[Fib | None, int]:
    words: list[str] = []
    while at < len(parts) and parts[at] in _FIB_WORDS:
        words.append(parts[at])
        at += 1
        if parts[at : at + 1] != [_DOT]:
            break
        at += 1
    result = parts[at] if at < len(parts) else ""
    if not words or result not in _FIB_RESULTS:
        return None, at
    if len(set(words)) != len(words):
        raise wrong("fib", f"names one twice: {' . '.join(words)}")
    lookup = fib(*words)
    return Fib(lookup, getattr(lookup, result)), at + 1


def begins(words: str) -> bool:
    """Whether more words may follow, with which they stand for something."""
    parts = tuple(words.split())
    if parts[:1] == ("fib",):
        return all(part in (*_FIB_WORDS, _DOT) for part in parts[1:])
    size = len(parts)
    return any(known[:size] == parts for known in (*_FIELDS, *GIVEN) if len(known) > size)


def next_words(words: str) -> tuple[str, ...]:
    """The words that may follow."""
    parts = tuple(words.split())
    if parts[:1] == ("fib",):
        return (*_FIB_WORDS, *_FIB_RESULTS) if len(parts) > 1 else _FIB_WORDS
    size = len(parts)
    known = [each for each in (*_FIELDS, *GIVEN) if each[:size] == parts and len(each) > size]
    followed = [*(each[size] for each in known), *(() if parts else ("fib",))]
    return tuple(dict.fromkeys(followed))
