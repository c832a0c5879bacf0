"""Firewall tables as nft's text in the file of desired state, and what nft says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from linx_async.config import parse
from linx_async.netfilter import Rule, Table, Text
from linx_async.netfilter import parse as nft_table
from tests.config_problems import error_of
from tests.kernel.nft_program import nft_or_skip

FW = """\
table inet fw {
    chain input {
        type filter hook input priority filter; policy drop;
        tcp dport { 22, 443 } accept
    }
}
"""
NAT = """\
table ip nat {
    chain post {
        type nat hook postrouting priority srcnat;
        oifname "wan0" masquerade
    }
}
"""


@pytest.fixture(autouse=True)
def needs_nft() -> None:
    nft_or_skip()


def tables_of(text: str) -> list[Table]:
    return [part.desired for part in parse(text).parts]


def places_of(text: str) -> list[tuple[int | None, int | None, str]]:
    return [(each.line, each.column, each.key) for each in error_of(text).problems]


@pytest.mark.parametrize(
    "text",
    [
        f"[netfilter]\ntext = '''\n{FW}{NAT}'''",
        f'[netfilter]\ntext = """\n{FW}{NAT.replace(chr(34), chr(92) + chr(34))}"""',
        f"[netfilter.inet.fw]\ntext = '''{FW}'''\n[netfilter.ip.nat]\ntext = '''{NAT}'''",
        f"[netfilter]\ntext = '''flush ruleset\n{FW}'''\n[netfilter.ip.nat]\ntext = '''{NAT}'''",
    ],
)
def test_a_table_is_the_same_wherever_its_text_stands(text: str) -> None:
    assert tables_of(text) == [nft_table(FW), nft_table(NAT)]


def test_a_file_of_nft_is_read_with_what_it_includes(tmp_path: Path) -> None:
    (tmp_path / "nat.nft").write_text(NAT)
    (tmp_path / "fw.nft").write_text(f'include "{tmp_path}/nat.nft"\n{FW}')
    made = parse("[netfilter]\nfile = 'fw.nft'", file=str(tmp_path / "host.toml")).parts
    assert [part.name for part in made] == ["netfilter ip nat", "netfilter inet fw"]


def test_rules_are_compiled_when_they_are_needed_and_text_is_compiled_at_once() -> None:
    (made,) = tables_of("[netfilter.ip.a.chains.c]\nrules = ['tcp dport 22 accept']")
    assert made.chains[0].rules == (Text("tcp dport 22 accept"),)
    (made,) = tables_of("[netfilter]\ntext = '''table ip a {\nchain c {\naccept\n}\n}'''")
    assert isinstance(made.chains[0].rules[0], Rule)


def test_rules_may_name_the_sets_and_chains_of_their_table() -> None:
    text = """\
[netfilter.ip.a.sets.s]
type = "ipv4_addr"
[netfilter.ip.a.counters.n]
[netfilter.ip.a.chains.first]
rules = ['ip saddr @s counter name "n" jump last']
[netfilter.ip.a.chains.last]
"""
    (made,) = tables_of(text)
    assert [chain.name for chain in made.chains] == ["first", "last"]


def test_a_rule_may_name_an_interface_that_comes_later() -> None:
    (made,) = tables_of("[netfilter.ip.a.chains.c]\nrules = ['iif \"later0\" accept']")
    assert made.texts == ('iif "later0" accept',)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[netfilter]\ntext = '''\ntable ip a {\n  chain c {\n   tcp dprt 1\n}\n}\n'''", 5, 8),
        ("[netfilter]\ntext = '''table ip a {\n  chain c {\n   tcp dprt 1\n}\n}\n'''", 4, 8),
        ('[netfilter]\n  text = """table ip1 a { }"""', 2, 23),
        ("[netfilter]\ntext = 'table ip1 a { }'", 2, 19),
        ("[netfilter.ip.a]\ntext = '''\ntable ip a {\n\tchain c {\n\ttcp dprt 1\n}\n}\n'''", 5, 6),
        ("netfilter.text = '''\n# ä\ntable ip a { chain \"ä\" { }\n}\n'''", 3, 20),
    ],
)
def test_what_nft_says_is_told_by_the_line_and_the_column_of_the_file(
    text: str, line: int, column: int
) -> None:
    first = error_of(text).problems[0]
    assert (first.line, first.column, first.exact) == (line, column, True)
    assert first.message.startswith("nft: ")


def test_text_with_escapes_is_told_by_the_place_in_it() -> None:
    problem = error_of('[netfilter]\n\ntext = "table ip a {\\n foo }"').problems[0]
    assert (problem.line, problem.exact) == (3, False)
    assert problem.message.startswith("line 2, column 2: nft: ")


def test_each_rule_that_is_wrong_is_told_by_its_own_place() -> None:
    text = """\
[netfilter.ip.a.chains.c]
rules = [
  "tcp dport 22 accept",
  "  tcp dprt 22 accept", 'accept', "tcp dport 99999 accept",
  '''

    udp dport 53 acept
  ''',
]
[netfilter.ip.a.chains.d]
rules = ["udp dport 99999"]
"""
    assert places_of(text) == [
        (4, 10, "rules[1]"),
        (4, 48, "rules[3]"),
        (7, 23, "rules[4]"),
        (11, 21, "rules[0]"),
    ]


def test_what_is_wrong_with_another_file_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "fw.nft").write_text("table ip a {\n chain c {\n  ä tcp dprt 1\n }\n}\n")
    file = str(tmp_path / "host.toml")
    problems = error_of("[netfilter]\nfile = 'fw.nft'\n[sysctl]\na.b = 1.5", file).problems
    assert [(each.file, each.line) for each in problems][:2] == [
        (file, 4),
        (f"{tmp_path}/fw.nft", 3),
    ]
    assert str(problems[1]).startswith(f"{tmp_path}/fw.nft:3:3: nft: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"[netfilter.inet.a]\ntext = '''{FW}'''",
            "2: [netfilter.inet.a] text: expected the table inet a alone, found inet fw",
        ),
        (
            f"[netfilter.inet.fw]\ntext = '''{FW}{NAT}'''",
            (
                "2: [netfilter.inet.fw] text: expected the table inet fw alone, found inet fw, "
                "ip nat"
            ),
        ),
        (
            "[netfilter]\ntext = '# nothing'",
            "2: [netfilter] text: there is no table in it: table inet NAME { … }",
        ),
        (
            f"[netfilter.inet.fw]\n[netfilter]\ntext = '''{FW}'''",
            "1: [netfilter.inet.fw]: table inet fw is declared already, first on line 3",
        ),
        (
            "[netfilter.ip.'a b'.chains.c]\nrules = ['accept']",
            "1: [netfilter.ip.\"a b\"]: table ip a b: nft's syntax has no way to say 'a b'",
        ),
    ],
)
def test_a_mistake_is_told_so_that_it_can_be_mended(text: str, message: str) -> None:
    (problem,) = error_of(text).problems
    assert str(problem).startswith(f"host.toml:{message}")
