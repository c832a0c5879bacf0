"""Counters, quotas, limits and other objects of the table, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ..._core.checks import one_of, wrong
from ..desired.names import check_name
from ..desired.objects import OBJECT_TYPES
from . import wire
from .keys import Mapped
from .lookups import check_keys, load_key, own_object_map
from .statements import Statement
from .terms import Term

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = ["ObjectReference", "counter", "limit_reference", "object_reference", "quota_reference"]


@frozen(eq=False)
class ObjectReference(Term):
    """A stateful object of the table: one by name, or the one that a map has.

    Attributes:
        kind: Its kind.
        named: Its name, or the map.
    """

    kind: str
    named: str | Mapped

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        number = OBJECT_TYPES[self.kind]
        if isinstance(self.named, str):
            drafting.act(wire.object_reference(number, self.named))
            return
        key, values = self.named.key, self.named.values
        if isinstance(values, str):
            used, name = drafting.declared(values, key.name), values
            check_keys(key, used)
            if used.objects != number:
                raise wrong(key.name, f"map {values!r} is not one to objects of kind {self.kind}")
            found = load_key(key, used, drafting)
        else:
            used = own_object_map(key, values, number)
            found = load_key(key, used, drafting)
            name = drafting.own(used)
        drafting.act(*found, wire.object_reference_by_map(name))


def _reference(kind: str, name: str | Mapped) -> ObjectReference:
    if isinstance(name, Mapped):
        if not isinstance(name.values, str):
            own_object_map(name.key, name.values, OBJECT_TYPES[kind])
        return ObjectReference(kind, name)
    return ObjectReference(kind, check_name(name, f"name of a {kind}"))


def counter(name: str | Mapped | None = None) -> Term:
    """Count packets and bytes (net/netfilter/nft_counter.c).

    Args:
        name: Of an object of the table that counts, or what a map has:
            `counter(tcp.dport.map({22: "ssh"}))`. Default: the rule has a counter of its own.

    Raises:
        DesiredStateError: It is no name.
    """
    return Statement(("counter", b"")) if name is None else _reference("counter", name)


def limit_reference(name: str | Mapped) -> Term:
    """A limit of the table by name, or the one that a map has, as nft's `limit name "ssh"`.

    The kernel's part of it is net/netfilter/nft_objref.c.

    Raises:
        DesiredStateError: It is no name.
    """
    return _reference("limit", name)


def quota_reference(name: str | Mapped) -> Term:
    """A quota of the table by name, or the one that a map has, as nft's `quota name "guests"`.

    The kernel's part of it is net/netfilter/nft_objref.c.

    Raises:
        DesiredStateError: It is no name.
    """
    return _reference("quota", name)


def object_reference(kind: str, name: str | Mapped) -> Term:
    """Any object of the table by name, or the one that a map has: nft's `ct helper set "ftp"`.

    The kernel's part of it is net/netfilter/nft_objref.c.

    Args:
        kind: `ct helper`, `ct timeout`, `ct expectation`, `secmark`, `synproxy`, `counter`,
            `limit` or `quota`.
        name: Its name, or what a map has.

    Raises:
        DesiredStateError: There is no such kind, or it is no name.
    """
    return _reference(one_of(kind, "kind of object", OBJECT_TYPES), name)
