"""Rules written in Python: what they are for the kernel, and what is refused."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from linx_async import DesiredStateError
from linx_async.netfilter import build as nft
from linx_async.netfilter.build import Built, Term, concat, rule
from linx_async.netfilter.codec.expressions import canonical, expressions
from linx_async.netfilter.desired import Chain, Rule, Set, Table
from linx_async.netfilter.desired.elements import CATCHALL

BLOCKED = Set("blocked", "ipv4_addr", interval=True)
PORTS = Set("ports", "inet_service", data="verdict")
HOSTS = Set("hosts", "inet_service", data="ipv4_addr")
COUNTS = Set("counts", "inet_service", objects="counter")
SETS = {each.name: each for each in (BLOCKED, PORTS, HOSTS, COUNTS)}


def within(*terms: Term, family: str = "inet") -> Rule:
    return rule(*terms).within(family, SETS)


def words(built: Rule) -> list[str]:
    return [name for name, _ in expressions(built.body)]


def test_a_rule_becomes_one_of_its_table_where_it_is_put_into_one() -> None:
    ssh = rule(nft.tcp.dport == 22, nft.counter(), nft.accept(), comment="ssh")
    table = Table("inet", "fw", [Chain("input", [ssh], hook="input")])
    (made,) = table.chains[0].rules
    assert made == ssh.within("inet", {})
    assert isinstance(made, Rule)
    assert made.comment == "ssh"


def test_a_field_needs_its_header_and_asks_for_it_once() -> None:
    once = within(nft.ip.saddr == "10.0.0.1", nft.ip.daddr == "10.0.0.2")
    assert words(once) == ["meta", "cmp", "payload", "cmp", "payload", "cmp"]


@pytest.mark.parametrize(
    ("family", "loads"),
    [("inet", "meta"), ("bridge", "meta"), ("netdev", "meta"), ("ip", "payload")],
)
def test_what_a_field_needs_depends_on_the_tables_family(family: str, loads: str) -> None:
    assert words(within(nft.ip.saddr == "10.0.0.1", family=family))[0] == loads


def test_what_a_rule_is_for_the_kernel_is_canonical_from_the_start() -> None:
    built = within(
        nft.iifname == "eth*",
        nft.ip.saddr.in_("10.0.0.0/8", "192.0.2.1"),
        concat(nft.ip.saddr, nft.tcp.dport).in_(("10.0.0.1", 22)),
        nft.limit(5, burst=5),
        nft.log("x", group=0),
        nft.mark.set(nft.mark & 0xFF | 0x100),
        nft.tcp.dport.vmap({22: nft.accept(), "*": nft.jump("other")}),
    )
    form = canonical(built.body, {f"__set{number}" for number in range(3)})
    assert form.body == built.body
    assert len(form.sets) == len(built.sets) == 3
    assert all(each.is_anonymous and each.constant for each in built.sets)


def test_one_value_alone_is_compared_and_not_looked_up() -> None:
    assert within(nft.tcp.dport.in_(22)) == within(nft.tcp.dport == 22)
    assert within(nft.tcp.dport.not_in((1, 5))) == within(nft.tcp.dport != (1, 5))


def test_a_match_turned_round_twice_is_what_it_was() -> None:
    for match in (
        nft.tcp.dport == 22,
        nft.tcp.dport < 22,
        nft.tcp.dport == (1, 22),
        nft.ip.saddr == "10.0.0.0/8",
        nft.tcp.flags.any_of("syn"),
        nft.tcp.dport.in_(22, 80),
        nft.ip.saddr.in_set("blocked"),
    ):
        assert within(~~match) == within(match)
        assert within(~match) != within(match)


def test_the_opposite_of_less_is_not_less() -> None:
    assert within(~(nft.mark < 5)) == within(nft.mark >= 5)
    assert within(~nft.tcp.flags.any_of("fin")) == within(nft.tcp.flags.none_of("fin"))
    assert within(~nft.fib("saddr").exists()) == within(nft.fib("saddr").exists().__invert__())


def test_networks_are_the_same_as_text_and_as_values() -> None:
    assert within(nft.ip.saddr == "10.0.0.0/8") == within(nft.ip.saddr == IPv4Network("10.0.0.0/8"))


def test_a_field_on_the_right_is_compared_the_other_way() -> None:
    assert within(1024 <= nft.tcp.dport) == within(nft.tcp.dport >= 1024)  # noqa: SIM300


def test_a_match_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="side by side"):
        assert 1 < nft.tcp.dport < 5
    with pytest.raises(TypeError, match="side by side"):
        assert (nft.tcp.dport == 1) or (nft.tcp.dport == 2)


def test_a_map_may_have_something_for_all_else() -> None:
    built = within(nft.tcp.dport.vmap({22: nft.accept(), "*": nft.drop()}))
    assert CATCHALL in built.sets[0].elements


def test_ranges_of_a_set_that_touch_are_one() -> None:
    built = within(nft.tcp.dport.in_((1, 5), (6, 10), 11))
    assert set(built.sets[0].elements) == {b"\1\0\0", b"\0\0\1", b"\1\0\x0c"}


def test_objects_are_what_the_kernel_takes_for_them() -> None:
    counter = nft.counter_object("c")
    quota = nft.quota_object("q", 1, "kbytes", over=True)
    limit = nft.limit_object("l", 10, "minute", burst=7)
    assert (counter.type, quota.type, limit.type) == (1, 2, 4)
    assert quota.body == expressions(within(nft.quota(1024, over=True)).body)[0][1]
    assert limit.body == expressions(within(nft.limit(10, "minute", burst=7)).body)[0][1]


def test_a_queue_has_a_number_or_several_and_flags() -> None:
    assert expressions(within(nft.queue()).body) == (("queue", bytes.fromhex("0600010000000000")),)
    several = within(nft.queue(1, 3, bypass=True, fanout=True))
    assert several.body == canonical(several.body).body
    data = expressions(several.body)[0][1]
    assert data.hex() == "0600010000010000" + "0600020000030000" + "0600030000030000"


def test_a_flowtable_is_named() -> None:
    (found,) = expressions(within(nft.flow_add("ft")).body)
    assert found == ("flow_offload", b"\x07\0\x01\0ft\0\0")


UNTYPED: Any = nft
"""What a type checker would not let through."""

WRONG: list[tuple[Any, str]] = [
    (lambda: nft.ip.saddr == "::1", "ip saddr: '::1' is no ipv4_addr"),
    (lambda: nft.ip6.saddr == "10.0.0.1", "ip6 saddr: '10.0.0.1' is no ipv6_addr"),
    (lambda: nft.ip.saddr == "fe80::/10", "ip saddr: 'fe80::/10' is no ipv4_addr"),
    (lambda: nft.ip.saddr == "10.0.0.1/8", "ip saddr: '10.0.0.1/8' is no ipv4_addr"),
    (lambda: nft.tcp.dport == 65536, "tcp dport: 65536 is no inet_service"),
    (lambda: nft.tcp.dport == (80, 22), "tcp dport: (80, 22) is a range whose last value"),
    (lambda: nft.tcp.dport == None, "tcp dport: None is no inet_service"),  # noqa: E711
    (lambda: nft.tcp.dport < (1, 5), "tcp dport: '<' makes no sense with (1, 5)"),
    (nft.tcp.dport.in_, "tcp dport: expected at least one value"),
    (lambda: nft.tcp.dport.in_([22, 80]), "tcp dport: expected a value, got [22, 80]"),
    (lambda: nft.ct.state.any_of("old"), "ct state: 'old' is no ct_state"),
    (nft.ct.state.any_of, "ct state: expected at least one flag"),
    (lambda: nft.ct.state < "new", "ct state: '<' makes no sense"),
    (lambda: nft.tcp.dport.any_of(22), "tcp dport: has no flags"),
    (lambda: nft.iifname == "a-name-that-is-too-long", "iifname"),
    (lambda: nft.iifname & 5, "meta iifname: 5 is no ifname"),
    (lambda: nft.ip.dscp & 5, "ip dscp: '&' is not for this field"),
    (lambda: nft.mark ^ 5 == 1, "meta mark ^ 0x5: '^' is for set()"),
    (lambda: nft.ip.dscp == 64, "ip dscp: 64 is no dscp"),
    (lambda: nft.ether.saddr == "00:11", "ether saddr: '00:11' is no ether_addr"),
    (lambda: nft.tcp.dport.in_set("__set0"), "tcp dport: name of a set: '__set0' is a name that"),
    (lambda: nft.tcp.dport.vmap({}), "tcp dport vmap: expected verdicts or a map's name, got {}"),
    (lambda: UNTYPED.tcp.dport.vmap({22: "accept"}), "tcp dport vmap: expected verdicts"),
    (
        lambda: nft.tcp.dport.vmap({(1, 5): nft.accept(), 3: nft.drop()}),
        "tcp dport: two ranges have values in common",
    ),
    (lambda: concat(nft.ip.saddr), "concat: expected 2 to 5 fields, got 1"),
    (lambda: concat(nft.ip6.dscp, nft.tcp.dport), "ip6 dscp: can be compared, but not looked up"),
    (
        lambda: concat(nft.ip.saddr, nft.tcp.dport).in_("10.0.0.1", "10.0.0.2"),
        "ip saddr . tcp dport: expected a tuple of 2 values, got '10.0.0.1'",
    ),
    (lambda: nft.mark.set(nft.ip.ttl), "meta mark: is a mark, and ip ttl is not"),
    (lambda: (UNTYPED.mark & 5).set(1), "meta mark & 0x5: set the whole field"),
    (lambda: nft.mark.set(nft.tcp.dport.map({22: -1})), "tcp dport map: -1 is no mark"),
    (lambda: nft.ct.zone.set(nft.tcp.dport.map({22: 1})), "ct zone: cannot be set to what a map"),
    (lambda: nft.jump(""), "jump: is empty"),
    (lambda: nft.log(level="loud"), "log level: expected one of emerg, alert"),
    (lambda: nft.log(level="info", group=1), "log: a group takes no level and no flags"),
    (lambda: nft.log(snaplen=5), "log: snaplen and queue_threshold are for a group"),
    (lambda: nft.log("x" * 128), "log prefix:"),
    (lambda: nft.limit(0), "limit rate: expected an integer from 1"),
    (lambda: nft.limit(1, "year"), "limit per: expected one of second, minute"),
    (lambda: nft.quota(-1), "quota: expected an integer from 0"),
    (lambda: nft.reject("tcp fin"), "reject with_: expected one of tcp reset"),
    (lambda: nft.queue(5, 3), "queue last: expected an integer from 5"),
    (lambda: nft.snat("nowhere"), "snat: expected an address, two, or a network, got 'nowhere'"),
    (lambda: nft.dnat(("10.0.0.2", "10.0.0.1")), "dnat: 10.0.0.2 to 10.0.0.1 is no range"),
    (lambda: nft.dnat("10.0.0.2", port=(90, 80)), "dnat port: the first of (90, 80)"),
    (lambda: nft.dnat("10.0.0.2", port=70000), "dnat port: expected an integer from 0 to 65535"),
    (
        lambda: nft.dnat(nft.tcp.dport.map({80: "10.0.0.2", 81: "::1"})),
        "tcp dport map: '::1' is no ipv4_addr",
    ),
    (lambda: nft.fib("iif"), "fib: expected either saddr or daddr"),
    (lambda: nft.fib("saddr", "route"), "fib: expected one of saddr, daddr"),
    (rule, "rule: has no matches and no statements"),
    (lambda: UNTYPED.rule(nft.tcp.dport), "rule: 1.: expected a match or statement"),
    (lambda: rule(nft.accept(), nft.counter()), "rule: 2.: is never reached"),
    (lambda: rule(nft.accept(), comment=""), "comment: is empty"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_told_where_it_is_written(make: Any, message: str) -> None:
    with pytest.raises(DesiredStateError) as error:
        make()
    assert message in str(error.value)


AMISS: list[tuple[Built, str, str]] = [
    (rule(nft.ip.saddr.in_set("other")), "inet", "ip saddr: the table has no set or map 'other'"),
    (rule(nft.ip6.saddr.in_set("blocked")), "inet", "ip6 saddr: set 'blocked' has other keys"),
    (rule(nft.tcp.dport.in_set("ports")), "inet", "tcp dport: 'ports' is a map, not a set"),
    (rule(nft.ip.saddr.vmap("blocked")), "inet", "ip saddr: map 'blocked' has other data"),
    (rule(nft.mark.set(nft.tcp.dport.map("hosts"))), "inet", "it should be mark"),
    (rule(nft.dnat(nft.tcp.dport.map("ports"))), "inet", "dnat: map 'ports' has no addresses"),
    (rule(nft.quota_reference(nft.tcp.dport.map("counts"))), "inet", "is not one to objects of"),
    (
        rule(nft.ip6.saddr == "::1"),
        "ip",
        "ip6 saddr: needs a header of ip6, and",
    ),
    (rule(nft.tcp.dport == 22, nft.udp.dport == 22), "inet", "udp dport: needs a header of udp"),
    (rule(nft.tcp.dport == 22), "arp", "tcp dport: needs a header of tcp"),
    (rule(nft.arp.operation == "reply"), "inet", "arp operation: needs a header of arp"),
    (rule(nft.reject()), "arp", "reject: a table of family arp has none"),
    (rule(nft.reject("icmpx no-route")), "ip", "reject: icmpx is not for tables of family ip"),
    (rule(nft.snat("::1")), "ip", "snat: ip6 is not for tables of family ip"),
    (rule(nft.ip6.saddr == "::1", nft.snat("10.0.0.1")), "inet", "is to an address of ip, and"),
    (rule(nft.masquerade(port=80)), "inet", "masquerade: ports need a match of the transport"),
    (rule(nft.dnat("10.0.0.1", port=80)), "inet", "dnat: ports need a match of the transport"),
    (rule(nft.redirect(80)), "bridge", "redirect: is not for tables of family bridge"),
    (rule(nft.accept()), "ipx", "family: expected one of inet, ip"),
]


@pytest.mark.parametrize(("built", "family", "message"), AMISS, ids=[each[2] for each in AMISS])
def test_what_makes_no_sense_in_a_table_is_told_when_it_is_put_there(
    built: Built, family: str, message: str
) -> None:
    with pytest.raises(DesiredStateError) as error:
        built.within(family, SETS)
    assert message in str(error.value)


def test_a_table_tells_which_of_its_rules_is_wrong() -> None:
    wrong = rule(nft.ip.saddr.in_set("nowhere"))
    with pytest.raises(
        DesiredStateError, match=r"chains\[0\]\.rules\[1\]: ip saddr: the table has"
    ):
        Table("ip", "fw", [Chain("c", [rule(nft.accept()), wrong])])


def test_an_object_of_any_kind_is_named_by_its_kind() -> None:
    by_kind = rule(nft.object_reference("limit", "slow")).within("inet", {})
    assert by_kind == rule(nft.limit_reference("slow")).within("inet", {})
    with pytest.raises(DesiredStateError, match="kind of object: expected one of counter, quota"):
        nft.object_reference("limits", "slow")


def test_a_map_has_one_thing_for_a_value() -> None:
    with pytest.raises(DesiredStateError, match="tcp dport: has something for one value twice"):
        nft.tcp.dport.vmap({22: nft.accept(), "ssh": nft.drop()})
