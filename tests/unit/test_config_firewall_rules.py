"""Rules of firewalls that are TOML tables: what they may say, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from linx_async import SourceError
from linx_async.config import parse
from linx_async.config.firewall_rule_fields import begins, subject_of
from linx_async.config.firewall_rule_statements import STATEMENTS
from linx_async.netfilter import Rule, Table, build
from linx_async.netfilter.build import Field
from linx_async.netfilter.text import compiler
from tests.config_problems import error_of
from tests.firewall_rules import WRITTEN


def no_nft(*_: Any) -> Any:
    raise SourceError("there is no program nft: install nftables")


@pytest.fixture(autouse=True)
def without_nft(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may need it."""
    monkeypatch.setattr(compiler, "find", no_nft)


TABLE = """\
[netfilter.inet.fw.sets.friends]
type = "ipv4_addr"
[netfilter.inet.fw.sets.ways]
type = "inet_service"
data = "verdict"
[netfilter.inet.fw.counters.web]
[netfilter.inet.fw.ct_helpers.ftp]
helper = "ftp"
protocol = "tcp"
[netfilter.inet.fw.flowtables.fast]
[netfilter.inet.fw.chains.other]
[netfilter.inet.fw.chains.c]
"""
LINE = TABLE.count("\n") + 1


def table_of(text: str) -> Table:
    (part,) = parse(text).parts
    assert isinstance(part.desired, Table)
    return part.desired


def rule_of(text: str) -> Rule:
    """The one rule of a chain."""
    chain = next(each for each in table_of(f"{TABLE}{text}").chains if each.name == "c")
    (rule,) = chain.rules
    assert isinstance(rule, Rule)
    return rule


def mistakes_of(rule: str) -> list[str]:
    """What is wrong with a rule, by what stands where."""
    found = error_of(f"{TABLE}rules = [{rule}]").problems
    assert {(each.line, each.section) for each in found} == {(LINE, "netfilter.inet.fw.chains.c")}
    return [f"{each.key.removeprefix('rules[0]').lstrip('.')}: {each.message}" for each in found]


def test_a_rule_is_what_the_builders_make_of_it() -> None:
    made = rule_of(
        """rules = [{ ip.saddr.not = "@friends", tcp.dport = [22, "8000-8100"], counter = true,
        log = { prefix = "ssh: " }, verdict = { jump = "other" }, comment = "ssh" }]""".replace(
            "\n", " "
        )
    )
    sets = {each.name: each for each in table_of(TABLE).sets}
    assert made == build.rule(
        build.ip.saddr.not_in_set("friends"),
        build.tcp.dport.in_(22, (8000, 8100)),
        build.counter(),
        build.log("ssh: "),
        build.jump("other"),
        comment="ssh",
    ).within("inet", sets)


def test_a_rule_is_told_to_people_as_it_is_written() -> None:
    rule = rule_of('rules = [{ ct.state = "new", tcp.dport.ge = 1024, ct.mark.set = 1 }]')
    assert rule.text == '{ ct.state = "new", tcp.dport.ge = 1024, ct.mark.set = 1 }'


@pytest.mark.parametrize("section", WRITTEN, ids=[each.name for each in WRITTEN])
def test_no_rule_that_is_a_table_needs_nft(section: Any) -> None:
    made = table_of(section.toml)
    chain = next(each for each in made.chains if each.name == "c")
    assert len(chain.rules) == len(section.pairs)
    assert all(isinstance(rule, Rule) for rule in chain.rules)


def every_field() -> Iterator[Field]:
    places = (
        *(build.arp, build.dccp, build.ether, build.icmp, build.icmpv6, build.ip, build.ip6),
        *(build.sctp, build.tcp, build.th, build.udp, build.udplite, build.vlan, build.meta),
        *(build.ct, build.ct.original, build.ct.reply, build.rt, build.socket),
    )
    for place in places:
        for name in dir(place):
            value = getattr(place, name)
            if isinstance(value, Field):
                yield value


@pytest.mark.parametrize("field", list(every_field()), ids=lambda field: field.name)
def test_every_field_of_the_builders_has_its_words(field: Field) -> None:
    words = field.name.split()
    assert all(begins(" ".join(words[:size])) for size in range(1, len(words)))
    found = subject_of(field.name)
    assert isinstance(found, Field)
    assert (found.source, found.attributes, found.header, found.offset, found.mask) == (
        *(field.source, field.attributes, field.header, field.offset, field.mask),
    )


def test_every_statement_of_the_builders_has_its_word() -> None:
    statements = {"accept", "drop", "continue_", "return_", "jump", "goto"}  # by `verdict`
    statements |= {"limit_reference", "quota_reference", "object_reference"}  # by `name`
    statements |= {"flow_add"}  # by `flow`
    functions = {
        name for name in build.__all__ if callable(getattr(build, name)) and name.islower()
    }
    makers = {"concat", "fib", "rule", "secmark", "ct_helper", "ct_timeout", "ct_expectation"}
    makers |= {name for name in functions if name.endswith("_object")}
    places = {name for name in functions if isinstance(getattr(build, name), Field)}
    assert functions - statements - makers - places <= set(STATEMENTS)


@pytest.mark.parametrize(
    "text",
    [
        "rules = [{ tcp.dport = 22, counter = true, tcp.sport = 1 }]",
        "rules = [\n  # one\n  { tcp.dport = 22, 'counter' = true, 'tcp'.sport = 1 }, # }\n]",
        "rules = [[{ tcp.dport = 22 }, { counter = true }, { tcp.sport = 1 }]]",
        "rules = [[{ tcp.dport = 22, counter = true, tcp.sport = 1 }]]",
        "rules = [{ 'tcp dport' = 22, counter = true, 'tcp sport' = 1 }]",
        (
            "[[netfilter.inet.fw.chains.c.rules]]\ntcp.dport = 22\n# then\ncounter = true\n"
            "tcp.sport = 1"
        ),
    ],
)
def test_keys_go_in_the_order_of_the_text_whatever_tables_they_make(text: str) -> None:
    wanted = build.rule(build.tcp.dport == 22, build.counter(), build.tcp.sport == 1)
    assert rule_of(text) == wanted.within("inet", {})


def test_the_order_is_kept_where_all_of_the_table_is_one_statement() -> None:
    rules = "[{ ct.state = 'new', counter = true, ct.mark.set = 1 }]"
    inside = f"netfilter = {{ inet = {{ fw.chains = {{ c = {{ rules = {rules} }} }} }} }}"
    chain = table_of(inside).chains[0]
    wanted = build.rule(build.ct.state.any_of("new"), build.counter(), build.ct.mark.set(1))
    assert chain.rules == (wanted.within("inet", {}),)


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        ("1", ": expected text in nft's syntax, a table, or a list of tables, got 1"),
        ("{ }", ": has no matches and no statements"),
        ("[]", ": has no matches and no statements"),
        ("[1]", "[0]: expected a table in a list of such, got 1"),
        ("{ comment = 'a' }", ": has no matches and no statements"),
        ("{ counter = true, comment = '' }", "comment: is empty; leave it out"),
        (
            "[{ counter = true, comment = 'a' }, { comment = 'b' }]",
            "[1].comment: a rule has one comment",
        ),
        ("{ iifnam = 'lo' }", "iifnam: unknown; did you mean iifname?"),
        ("{ countr = true }", "countr: unknown; did you mean counter?"),
        ("{ tcp.dprt = 22 }", "tcp.dprt: unknown; did you mean dport?"),
        ("{ 'tcp dprt' = 22 }", '"tcp dprt": unknown; did you mean dport?'),
        ("{ ct.original.zon = 22 }", "ct.original.zon: unknown; did you mean zone?"),
        (
            "{ udplite = 22 }",
            "udplite: expected a table with one of dport, sport; got 22",
        ),
        ("{ accept = true }", 'accept: write verdict = "accept"'),
        ("{ jump = 'other' }", 'jump: write verdict = "jump other"'),
        (
            "{ not = { ip.saddr = '@friends' } }",
            'not: is said of a value: ip.saddr = { not = "@friends" }',
        ),
        (
            "{ verdict = 'accept', counter = true }",
            "counter: is never reached: the packet is decided on before",
        ),
        (
            "{ verdict = 'jump nowhere' }",
            "verdict: the table has no chain 'nowhere'; it has c, other",
        ),
        (
            "{ verdict.goto = 'nowhere' }",
            "verdict.goto: the table has no chain 'nowhere'; it has c, other",
        ),
        ("{ ip.saddr = '10.0.0.256' }", "ip.saddr: '10.0.0.256' is no ipv4_addr: "),
        ("{ tcp.dport.ge = 65536 }", "tcp.dport.ge: 65536 is no inet_service: "),
        ("{ tcp.dport = { not = 65536 } }", "tcp.dport.not: 65536 is no inet_service: "),
        ("{ tcp.dport = { nto = 1 } }", "tcp.dport.nto: unknown; did you mean not?"),
        ("{ tcp.dport = { in = 1 } }", "tcp.dport.in: expected a list of values, or "),
        ("{ tcp.dport = { and = 1 } }", "tcp.dport: expected what becomes of it: eq, ne, "),
        ("{ tcp.dport = { } }", "tcp.dport: expected what becomes of it: eq, ne, "),
        ("{ tcp.dport = { ge = 'a-b' } }", "tcp.dport.ge: 'a-b' is no inet_service"),
        ("{ tcp.dport = { map = {} } }", "tcp.dport.map: a map is what something is set to: "),
        ("{ meta.mark = { and = 1, set = 2 } }", "meta.mark: expected what becomes of it: eq, "),
        (
            "{ mark.set.'ip saddr . tcp dport' = {} }",
            'mark.set."ip saddr . tcp dport": several fields together need a map',
        ),
        ("{ iifname = ['@friends'] }", 'iifname[0]: a set stands alone: "@friends", in no list'),
        ("{ tcp.dport.set = 1 }", "tcp.dport.set: tcp dport cannot be set"),
        ("{ iif = 'lo' }", "iif: 'lo' is no iface_index; "),
        ("{ ip.saddr = '@freinds' }", "ip.saddr: the table has no set or map 'freinds'; it has "),
        ("{ ip.saddr = '@ways' }", "ip.saddr: set 'ways' has other keys: "),
        ("{ tcp.dport = '@ways' }", "tcp.dport: 'ways' is a map, not a set"),
        ("{ tcp.dport.vmap = '@friends' }", "tcp.dport.vmap: set 'friends' has other keys: "),
        ("{ tcp.dport.vmap = 1 }", "tcp.dport.vmap: expected a table of verdicts, or "),
        ("{ tcp.dport.vmap = { x = 'drop' } }", "tcp.dport.vmap: 'x' is no inet_service"),
        ("{ tcp.dport.vmap = { 1 = 'dorp' } }", "tcp.dport.vmap.1: expected one of accept, "),
        ("{ tcp.dport.vmap = { 1-5 = 'drop', 3 = 'drop' } }", "tcp.dport.vmap: two ranges have "),
        ("{ tcp.dport.vmap = { 22 = 'drop', ssh = 'accept' } }", "tcp.dport.vmap: has something "),
        ("{ ct.state = ['new', 'odl'] }", "ct.state[1]: 'odl' is no ct_state; "),
        ("{ 'ip saddr . tcp' = 1 }", '"ip saddr . tcp": unknown; '),
        ("{ 'ip saddr . tcp dport' = '10.0.0.1' }", '"ip saddr . tcp dport": expected a tuple '),
        ("{ 'ip saddr . tcp dport' = { and = 1 } }", "\"ip saddr . tcp dport\".and: 'and' is for "),
        ("{ meta.mark.set = { tcp.dport = 1 } }", "meta.mark.set.tcp.dport: expected a table "),
        ("{ meta.mark.set = { tcp.dport.map = 1 } }", "meta.mark.set.tcp.dport.map: expected a "),
        ("{ meta.mark.set = 'tcp dport' }", "meta.mark.set: is a mark, and tcp dport is not"),
        ("{ 'fib saddr . daddr type' = 1 }", '"fib saddr . daddr type": fib: expected either '),
        ("{ fib.saddr.type = 'missing' }", "fib.saddr.type: 'missing' is no fib_addrtype; "),
        ("{ counter = false }", "counter: expected true, or { name = … } of a counter, got False"),
        ("{ counter.name = 'wbe' }", "counter.name: the table has no counter 'wbe'; it has web"),
        ("{ counter = { nam = 'web' } }", "counter.nam: unknown; did you mean name?"),
        ("{ limit = true }", "limit: expected a table with rate, per, "),
        ("{ limit = { per = 'day' } }", "limit: lacks rate"),
        ("{ limit = { rate = 1, per = 'year' } }", "limit.per: expected one of second, minute, "),
        ("{ limit = { rate = 0 } }", "limit.rate: expected an integer from 1 to "),
        ("{ limit = { rate = 1, bust = 2 } }", "limit.bust: unknown field; did you mean burst?"),
        ("{ limit = { name = 'a', rate = 1 } }", "limit.rate: a limit by its name has nothing "),
        ("{ quota = { number = -1 } }", "quota.number: expected an integer from 0 to "),
        ("{ log.flags = ['al'] }", "log.flags: expected one of tcp sequence, "),
        ("{ log = { group = 1, level = 'info' } }", "log: a group takes no level and no flags"),
        ("{ reject.with = 'icmp none' }", "reject.with: expected one of tcp reset, "),
        ("{ reject = 'tcp reset' }", 'reject: expected true, or { with = "tcp reset" }, got '),
        ("{ dnat = { port = 80 } }", "dnat: lacks to"),
        ("{ dnat.to = 1 }", "dnat.to: expected an address, two, or a network, got 1"),
        ("{ dnat.to = '10.0.0.x' }", "dnat.to: expected an address, two, or a network, got "),
        ("{ dnat.to = '10.0.0.1:80' }", "dnat: ports need a match of the transport protocol "),
        ("{ tcp.dport = 1, dnat = { to = '10.0.0.1:80', port = 1 } }", "dnat.port: is in 'to' "),
        ("{ tcp.dport = 1, redirect.port = 'x' }", "redirect.port: expected a port, or two as "),
        ("{ tcp.dport = 1, redirect = { to = 1, port = 1 } }", "redirect.port: give either to or "),
        ("{ masquerade.random = 1 }", "masquerade.random: expected True or False, got 1"),
        ("{ queue.to = 65536 }", "queue.to: expected an integer from 0 to 65535, got 65536"),
        ("{ flow.add = '@slow' }", "flow.add: the table has no flowtable 'slow'; it has fast"),
        ("{ flow.add = 'fast' }", 'flow: expected { add = "@NAME" } of a flowtable, got '),
        ("{ ct.helper = 'ftp' }", "ct.helper: expected what it is set to, ct.helper.set = NAME"),
        ("{ ct.helper.set = 'sip' }", "ct.helper.set: the table has no ct helper 'sip'; it has "),
        ("{ synproxy.name = 'x' }", "synproxy.name: the table has no synproxy 'x'; it has none"),
        (
            "{ ip.saddr = '10.0.0.1', ip6.daddr = '::1' }",
            "ip6.daddr: needs a header of ip6, and the rule is about ip in a table of family inet",
        ),
        (f"{{ meta.mark = 0x{'f' * 5000} }}", "NUMBER"),
    ],
)
def test_a_mistake_is_told_so_that_it_can_be_mended(rule: str, mistake: str) -> None:
    if mistake == "NUMBER":
        (problem,) = error_of(f"{TABLE}rules = [{rule}]").problems
        assert problem.message == "is a number of more than 1024 bits"
        return
    (found,) = mistakes_of(rule)
    assert found.startswith(mistake)


def test_all_that_is_wrong_is_told_at_once_each_in_its_place() -> None:
    text = """\
[netfilter.inet.fw.chains.c]
hook = "input"
rules = [
  { iifnam = "lo", ip.saddr = "10.0.0.256" }, { tcp.dport = [1, 2, "x"], verdict = "acept" },
  [{ counter = true }, { log = { levl = "info", prefix = 1 } }],
]
[[netfilter.inet.fw.chains.d.rules]]
tcp.dport = 22
ct.mark.set = "x"
"""
    assert [(each.line, each.column, each.key) for each in error_of(text).problems] == [
        (4, 5, "rules[0].iifnam"),
        (4, 20, "rules[0].ip.saddr"),
        (4, 68, "rules[1].tcp.dport[2]"),
        (4, 74, "rules[1].verdict"),
        (5, 34, "rules[2][1].log.levl"),
        (5, 49, "rules[2][1].log.prefix"),
        (9, 1, "rules[0].ct.mark.set"),
    ]


def test_a_set_that_is_wrong_itself_is_told_once() -> None:
    text = (
        f"{TABLE}rules = [{{ ip.saddr = '@friends' }}, {{ iifnam = 'lo', ip.saddr = '@friends' }}]"
    )
    found = error_of(text.replace('"ipv4_addr"', '"ipv4_adr"')).problems
    assert [(each.section, each.key) for each in found] == [
        ("netfilter.inet.fw.sets.friends", "type"),
        ("netfilter.inet.fw.chains.c", "rules[1].iifnam"),
    ]


def test_all_kinds_of_objects_can_be_said() -> None:
    text = """\
[netfilter.inet.fw.ct_helpers.ftp]
helper = "ftp"
protocol = "tcp"
family = "ip"
[netfilter.inet.fw.ct_timeouts.short]
protocol = "udp"
policy = { unreplied = 5, replied = 10 }
comment = "quick"
[netfilter.inet.fw.ct_expectations.more]
protocol = "tcp"
port = 9876
timeout_ms = 60000
size = 12
[netfilter.inet.fw.synproxies.proxy]
mss = 1460
wscale = 7
[netfilter.inet.fw.secmarks.ours]
context = "system_u:object_r:x:s0"
"""
    assert table_of(text) == Table(
        "inet",
        "fw",
        objects=[
            build.ct_helper("ftp", "ftp", "tcp", family="ip"),
            build.ct_timeout("short", "udp", {"unreplied": 5, "replied": 10}, comment="quick"),
            build.ct_expectation("more", "tcp", 9876, 60000, 12),
            build.synproxy("proxy", 1460, 7),
            build.secmark("ours", "system_u:object_r:x:s0"),
        ],
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ct_helpers.a]\nhelper = 'ftp'", "1: [netfilter.inet.fw.ct_helpers.a]: lacks protocol"),
        (
            "ct_helpers.a]\nhelper = 'ftp'\nprotocol = 'x'",
            "3: [netfilter.inet.fw.ct_helpers.a] protocol: expected one of tcp, udp, got 'x'",
        ),
        (
            "ct_timeouts.a]\nprotocol = 'udp'\npolicy = 1",
            "3: [netfilter.inet.fw.ct_timeouts.a] policy: expected seconds by state, got 1",
        ),
        (
            "synproxies.a]\nmss = 0\nwscale = 7",
            "2: [netfilter.inet.fw.synproxies.a] mss: expected an integer from 1 to 65535, got 0",
        ),
        ("helpers.a]", "1: [netfilter.inet.fw] helpers: unknown field; did you mean ct_helpers?"),
    ],
)
def test_a_mistake_in_an_object_is_told(text: str, message: str) -> None:
    (problem,) = error_of(f"[netfilter.inet.fw.{text}").problems
    assert str(problem) == f"host.toml:{message}"
