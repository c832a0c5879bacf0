"""Rules written in Python against what nft makes of the same rules, on the real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import permutations, product

import pytest

from linx_async import DesiredStateError
from linx_async._core.errors import SourceError
from linx_async.netfilter import build as nft
from linx_async.netfilter.build import Field, Match, rule
from linx_async.netfilter.desired import Rule, Table
from linx_async.netfilter.parsing import parse
from tests.kernel.nft_families import lacking
from tests.netfilter_pairs import SECTIONS, Section

NAMES = {section.name: section for section in SECTIONS}


@cache
def compiled(text: str) -> Table:
    """The table that nft makes of a text."""
    if missing := lacking(text.split()[1]):
        pytest.skip(missing)
    try:
        return parse(text, links={"lo": 1})
    except SourceError as error:
        pytest.skip(str(error))


def rules_of(table: Table) -> list[Rule]:
    chain = next(each for each in table.chains if each.name == "c")
    return [each for each in chain.rules if isinstance(each, Rule)]


def cases() -> list[object]:
    return [
        pytest.param(section, place, id=f"{section.name}-{text}")
        for section in SECTIONS
        for place, (_, text) in enumerate(section.pairs)
    ]


@pytest.mark.parametrize(("section", "place"), cases())
def test_a_rule_in_python_is_the_one_that_nft_makes(section: Section, place: int) -> None:
    table = compiled(section.text)
    sets = {each.name: each for each in table.sets}
    built, _ = section.pairs[place]
    assert built.within(section.family, sets) == rules_of(table)[place]


VALUES: dict[str, tuple[str | int, str | int]] = {
    "ipv4_addr": ("10.0.0.1", "10.0.0.2"),
    "ipv6_addr": ("::1", "::2"),
    "ether_addr": ("00:11:22:33:44:55", "00:11:22:33:44:66"),
    "ifname": ("a", "b"),
    "time": ("1s", "2s"),
    "classid": ("1:1", "1:2"),
    "ct_dir": (0, 1),
}
ELSEWHERE = {
    "rt mtu": "type filter hook forward priority 0;",
}
"""Fields that hooks of input have not, and the chains of those that have."""
BRIDGE = {"meta ibrname", "meta obrname"}
WHERE = (
    nft.ip,
    nft.ip6,
    nft.tcp,
    nft.udp,
    nft.udplite,
    nft.sctp,
    nft.dccp,
    nft.th,
    nft.icmp,
    nft.icmpv6,
    nft.ether,
    nft.vlan,
    nft.meta,
    nft.ct,
    nft.ct.original,
    nft.ct.reply,
    nft.rt,
    nft.socket,
    nft.fib("saddr"),
    nft.fib("daddr", "iif"),
)


def every_field() -> Iterator[Field]:
    for place in WHERE:
        for name in (each for each in dir(place) if not each.startswith("_")):
            value = getattr(place, name)
            if isinstance(value, Field) and value.name not in BRIDGE:
                yield value


def ways(field: Field) -> Iterator[tuple[nft.Built, str]]:
    """A field in several kinds of match; those of conntrack's ports need a protocol."""
    first, second = VALUES.get(field.type.name, (1, 1 if field.type.bits == 1 else 2))
    protocol = [nft.meta.l4proto == "tcp"] if "proto-" in field.name else []
    before = "meta l4proto tcp " if protocol else ""
    sign = " ==" if field.has_flags else ""
    yield rule(*protocol, field == first), f"{before}{field.name}{sign} {first}"
    yield rule(*protocol, field != first), f"{before}{field.name} != {first}"
    if first != second:
        values = f"{{ {first}, {second} }}"
        yield rule(*protocol, field.in_(first, second)), f"{before}{field.name} {values}"
        yield rule(*protocol, field.not_in(first, second)), f"{before}{field.name} != {values}"


@pytest.mark.parametrize("field", list(every_field()), ids=lambda field: field.name)
def test_every_field_is_the_one_that_nft_has(field: Field) -> None:
    pairs = list(ways(field))
    chain = ELSEWHERE.get(field.name, "type filter hook input priority 0;")
    section = Section(field.name, "inet", chain, pairs)
    built = [each.within("inet", {}) for each, _ in pairs]
    assert built == rules_of(compiled(section.text))


MATCHES: list[tuple[Match, str]] = [
    (nft.ip.saddr == "10.0.0.1", "ip saddr 10.0.0.1"),
    (nft.ip.ttl == 5, "ip ttl 5"),
    (nft.ip.protocol == "tcp", "ip protocol tcp"),
    (nft.ip.checksum == 7, "ip checksum 7"),
    (nft.ip6.saddr == "::1", "ip6 saddr ::1"),
    (nft.ip6.hoplimit == 4, "ip6 hoplimit 4"),
    (nft.tcp.sport == 1, "tcp sport 1"),
    (nft.tcp.dport == 2, "tcp dport 2"),
    (nft.tcp.dport.in_(5, 6), "tcp dport { 5, 6 }"),
    (nft.udp.dport == 2, "udp dport 2"),
    (nft.icmp.type == "echo-request", "icmp type echo-request"),
    (nft.icmpv6.code == 1, "icmpv6 code 1"),
    (nft.ether.saddr == "00:11:22:33:44:55", "ether saddr 00:11:22:33:44:55"),
    (nft.ether.type == "ip", "ether type ip"),
    (nft.vlan.id == 5, "vlan id 5"),
    (nft.vlan.type == "ip", "vlan type ip"),
    (nft.meta.l4proto == "tcp", "meta l4proto tcp"),
    (nft.meta.protocol == "ip", "meta protocol ip"),
    (nft.mark == 4, "meta mark 4"),
]


def combined(family: str, several: int) -> list[tuple[nft.Built, str]]:
    """Matches one after the other, as far as they make sense together."""
    found: list[tuple[nft.Built, str]] = []
    for chosen in permutations(MATCHES, several):
        built = rule(*(match for match, _ in chosen), nft.accept())
        try:
            built.within(family, {})
        except DesiredStateError:
            continue
        found.append((built, " ".join([*(text for _, text in chosen), "accept"])))
    return found


CHAINS = {
    "inet": "type filter hook input priority 0;",
    "ip": "type filter hook input priority 0;",
    "ip6": "type filter hook input priority 0;",
    "bridge": "type filter hook input priority 0;",
    "netdev": "type filter hook ingress device lo priority 0;",
}


@pytest.mark.parametrize(("family", "several"), list(product(CHAINS, (2, 3))))
def test_matches_together_need_and_join_what_they_do_with_nft(family: str, several: int) -> None:
    pairs = combined(family, several)
    section = Section(family, family, CHAINS[family], pairs)
    found = rules_of(compiled(section.text))
    differing = [
        text
        for (built, text), made in zip(pairs, found, strict=True)
        if built.within(family, {}) != made
    ]
    assert not differing
    assert len(pairs) > 100


def test_a_statement_in_between_is_not_passed_over_as_nft_does_it() -> None:
    # nft 1.0.6 joins the two ports behind the counter, which then counts all TCP packets.
    built = rule(nft.tcp.dport == 22, nft.counter(), nft.tcp.sport == 1).within("inet", {})
    apart = [
        rule(nft.tcp.dport == 22, nft.counter()),
        rule(nft.meta.l4proto == "tcp", nft.tcp.sport == 1),
    ]
    first, second = (each.within("inet", {}).body for each in apart)
    protocol = rule(nft.meta.l4proto == "tcp").within("inet", {}).body
    assert built.body == first + second.removeprefix(protocol)


def test_two_differences_are_not_made_one_as_nft_does_it() -> None:
    # nft 1.0.6 joins them, and lets packets pass that differ in one of the two.
    built = rule(nft.tcp.dport != 22, nft.tcp.sport != 1).within("inet", {})
    one, other = (
        rule(match).within("inet", {}).body for match in (nft.tcp.dport != 22, nft.tcp.sport != 1)
    )
    protocol = rule(nft.meta.l4proto == "tcp").within("inet", {}).body
    assert built.body == one + other.removeprefix(protocol)
