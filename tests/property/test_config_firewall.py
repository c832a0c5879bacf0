"""Rules of a firewall in the file: whatever stands there is a rule, or a mistake that is told."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linx_async.config import parse
from linx_async.config.firewall_rule import RuleReader
from linx_async.config.firewall_rule_names import Names
from linx_async.config.origins import Origin, Origins
from linx_async.config.reading import Reading
from linx_async.netfilter import Rule, Set
from tests.config_problems import lines_of_problems
from tests.firewall_rules import WRITTEN

SETS = {
    "s": Set("s", "ipv4_addr"),
    "m": Set("m", "inet_service", data="verdict"),
    "d": Set("d", "inet_service", data="ipv4_addr"),
    "i": Set("i", "ifname", interval=True),
}
NAMES = Names(SETS, ["x"], ["c", "other"], ["f"], {"counter": ["n"], "ct helper": ["h"]})
FAMILIES = ["ip", "ip6", "inet", "arp", "bridge", "netdev"]

WORDS = st.sampled_from(
    (
        *("ip", "ip6", "tcp", "udp", "th", "icmp", "ct", "meta", "ether", "vlan", "fib", "rt"),
        *("saddr", "daddr", "dport", "sport", "flags", "state", "mark", "original", "type", "code"),
        *("tcp dport", "ip saddr . tcp dport", "fib daddr type", "fib saddr . iif", "ct helper"),
        *("iifname", "iif", "l4proto", "oif", "dscp", "zone", "protocol", "expiration", "helper"),
        *("eq", "ne", "!=", "<", "ge", "not", "in", "not_in", "and", "or", "xor", "vmap", "map"),
        *("set", "verdict", "jump", "counter", "limit", "quota", "log", "reject", "snat", "dnat"),
        *("masquerade", "redirect", "queue", "notrack", "flow", "synproxy", "comment", "name"),
        *("rate", "per", "burst", "number", "unit", "over", "prefix", "level", "group", "with"),
        *("to", "port", "random", "bypass", "add", "22", "*", "10.0.0.1 . 22", "1-5", "new"),
    )
)
VALUES = st.sampled_from(
    (
        *("@s", "@m", "@d", "@i", "@x", "@none", "@", "", "accept", "jump other", "goto none"),
        *("10.0.0.1", "10.0.0.0/8", "::1", "fe80::/10", "10.0.0.1-10.0.0.2", "10.0.0.1:80"),
        *("[::1]:80-90", ":80", "80-90", "90-80", "ssh", "new", "established", "syn|ack", "eth*"),
        *("ct mark", "meta mark", "fib saddr . daddr type", "n", "h", "tcp reset", "1:2", "30s"),
        *("minute", "mbytes", "info", "all", "missing", "exists", "echo-request", "tcp", "*", "\0"),
    )
)
SCALARS = st.one_of(
    *(VALUES, WORDS, st.text(max_size=8), st.booleans(), st.integers(), st.floats()),
    *(st.sampled_from([0, 1, 22, 65535, 65536, 2**32, 2**64, -1, 2**200]), st.dates()),
    *(st.just(datetime(2026, 1, 1, tzinfo=UTC)), st.just(time(1, 2, 3)), st.just(date(2026, 1, 1))),
)
ODD = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(WORDS, VALUES, st.text(max_size=4)), inner, max_size=3),
    ),
    max_leaves=12,
)


@given(ODD, st.sampled_from(FAMILIES))
def test_any_value_is_a_rule_or_mistakes_that_are_told(value: Any, family: str) -> None:
    check(value, family)


def check(value: Any, family: str) -> None:
    reading = Reading(Origins([Origin("", Path(), "")], [{}]))
    path = ("netfilter", family, "t", "chains", "c", "rules", 0)
    made = RuleReader(family, NAMES, reading).rule(path, value, 5)
    assert isinstance(made, Rule) or reading.findings or "@x" in repr(value)
    assert made is None or not reading.findings
    for finding in reading.findings:
        assert finding.path[: len(path)] == path
        assert finding.message.strip()


RULES: list[Any] = [
    tomllib.loads(f"a = {rule}")["a"] for section in WRITTEN for rule, _ in section.pairs
]


def replaced(value: Any, steps: list[int], odd: Any) -> Any:
    """A value with something odd in the place of a part of it."""
    if not steps or not isinstance(value, dict | list) or not value:
        return odd
    if isinstance(value, list):
        at = steps[0] % len(value)
        return [*value[:at], replaced(value[at], steps[1:], odd), *value[at + 1 :]]
    key = list(value)[steps[0] % len(value)]
    return {**value, key: replaced(value[key], steps[1:], odd)}


@given(st.sampled_from(RULES), st.lists(st.integers(0, 5), min_size=1, max_size=4), ODD)
def test_something_odd_in_a_rule_is_told(rule: Any, steps: list[int], odd: Any) -> None:
    check(replaced(rule, steps, odd), "inet")


PLAIN = st.recursive(
    st.one_of(VALUES.filter(str.isprintable), WORDS, st.booleans(), st.integers(-9, 99)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, VALUES), inner, max_size=3)
    ),
    max_leaves=10,
)


def toml(value: Any) -> str:
    """A value as it stands in a file."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {toml(v)}' for key, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


@given(PLAIN.filter(lambda value: not isinstance(value, str)))
def test_any_table_of_a_file_is_a_rule_or_mistakes_that_are_told_by_its_line(value: Any) -> None:
    text = f"[netfilter.inet.t.chains.c]\n\nrules = [\n\n{toml(value)}\n]"
    assert lines_of_problems(text) in ({5}, set())


SOUND = [
    ("tcp.dport", "22"),
    ("counter", "true"),
    ("tcp.sport.ge", "1024"),
    ("'ip ttl'", "{ lt = 5 }"),
    ("ip.saddr", "['10.0.0.1', '10.0.0.9']"),
    ("log.prefix", "'a'"),
    ("ct.state", "'new'"),
    ("ct.mark.set", "1"),
    ("meta.mark.set", "{ tcp.dport.map = { 22 = 1 } }"),
    ("meta.priority.set", "'1:2'"),
    ("ct.zone", "7"),
]


def rule_of(text: str) -> Any:
    (part,) = parse(f"[netfilter.inet.t.chains.c]\n{text}").parts
    made: Any = part.desired
    return made.chains[0].rules[0]


@given(st.permutations(SOUND), st.integers(1, len(SOUND)))
def test_keys_go_in_the_order_in_which_they_stand(
    entries: list[tuple[str, str]], size: int
) -> None:
    said = [f"{key} = {value}" for key, value in entries[:size]]
    apart = rule_of(f"rules = [[{', '.join(f'{{ {each} }}' for each in said)}]]")
    assert rule_of(f"rules = [{{ {', '.join(said)} }}]") == apart
    lines = "\n".join(said)
    assert rule_of(f"[[netfilter.inet.t.chains.c.rules]]\n{lines}") == apart
