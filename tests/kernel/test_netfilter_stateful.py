"""Whatever is there and whatever others do to it, one pass makes a table what it should be."""

from __future__ import annotations

import ipaddress
from contextlib import ExitStack
from typing import Any, Final

import pytest
from anyio.from_thread import start_blocking_portal
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from linx_async import Ownership, Report, netfilter
from linx_async.netfilter import (
    AddTable,
    FlushChain,
    NetfilterOp,
    ObservedRule,
    ObservedTable,
    Rule,
    Set,
    Table,
)
from linx_async.testing.namespaces import throwaway
from tests.kernel.nft_families import families, persists
from tests.kernel.nft_place import INDICES, Entered, Place, Raw, needs_nft, place_in, said
from tests.kernel.nft_tables import FOREIGN, corpus, differences, like

pytestmark = needs_nft

NAME: Final = "ours"

SMALL: Final = """
table {family} ours {{
    set admins {{ type ipv4_addr; elements = {{ {admins} }}; }}
    set ports {{ type inet_service; flags interval; elements = {{ {ports} }}; }}
    counter seen {{ }}
    chain aside {{ counter comment "aside"; counter accept; }}
    chain {chain} {{ {hook}
        counter comment "all"
        {rules}
        counter
    }}
}}
"""
"""A table of which more changes in small than from one of the corpus to another."""

RULES: Final = (
    "counter",
    'counter comment "one"',
    'meta length 1-100 counter comment "one"',
    "meta length { 1, 2 } counter",
    "meta mark 7 counter jump aside",
    "meta mark 8 jump { counter accept; }",
    'counter name "seen"',
    'limit rate 9/second counter comment "two"',
)
"""Rules of any family."""

HOOKS: Final = {
    "netdev": "type filter hook ingress device lo priority {priority}; policy {policy};",
    "": "type filter hook input priority {priority}; policy {policy};",
}
BITS_OF: Final[dict[int, Any]] = {7: ipaddress.IPv4Address, 8: ipaddress.IPv6Address}
PORT, MARK = 13, 19

picks = st.integers(0, 1 << 16)
rule_texts = st.sampled_from(RULES)
smalls = st.fixed_dictionaries(
    {
        "admins": st.sampled_from(["192.0.2.1", "192.0.2.2, 192.0.2.3", "192.0.2.1, 192.0.2.4"]),
        "ports": st.sampled_from(["22", "22, 80-90", "80-89, 443"]),
        "chain": st.sampled_from(["first", "second"]),
        "priority": st.sampled_from(["0", "-5"]),
        "policy": st.sampled_from(["accept", "drop"]),
        "rules": st.lists(rule_texts, max_size=6).map("\n".join),
    }
)


def small(family: str, words: dict[str, str]) -> Table:
    hook = HOOKS.get(family, HOOKS[""]).format(**words)
    return netfilter.parse(SMALL.format(family=family, hook=hook, **words), links=INDICES)


def of_family(family: str) -> list[Table]:
    """The tables of the corpus that are of a family."""
    tables = [each for each in corpus() if each.needs is None and each.family == family]
    return [evolve(each.table, name=NAME) for each in tables]


def longest_common(ours: tuple[Rule, ...], wanted: tuple[Rule, ...]) -> int:
    """How many rules could stay where they are."""
    row = [0] * (len(wanted) + 1)
    for one in ours:
        before, row = row, [0] * (len(wanted) + 1)
        for place, other in enumerate(wanted, 1):
            equal = before[place - 1] + 1 if one == other else 0
            row[place] = max(equal, before[place], row[place - 1])
    return row[-1]


class Story(RuleBasedStateMachine):
    """A namespace with a table of ours, beside others', and somebody else who goes on writing."""

    backend: str

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        box = self.stack.enter_context(throwaway("net"))
        self.place: Place = place_in(box, links=True)
        self.stack.callback(self.place.close)
        self.portal = self.stack.enter_context(start_blocking_portal(self.backend))
        self.ours = self.stack.enter_context(ExitStack())
        self.owned = Ownership()

    def teardown(self) -> None:
        self.stack.close()

    @initialize(
        family=st.sampled_from(families() or ("inet",)),
        lifetime=st.sampled_from(["shared", "shared", "persist"]),
    )
    def begin(self, family: str, lifetime: str) -> None:
        self.family = family
        self.lifetime = lifetime
        self.owned_by_us = lifetime == "persist" and persists()
        self.desired = Table(family, NAME)
        self.settle_in()
        self.enter()
        self.one_pass()

    def settle_in(self) -> None:
        """Somebody has a table of the same family, and one of another where there is one."""
        other = [name for name in ("inet", "ip") if name in families() and name != self.family]
        self.others = [(name, "theirs") for name in (self.family, *other[:1])]
        for family, _ in self.others:
            self.place.load_now(FOREIGN.format(family=family))
        self.foreign: list[Raw] = self.foreign_now()

    def foreign_now(self) -> list[Raw]:
        return [self.place.raw(*each) for each in self.others]

    def enter(self) -> None:
        options: dict[str, Any] = {
            "lifetime": self.lifetime,
            "on_conflict": "replace",
            "recreate": True,
        }
        entered = self.place.entered(last_applied=self.owned, **options)
        manage = self.portal.wrap_async_context_manager
        self.source: Entered = self.ours.enter_context(manage(entered))

    def pulled(self) -> ObservedTable | None:
        work = netfilter.pull
        return self.portal.call(lambda: work(self.family, NAME, scope=self.place.scope))

    # We

    @rule(pick=picks)
    def we_want_a_table_of_the_corpus(self, pick: int) -> None:
        tables = of_family(self.family)
        self.desired = tables[pick % len(tables)]
        self.one_pass()

    @rule(words=smalls)
    def we_want_something_small(self, words: dict[str, str]) -> None:
        self.desired = small(self.family, words)
        self.one_pass()

    @rule()
    def we_start_again(self) -> None:
        """Our socket goes, and another one comes."""
        self.ours.close()
        self.enter()
        self.one_pass()

    @rule()
    def we_look_again(self) -> None:
        self.one_pass()

    def one_pass(self) -> None:
        before = self.pulled()
        report = self.portal.call(self.source.reconcile, self.desired)
        self.owned = report.last_applied
        assert report.converged, said(report)
        after = self.pulled()
        assert after is not None
        assert not differences(like(after.table, self.desired), self.desired)
        assert self.foreign_now() == self.foreign
        self.check_kept(before, after, report)
        again = self.portal.call(self.source.reconcile, self.desired)
        assert (again.applied, again.converged) == ((), True), said(again)
        assert self.pulled() == after

    def check_kept(
        self, before: ObservedTable | None, after: ObservedTable, report: Report[NetfilterOp]
    ) -> None:
        """What is as it was has the handle that it had, and goes on counting."""
        if before is None or any(isinstance(op, AddTable) for op in report.applied):
            return
        flushed = {op.chain for op in report.applied if isinstance(op, FlushChain)}
        for chain in self.desired.chains:
            if chain.name in flushed or chain.name not in before.chains:
                continue
            old = {each.handle: each for each in before.chains[chain.name].rules}
            new = {each.handle: each for each in after.chains[chain.name].rules}
            for handle in old.keys() & new.keys():
                assert old[handle].rule != new[handle].rule or old[handle].raw == new[handle].raw
            could = longest_common(rules_of(old), rules_of(new))
            assert len(old.keys() & new.keys()) >= could, (old, new)

    # Somebody else

    def somebody(self, command: str) -> None:
        """What nft does not take is as if it had not been tried."""
        before = self.pulled()
        self.place.nft_now(command)
        if self.owned_by_us:
            assert self.pulled() == before
        self.foreign = self.foreign_now()

    def a_chain(self, pick: int) -> tuple[str, tuple[ObservedRule, ...]] | None:
        there = self.pulled()
        chains = [] if there is None else [*there.chains.items()]
        if not chains:
            return None
        name, chain = chains[pick % len(chains)]
        return f"{self.family} {NAME} {name}", chain.rules

    def a_set(self, pick: int) -> Set | None:
        there = self.pulled()
        sets = [] if there is None else [each.set for each in there.sets.values()]
        return sets[pick % len(sets)] if sets else None

    @rule(pick=picks, where=picks, text=rule_texts, how=st.sampled_from(["add", "insert"]))
    def somebody_adds_a_rule(self, pick: int, where: int, text: str, how: str) -> None:
        if (found := self.a_chain(pick)) is not None:
            chain, rules = found
            at = f"position {rules[where % len(rules)].handle}" if rules else ""
            self.somebody(f"{how} rule {chain} {at} {text}")

    @rule(pick=picks, where=picks)
    def somebody_deletes_a_rule(self, pick: int, where: int) -> None:
        found = self.a_chain(pick)
        if found is not None and found[1]:
            chain, rules = found
            self.somebody(f"delete rule {chain} handle {rules[where % len(rules)].handle}")

    @rule(pick=picks, where=picks, text=rule_texts)
    def somebody_replaces_a_rule(self, pick: int, where: int, text: str) -> None:
        found = self.a_chain(pick)
        if found is not None and found[1]:
            chain, rules = found
            self.somebody(f"replace rule {chain} handle {rules[where % len(rules)].handle} {text}")

    @rule(pick=picks, where=picks)
    def somebody_moves_a_rule(self, pick: int, where: int) -> None:
        """To the end of its chain, if it is one that can be said in few words."""
        found = self.a_chain(pick)
        if found is not None and found[1]:
            chain, rules = found
            handle = rules[where % len(rules)].handle
            self.somebody(f"delete rule {chain} handle {handle}\nadd rule {chain} counter")

    @rule(pick=picks)
    def somebody_flushes_a_chain(self, pick: int) -> None:
        if (found := self.a_chain(pick)) is not None:
            self.somebody(f"flush chain {found[0]}")

    @rule(pick=picks)
    def somebody_deletes_a_chain(self, pick: int) -> None:
        if (found := self.a_chain(pick)) is not None:
            self.somebody(f"flush chain {found[0]}\ndelete chain {found[0]}")

    @rule(pick=picks, policy=st.sampled_from(["accept", "drop"]))
    def somebody_sets_a_policy(self, pick: int, policy: str) -> None:
        there = self.pulled()
        bases = [] if there is None else [
            name for name, chain in there.chains.items() if chain.head.chain.is_base
        ]  # fmt: skip
        if bases:
            name = bases[pick % len(bases)]
            self.somebody(f"add chain {self.family} {NAME} {name} {{ policy {policy}; }}")

    @rule(text=rule_texts)
    def somebody_adds_a_chain(self, text: str) -> None:
        if self.pulled() is not None:
            chain = f"{self.family} {NAME} extra"
            self.somebody(f"add chain {chain}\nadd rule {chain} counter\nadd rule {chain} counter")

    @rule(pick=picks)
    def somebody_flushes_a_set(self, pick: int) -> None:
        if (value := self.a_set(pick)) is not None:
            kind = "map" if value.is_map else "set"
            self.somebody(f"flush {kind} {self.family} {NAME} {value.name}")

    @rule(pick=picks, which=picks, add=st.booleans())
    def somebody_changes_elements(self, pick: int, which: int, add: bool) -> None:
        value = self.a_set(pick)
        if value is None or value.is_map or not (element := an_element(value, which, add=add)):
            return
        do = "add" if add else "delete"
        self.somebody(f"{do} element {self.family} {NAME} {value.name} {{ {element} }}")

    @rule(kind=st.sampled_from(["set", "map"]), pick=picks)
    def somebody_deletes_a_set(self, kind: str, pick: int) -> None:
        if (value := self.a_set(pick)) is not None:
            self.somebody(f"delete {kind} {self.family} {NAME} {value.name}")

    @rule()
    def somebody_adds_a_set(self) -> None:
        if self.pulled() is not None:
            words = "{ type mark; elements = { 1, 2 }; }"
            self.somebody(f"add set {self.family} {NAME} extra {words}")

    @rule()
    def somebody_deletes_the_table(self) -> None:
        if self.pulled() is not None:
            self.somebody(f"delete table {self.family} {NAME}")

    @precondition(lambda self: not self.owned_by_us)
    @rule()
    def somebody_turns_the_table_off(self) -> None:
        self.somebody(f"add table {self.family} {NAME} {{ flags dormant; }}")

    @rule()
    def somebody_flushes_everything(self) -> None:
        """Their own tables too; but for what has an owner."""
        before = self.pulled()
        self.place.load_now("flush ruleset")
        assert self.pulled() == (before if self.owned_by_us else None)
        self.settle_in()

    @rule(count=st.integers(1, 3), port=st.sampled_from([22, 53, 4242]))
    def packets_come(self, count: int, port: int) -> None:
        self.place.sends(port, count)
        self.foreign = self.foreign_now()


def rules_of(observed: dict[int, ObservedRule]) -> tuple[Rule, ...]:
    return tuple(each.rule for each in observed.values())


def an_element(value: Set, which: int, *, add: bool) -> str:
    """An element of a set that is not there, or one that is, as nft says it; empty for none."""
    number = value.type.number
    if number not in {*BITS_OF, PORT, MARK} or value.type.fields:
        return ""
    if add:
        return {7: f"203.0.113.{which % 256}", 8: f"2001:db8:9::{which:x}"}.get(
            number, f"{which % 65535 + 1}"
        )
    keys = [key[1:] for key in value.elements if len(key) == value.type.length + 1]
    if not keys:
        return ""
    key = keys[which % len(keys)]
    if number in BITS_OF:
        return str(BITS_OF[number](key))
    return str(int.from_bytes(key, "big" if number == PORT else "little"))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whatever_others_do_to_our_table_one_pass_heals_it(backend: str) -> None:
    few = settings(max_examples=8, stateful_step_count=20)  # a soak tells many more
    run_state_machine_as_test(type("Story", (Story,), {"backend": backend}), settings=few)
