"""What the kernel's notifications of changes to the rule set say: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from attrs import define, evolve, field, frozen

from .._kernel.netlink import Message, NetlinkDecodeError, attribute_map
from .._kernel.nfnetlink_messages import NFGENMSG
from .codec import chains as chain_codec
from .codec import elements as element_codec
from .codec import sets as set_codec
from .codec import tables as table_codec
from .codec.abi import Message as Number
from .codec.abi import RuleAttribute
from .codec.chains import ChainHead, FlowtableHead
from .codec.sets import SetHead
from .codec.tables import ObjectHead, TableHead
from .codec.words import text_of, u64_of
from .desired import Chain, Elements, Rule, Set
from .desired.chain import with_rules
from .desired.elements import Rest
from .desired.families import FAMILY_NAMES
from .desired.sets import with_elements
from .observed import ObservedRule
from .reading import Known, observed_rule

__all__ = ["Announced", "Announcement", "Kind", "Reader"]

Kind: TypeAlias = Literal["table", "chain", "rule", "set", "elements", "object", "flowtable"]
"""What announcements can be about; a map is a set."""
Announced: TypeAlias = (
    TableHead | ChainHead | ObservedRule | SetHead | Elements | ObjectHead | FlowtableHead
)
"""What is announced: the values that an observation has, with the kernel's handles."""

_GENMSG: Final = NFGENMSG.size
# NFTA_*_TABLE, and of all but rules and elements NFTA_*_NAME and NFTA_*_HANDLE.
_TABLE: Final = 1
_HANDLES: Final[Mapping[Kind, int]] = {
    "table": 4,
    "chain": 2,
    "rule": 3,
    "set": 16,
    "object": 6,
    "flowtable": 5,
}
_NAMES: Final[Mapping[Kind, int]] = {
    "table": 1,
    "chain": 3,
    "rule": 2,
    "set": 2,
    "elements": 2,
    "object": 2,
    "flowtable": 2,
}
_NEW: Final[Mapping[int, Kind]] = {
    int(Number.NEWTABLE): "table",
    int(Number.NEWCHAIN): "chain",
    int(Number.NEWRULE): "rule",
    int(Number.NEWSET): "set",
    int(Number.NEWSETELEM): "elements",
    int(Number.NEWOBJ): "object",
    int(Number.NEWFLOWTABLE): "flowtable",
}
# NFT_MSG_DEL* is two after NFT_MSG_NEW*.
_DELETED: Final[Mapping[int, Kind]] = {number + 2: kind for number, kind in _NEW.items()}


@frozen
class Announcement:
    """Something in a table appeared, changed or went, by word of the kernel.

    Attributes:
        verb: `new` where it appeared or changed, `del` where it went.
        kind: What it is.
        family: The family of its table.
        table: The name of its table.
        name: Its own name; of a rule that of its chain, of elements that of their set.
        handle: Its handle; 0 of elements.
        value: What it is like now, a chain without its rules, a set without its elements. None
            where it went, but for elements: the kernel tells no more than the handle (Linux 6.2).
        behind: Of a new rule, the handle of the one before it. None at the head of its chain and at
            the tail: the kernel tells none there (nf_tables_rule_notify()).
    """

    verb: Literal["new", "del"]
    kind: Kind
    family: str
    table: str
    name: str
    handle: int
    value: Announced | None = None
    behind: int | None = None

    def __str__(self) -> str:
        went = "Deleted " if self.verb == "del" else ""
        of = f" {self.name}" if self.kind != "table" else ""
        number = f" # handle {self.handle}" if self.handle else ""
        return f"[{self.kind}] {went}{self.family} {self.table}{of}{self._said()}{number}"

    def _said(self) -> str:
        match self.value:
            case Elements():
                return (
                    f": {'1 element' if len(self.value) == 1 else f'{len(self.value):,} elements'}"
                )
            case ObservedRule(rule=Rule(comment=str(comment))):
                return f" {comment!r}"
        return ""


@define
class _Own:
    """What rules of a table have for themselves, as far as it was announced.

    Attributes:
        sets: Sets by name, without their elements.
        elements: The elements of each.
        chains: Chains by name, without their rules.
        rules: The rules of each.
    """

    sets: dict[str, Set] = field(factory=dict)
    elements: dict[str, dict[bytes, Rest]] = field(factory=dict)
    chains: dict[str, Chain] = field(factory=dict)
    rules: dict[str, list[Rule]] = field(factory=dict)

    def set_of(self, name: str) -> Set:
        if name not in self.sets:
            raise NetlinkDecodeError(f"a rule uses the set {name}, which was not announced", 0)
        return with_elements(self.sets[name], Elements(dict(self.elements[name])))

    def chain_of(self, name: str) -> Chain:
        if name not in self.chains:
            raise NetlinkDecodeError(f"a rule uses the chain {name}, which was not announced", 0)
        return with_rules(self.chains[name], tuple(self.rules[name]))


class Reader:
    """Reads announcements, and follows what rules have for themselves.

    A set or chain that a rule has for itself, and that was there before the first announcement, is
    in the rule's expressions by the kernel's name for it, unless `learn` told of the set.
    """

    def __init__(self) -> None:
        self._owned: dict[tuple[str, str], _Own] = {}

    def read(self, message: Message) -> Announcement | None:
        """What a message says; None where it is of no kind or family that is known.

        Raises:
            NetlinkDecodeError: It is malformed.
        """
        payload = message.payload
        kind = _NEW.get(message.type) or _DELETED.get(message.type)
        if kind is None:
            return None
        if len(payload) < _GENMSG:
            raise NetlinkDecodeError("a message without nfgenmsg", 0)
        family = FAMILY_NAMES.get(payload[0])
        if family is None:
            return None
        body = payload[_GENMSG:]
        said = attribute_map(body)
        handle = u64_of(said[_HANDLES[kind]]) if _HANDLES.get(kind) in said else 0
        found = Announcement(
            "new" if message.type in _NEW else "del",
            kind,
            family,
            text_of(said.get(_TABLE, b"")),
            text_of(said.get(_NAMES[kind], b"")),
            handle,
        )
        return self._deleted(found, body) if found.verb == "del" else self._made(found, said, body)

    def learn(self, family: str, table: str, known: Known) -> None:
        """Take what rules of a table have for themselves from a look at it."""
        own = self._own(family, table)
        for name, (_, value) in known.sets.items():
            if value.is_anonymous:
                own.sets[name] = value
                own.elements[name] = dict(value.elements)

    def forget(self) -> None:
        """Some were lost."""
        self._owned.clear()

    def _own(self, family: str, table: str) -> _Own:
        return self._owned.setdefault((family, table), _Own())

    def _made(self, found: Announcement, said: dict[int, bytes], body: bytes) -> Announcement:
        own = self._own(found.family, found.table)
        match found.kind:
            case "rule":
                return self._rule(found, said, own)
            case "elements":
                return evolve(found, value=self._elements(found.name, own, body))
            case "table":
                return evolve(found, value=table_codec.decode(body))
            case "object":
                return evolve(found, value=table_codec.decode_object(body)[1])
            case "flowtable":
                return evolve(found, value=chain_codec.decode_flowtable(body)[1])
            case "chain":
                chain = chain_codec.decode(body, found.family)[1]
                if chain.bound:
                    own.chains[found.name] = chain.chain
                    own.rules.setdefault(found.name, [])
                return evolve(found, value=chain)
            case "set":
                value = set_codec.decode(body)[1]
                if value.anonymous:
                    own.sets[found.name] = value.set
                    own.elements.setdefault(found.name, {})
                return evolve(found, value=value)

    def _elements(self, name: str, own: _Own, body: bytes) -> Elements:
        length = own.sets[name].type.length if name in own.sets else 0
        elements = element_codec.decode([body], length)
        if name in own.elements:
            own.elements[name].update(elements)
        return Elements(elements)

    def _rule(self, found: Announcement, said: dict[int, bytes], own: _Own) -> Announcement:
        value, _ = observed_rule(said, own.sets, own.chains, own.set_of, own.chain_of)
        if found.name in own.rules:
            own.rules[found.name].append(value.rule)
        position = said.get(RuleAttribute.POSITION)
        behind = None if position is None else u64_of(position)
        return evolve(found, value=value, behind=behind)

    def _deleted(self, found: Announcement, body: bytes) -> Announcement:
        own = self._own(found.family, found.table)
        match found.kind:
            case "elements":
                return evolve(found, value=Elements(element_codec.decode([body], 0)))
            case "table":
                self._owned.pop((found.family, found.table), None)
            case "set":
                own.sets.pop(found.name, None)
                own.elements.pop(found.name, None)
            case "chain":
                own.chains.pop(found.name, None)
                own.rules.pop(found.name, None)
        return found
