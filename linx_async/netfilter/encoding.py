"""Makes messages of ops: one transaction's, with the numbers that tell new things apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Final

from .._kernel.netlink import Flag, pack_attribute, pack_text
from .._kernel.nfnetlink import Change
from .codec import chains as chain_codec
from .codec import elements as element_codec
from .codec import sets as set_codec
from .codec import tables as table_codec
from .codec.abi import ChainAttribute, Message, RuleAttribute, TableAttribute
from .codec.expressions import encoded
from .codec.object_abi import FlowtableAttribute, ObjectAttribute
from .codec.set_abi import ElementListAttribute, SetAttribute
from .codec.state import with_state
from .codec.userdata import Comment, with_comment
from .codec.words import pack_be32, pack_be64
from .desired import Chain, Elements, Rule, Set
from .desired.families import FAMILIES
from .desired.rule import compiled
from .diff.steps import After, Anchor, First
from .ops import (
    AddChain,
    AddElements,
    AddFlowtable,
    AddObject,
    AddRule,
    AddSet,
    AddTable,
    AdoptTable,
    DeleteChain,
    DeleteElements,
    DeleteFlowtable,
    DeleteObject,
    DeleteRule,
    DeleteSet,
    DeleteTable,
    FlushChain,
    MoveRule,
    NetfilterOp,
    ReplaceRule,
    UpdateChain,
    UpdateObject,
    UpdateSet,
)

__all__ = ["Encoder", "changes_of", "size_of"]

_NEWTABLE: Final = Message.NEWTABLE.number
_DELTABLE: Final = Message.DELTABLE.number
_NEWCHAIN: Final = Message.NEWCHAIN.number
_DELCHAIN: Final = Message.DELCHAIN.number
_NEWRULE: Final = Message.NEWRULE.number
_DELRULE: Final = Message.DELRULE.number
_NEWSET: Final = Message.NEWSET.number
_DELSET: Final = Message.DELSET.number
_NEWSETELEM: Final = Message.NEWSETELEM.number
_DELSETELEM: Final = Message.DELSETELEM.number
_NEWOBJ: Final = Message.NEWOBJ.number
_DELOBJ: Final = Message.DELOBJ.number
_NEWFLOWTABLE: Final = Message.NEWFLOWTABLE.number
_DELFLOWTABLE: Final = Message.DELFLOWTABLE.number

_CREATE: Final = int(Flag.CREATE | Flag.EXCL)
_REPLACE: Final = int(Flag.REPLACE)
_BEFORE: Final = int(Flag.CREATE)
_BEHIND: Final = int(Flag.CREATE | Flag.APPEND)

_R = RuleAttribute


class Encoder:
    """Makes the messages of one transaction on one table.

    Args:
        family: The table's family.
        table: Its name.
    """

    def __init__(self, family: str, table: str) -> None:
        self._family = family
        self._number = FAMILIES[family]
        self._table = table
        self._head = pack_text(1, table)  # NFTA_*_TABLE, the same number everywhere
        self._ids = count(1)

    def changes(self, op: NetfilterOp) -> Iterator[Change]:
        """The messages of an op."""
        match op:
            case AddTable() | AdoptTable() | DeleteTable():
                yield from self._of_table(op)
            case AddRule() | ReplaceRule() | MoveRule() | DeleteRule() | FlushChain():
                yield from self._of_rules(op)
            case AddElements(set=value, elements=elements):
                yield from self._elements(_NEWSETELEM, value, value.name, elements)
            case DeleteElements(set=value, elements=elements):
                yield from self._elements(_DELSETELEM, value, value.name, elements)
            case _:
                yield self._of_part(op)

    def _change(self, kind: int, flags: int, attributes: bytes) -> Change:
        return Change(kind, flags, self._number, attributes)

    def _of_table(self, op: AddTable | AdoptTable | DeleteTable) -> Iterator[Change]:
        match op:
            case DeleteTable(family=family, handle=handle):
                yield _delete_table(family, handle)
            case AdoptTable(flags=flags):
                # The user data of a table that is there is passed over.
                body = table_codec.encode(self._table, flags, None, b"")
                yield self._change(_NEWTABLE, 0, body)
            case AddTable():
                if op.handle:
                    yield _delete_table(op.family, op.handle)
                body = table_codec.encode(self._table, op.flags, op.comment, op.userdata)
                yield self._change(_NEWTABLE, _CREATE, body)

    def _of_part(self, op: NetfilterOp) -> Change:
        table = self._table
        match op:
            case AddChain(part=chain):
                body = chain_codec.encode(table, chain, self._family)
                return self._change(_NEWCHAIN, _CREATE, body)
            case UpdateChain(part=chain):
                body = chain_codec.encode_policy(table, chain)
                return self._change(_NEWCHAIN, 0, body)
            case DeleteChain(part=chain):
                return self._named(_DELCHAIN, ChainAttribute.NAME, chain.name)
            case AddSet(part=value):
                body = set_codec.encode(table, value, value.name, next(self._ids))
                return self._change(_NEWSET, _CREATE, body)
            case UpdateSet(part=value):
                body = set_codec.encode(table, value, value.name, next(self._ids))
                return self._change(_NEWSET, int(Flag.CREATE), body)
            case DeleteSet(part=value):
                return self._named(_DELSET, SetAttribute.NAME, value.name)
            case AddObject(part=thing):
                return self._change(_NEWOBJ, _CREATE, table_codec.encode_object(table, thing))
            case UpdateObject(part=thing, body=body):
                return self._change(_NEWOBJ, 0, table_codec.encode_object(table, thing, body))
            case DeleteObject(part=thing):
                kind = pack_be32(ObjectAttribute.TYPE, thing.type)
                return self._named(_DELOBJ, ObjectAttribute.NAME, thing.name, kind)
            case AddFlowtable(part=flowtable):
                body = chain_codec.encode_flowtable(table, flowtable)
                return self._change(_NEWFLOWTABLE, _CREATE, body)
            case DeleteFlowtable(part=flowtable):
                return self._named(_DELFLOWTABLE, FlowtableAttribute.NAME, flowtable.name)
        raise TypeError(f"no op of nf_tables: {op!r}")

    def _named(self, kind: int, attribute: int, name: str, more: bytes = b"") -> Change:
        return self._change(kind, 0, self._head + pack_text(attribute, name) + more)

    def _elements(
        self, kind: int, value: Set, name: str, elements: Elements, number: int = 0
    ) -> Iterator[Change]:
        head = self._head + pack_text(ElementListAttribute.SET, name)
        if number:
            head += pack_be32(ElementListAttribute.SET_ID, number)
        length = value.type.length
        if kind == _DELSETELEM:
            lists = element_codec.encode_keys(elements, length)
        else:
            lists = element_codec.encode(elements, length)
        flags = 0
        if kind == _NEWSETELEM:
            # What a packet has put there meanwhile is no error; packets put no ranges anywhere, of
            # which the kernel would take some that overlap for the ones that are there.
            flags = _CREATE if value.interval else int(Flag.CREATE)
        for each in lists:
            yield self._change(
                kind, flags, head + pack_attribute(ElementListAttribute.ELEMENTS, each)
            )

    def _of_rules(
        self, op: AddRule | ReplaceRule | MoveRule | DeleteRule | FlushChain
    ) -> Iterator[Change]:
        head = self._head + pack_text(_R.CHAIN, op.chain)
        match op:
            case FlushChain():
                yield self._change(_DELRULE, 0, head)
            case DeleteRule(handle=handle):
                yield self._change(_DELRULE, 0, head + pack_be64(_R.HANDLE, handle))
            case AddRule():
                yield from self._put(head, op.rule, op.anchor, op.state)
            case MoveRule():
                yield self._change(_DELRULE, 0, head + pack_be64(_R.HANDLE, op.handle))
                yield from self._put(head, op.rule, op.anchor, op.state)
            case ReplaceRule():
                head += pack_be64(_R.HANDLE, op.handle)
                yield from self._rule(head, op.rule, op.state, _REPLACE)

    def _put(self, head: bytes, rule: Rule, anchor: Anchor, state: bytes) -> Iterator[Change]:
        match anchor:
            case First():
                return self._rule(head, rule, state, _BEFORE)
            case After(handle):
                return self._rule(head + pack_be64(_R.POSITION, handle), rule, state, _BEHIND)
            case _:
                return self._rule(head, rule, state, _BEHIND)

    def _rule(self, head: bytes, rule: Rule, state: bytes, flags: int) -> Iterator[Change]:
        """A rule, after the sets and chains that it has for itself."""
        sets: list[tuple[str, int]] = []
        for value in rule.sets:
            number, template = next(self._ids), "__map%d" if value.is_map else "__set%d"
            sets.append((template, number))
            body = set_codec.encode(self._table, value, template, number)
            yield self._change(_NEWSET, _CREATE, body)
            yield from self._elements(_NEWSETELEM, value, template, value.elements, number)
        chains: list[int] = []
        for chain in rule.chains:
            chains.append(next(self._ids))
            yield from self._bound(chain, chains[-1])
        body = with_state(rule.body, state) if state else rule.body
        parts = [head, pack_attribute(_R.EXPRESSIONS, encoded(body, sets, chains))]
        if userdata := with_comment(rule.comment, rule.userdata, Comment.RULE):
            parts.append(pack_attribute(_R.USERDATA, userdata))
        if rule.compat:
            parts.append(pack_attribute(_R.COMPAT, rule.compat))
        yield self._change(_NEWRULE, flags, b"".join(parts))

    def _bound(self, chain: Chain, number: int) -> Iterator[Change]:
        """A chain that a rule has for itself: it takes no rules once that rule is there."""
        body = chain_codec.encode(self._table, chain, self._family, number=number)
        yield self._change(_NEWCHAIN, int(Flag.CREATE), body)
        head = self._head + pack_be32(_R.CHAIN_ID, number)
        for rule in compiled(chain):
            yield from self._rule(head, rule, b"", _BEHIND)


def _delete_table(family: str, handle: int) -> Change:
    """One by its handle, which the kernel looks for in that family alone."""
    return Change(_DELTABLE, 0, FAMILIES[family], pack_be64(TableAttribute.HANDLE, handle))


def changes_of(
    ops: Iterable[NetfilterOp], family: str, table: str
) -> tuple[list[Change], list[int]]:
    """The messages of ops on a table, and for each which of the ops it is of."""
    encoder = Encoder(family, table)
    changes: list[Change] = []
    places: list[int] = []
    for place, op in enumerate(ops):
        for change in encoder.changes(op):
            changes.append(change)
            places.append(place)
    return changes, places


def size_of(ops: Iterable[NetfilterOp]) -> int:
    """How many ops there are, and elements in them."""
    return sum(
        len(op.elements) if isinstance(op, AddElements | DeleteElements) else 1 for op in ops
    )
