"""A table made of the messages of its dumps."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from attrs import field, frozen

from .._core.checks import unchecked
from .._kernel.netlink import NetlinkDecodeError, attribute_map
from .codec import chains as chain_codec
from .codec import elements as element_codec
from .codec import sets as set_codec
from .codec import tables as table_codec
from .codec.abi import RuleAttribute
from .codec.expressions import Canonical, canonical
from .codec.sets import SetHead
from .codec.userdata import Comment, split_comment
from .codec.words import text_of, u64_of
from .desired import Chain, Elements, Rule, Set
from .desired.chain import with_rules
from .desired.sets import with_elements
from .observed import ObservedChain, ObservedRule, ObservedSet, ObservedTable
from .text.raw import RawSet, RawTable

__all__ = ["NOTHING_KNOWN", "Known", "observed_rule", "table_of"]

_A = RuleAttribute
_DEEPEST: Final = 16  # NFT_JUMP_STACK_SIZE: as deep as the kernel follows jumps


T = TypeVar("T")


@frozen
class Known:
    """What was read of a table before, and need not be read again.

    Attributes:
        rules: Rules by their messages, each with its chain's name, and what the kernel calls the
            sets that it has for itself: such a name comes again, and the same message may be of
            another rule then. None that has a chain for itself.
        sets: Sets with their elements, by name, and their messages; None where these are not known.
    """

    rules: Mapping[bytes, tuple[str, ObservedRule, tuple[str, ...]]] = field(factory=dict)
    sets: Mapping[str, tuple[RawSet | None, Set]] = field(factory=dict)

    def with_sets(self, sets: Mapping[str, Set], *, as_they_were: bool = False) -> Known:
        """The same with other values of some sets, whose messages are known or not."""
        others = {
            name: (self.sets[name][0] if as_they_were else None, value)
            for name, value in sets.items()
        }
        return Known(self.rules, {**self.sets, **others})


NOTHING_KNOWN: Final = Known()
_NO_TEXTS: Final[Mapping[int, str]] = {}


def table_of(
    raw: RawTable, known: Known = NOTHING_KNOWN, held: Mapping[str, Elements] | None = None
) -> tuple[ObservedTable, Known]:
    """The table, and what to give as `known` next time.

    Args:
        raw: Its messages.
        known: What was read before.
        held: The elements of sets that are known without messages, by the set's name.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    reader = _Reader(raw, known, held or {})
    table = reader.table()
    return table, Known(reader.known_rules, reader.known_sets)


class _Reader:
    """A table that is being read."""

    def __init__(self, raw: RawTable, known: Known, held: Mapping[str, Elements]) -> None:
        self._raw = raw
        self._held = held
        self._head = table_codec.decode(raw.payload)
        self._raw_sets = {each.name: each for each in raw.sets}
        self._known_before = known
        self.known_sets: dict[str, tuple[RawSet | None, Set]] = {}
        self.known_rules: dict[bytes, tuple[str, ObservedRule, tuple[str, ...]]] = {}
        self._sets = {
            head.name: ObservedSet(head, self._filled(head))
            for head in self._ours((each.payload for each in raw.sets), set_codec.decode)
        }
        self._chains = {
            head.name: head
            for head in self._ours(raw.chains, lambda data: chain_codec.decode(data, raw.family))
        }
        self._anonymous = {name for name, each in self._sets.items() if each.head.anonymous}
        self._bound = {name for name, head in self._chains.items() if head.bound}
        self._rules: dict[str, list[ObservedRule | tuple[bytes, dict[int, bytes]]]] = {}
        for payload in raw.rules:
            before = known.rules.get(payload)
            if before is None or (before[2] and not self._has_own(before[1].rule, before[2])):
                said = attribute_map(payload)
                chain = text_of(said.get(_A.CHAIN, b""))
                self._rules.setdefault(chain, []).append((payload, said))
            else:
                self.known_rules[payload] = before
                self._rules.setdefault(before[0], []).append(before[1])

    def table(self) -> ObservedTable:
        """All of it."""
        raw = self._raw
        objects = self._ours(raw.objects, table_codec.decode_object)
        flowtables = self._ours(raw.flowtables, chain_codec.decode_flowtable)
        return ObservedTable(
            raw.family,
            self._head,
            {
                name: ObservedChain(head, self._read(name))
                for name, head in self._chains.items()
                if not head.bound
            },
            {name: each for name, each in self._sets.items() if name not in self._anonymous},
            {each.object.key: each for each in objects},
            {each.flowtable.name: each for each in flowtables},
        )

    def _ours(
        self, payloads: Iterable[bytes], decode: Callable[[bytes], tuple[str, T]]
    ) -> Iterator[T]:
        """What is of this table."""
        for payload in payloads:
            table, value = decode(payload)
            if table == self._head.name:
                yield value

    def _filled(self, head: SetHead) -> Set:
        raw = self._raw_sets[head.name]
        before = self._known_before.sets.get(head.name)
        value = None if before is None else before[1]
        if (held := self._held.get(head.name)) is not None:
            value = with_elements(head.set, held)
            self.known_sets[head.name] = None, value
            return value
        if before is None or value is None or before[0] != raw:
            elements = Elements(element_codec.decode(raw.elements, head.set.type.length))
            if value is not None and _are_the_same(value, elements):
                elements = value.elements
            value = with_elements(head.set, elements)
        self.known_sets[head.name] = raw, value
        return value

    def _has_own(self, rule: Rule, names: Iterable[str]) -> bool:
        """Whether the sets of those names are the ones that a rule had for itself before."""
        sets = self._sets
        return all(
            name in sets and sets[name].set is value
            for name, value in zip(names, rule.sets, strict=True)
        )

    def _read(self, chain: str, depth: int = 0) -> tuple[ObservedRule, ...]:
        """The rules of a chain."""
        if depth > _DEEPEST:
            raise NetlinkDecodeError(f"chain {chain} is nested too deeply", 0)
        return tuple(
            each if isinstance(each, ObservedRule) else self._rule(chain, *each, depth)
            for each in self._rules.get(chain, ())
        )

    def _rule(self, chain: str, payload: bytes, said: dict[int, bytes], depth: int) -> ObservedRule:
        found, form = observed_rule(
            said,
            self._anonymous,
            self._bound,
            self._set,
            lambda name: self._chain(name, depth),
            self._raw.texts,
        )
        if not form.chains:
            self.known_rules[payload] = chain, found, form.sets
        return found

    def _set(self, name: str) -> Set:
        if name not in self._sets:
            raise NetlinkDecodeError(f"a rule uses the set {name}, which is not there", 0)
        value = self._sets[name].set
        # What packets put into a meter is none of the rule.
        return with_elements(value, Elements()) if value.dynamic and value.elements else value

    def _chain(self, name: str, depth: int) -> Chain:
        if name not in self._chains:
            raise NetlinkDecodeError(f"a rule uses the chain {name}, which is not there", 0)
        rules = tuple(each.rule for each in self._read(name, depth + 1))
        return with_rules(self._chains[name].chain, rules)


def observed_rule(
    said: Mapping[int, bytes],
    anonymous: Container[str],
    bound: Container[str],
    set_of: Callable[[str], Set],
    chain_of: Callable[[str], Chain],
    texts: Mapping[int, str] = _NO_TEXTS,
) -> tuple[ObservedRule, Canonical]:
    """A rule, and its canonical form with the names of what it has for itself.

    Args:
        said: The attributes of its message.
        anonymous: The names of the sets that rules have for themselves.
        bound: Those of the chains.
        set_of: Gives such a set by its name.
        chain_of: Gives such a chain with its rules by its name.
        texts: Rules in nft's words, by their handles.

    Raises:
        NetlinkDecodeError: It is malformed.
    """
    raw = said.get(_A.EXPRESSIONS, b"")
    form = canonical(raw, anonymous, bound)
    comment, userdata = split_comment(said.get(_A.USERDATA, b""), Comment.RULE)
    handle = u64_of(said.get(_A.HANDLE, b""))
    rule = unchecked(
        Rule,
        form.body,
        comment,
        tuple(map(set_of, form.sets)),
        tuple(map(chain_of, form.chains)),
        userdata,
        said.get(_A.COMPAT, b""),
        texts.get(handle),
    )
    return ObservedRule(rule, handle, raw), form


def _are_the_same(value: Set, elements: Elements) -> bool:
    """Whether a set has these elements already, with no time of theirs running."""
    return not value.timeouts and not value.dynamic and value.elements == elements
