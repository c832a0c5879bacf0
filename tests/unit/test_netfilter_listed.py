from __future__ import annotations

import pickle

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from linx_async.netfilter import Rule
from linx_async.netfilter.text.listed import listed_rules

LISTING = """\
table inet fw { # handle 1
	comment "a table"
	set s { # handle 3
		type ipv4_addr
		flags interval
	}

	chain b { # handle 1
		comment "a chain # handle 7"
		counter comment "a # handle 9" # handle 5
	}

	chain c { # handle 2
		type filter hook input priority filter; policy drop;
		tcp dport { 22, 80 } accept comment "ssh" # handle 8
		jump {
			tcp dport 5 accept
			udp dport 7 goto {
				counter
			}
		} comment "inner" # handle 16
		meta l4proto vmap { tcp : accept,
			udp : jump b } # handle 19
	}
}
table ip6 x y { # handle 2
	chain x { # handle 1
		accept # handle 2
	}
}
# new generation 2 by process 21713 (nft)
"""


def test_rules_are_found_by_table_and_handle_each_in_a_line_that_nft_takes() -> None:
    assert listed_rules(LISTING) == {
        ("inet", "fw"): {
            5: 'counter comment "a # handle 9"',
            8: 'tcp dport { 22, 80 } accept comment "ssh"',
            16: 'jump { tcp dport 5 accept; udp dport 7 goto { counter; }; } comment "inner"',
            19: "meta l4proto vmap { tcp : accept, udp : jump b }",
        },
        ("ip6", "x y"): {2: "accept"},
    }


def in_a_chain(*lines: str) -> str:
    """What nft lists of a table with a chain of such rules."""
    rules = [f"\t\t{line}" for line in lines]
    return "\n".join(["table ip t { # handle 1", "\tchain c { # handle 1", *rules, "\t}", "}", ""])


def test_a_comment_of_more_than_one_line_cannot_pass_for_another_rule() -> None:
    forged = 'drop comment "x\n\t\taccept # handle 3\n" # handle 2'
    assert listed_rules(in_a_chain(forged, "drop # handle 3")) == {}


def test_characters_that_a_terminal_would_obey_are_shown_and_not_sent() -> None:
    (rules,) = listed_rules(in_a_chain('log prefix "\x1b[2J\r\u202e\tü" # handle 2')).values()
    assert rules == {2: 'log prefix "\\x1b[2J\\r\\u202e\\tü"'}


def test_of_a_very_long_rule_the_beginning_is_shown() -> None:
    ports = ", ".join(map(str, range(10_000)))
    (rules,) = listed_rules(in_a_chain(f"tcp dport {{ {ports} }} accept # handle 2")).values()
    assert rules[2].startswith("tcp dport { 0, 1, 2, ")
    assert rules[2].endswith("…")
    assert len(rules[2]) == 2001


LINES = st.sampled_from([*LISTING.split("\n"), f"\t\tx\udc00 # handle {9**20}", "\t\t{"])


@given(st.lists(LINES | st.text(max_size=30)).map("\n".join))
def test_whatever_is_listed_all_that_is_shown_can_be_printed(listing: str) -> None:
    for rules in listed_rules(listing).values():
        assert all(text.isprintable() for text in rules.values())


def test_the_text_of_a_rule_makes_no_difference_and_goes_where_it_goes() -> None:
    rule = Rule(b"")
    told = evolve(rule, text="accept")
    assert (told, hash(told)) == (rule, hash(rule))
    assert pickle.loads(pickle.dumps(told)).text == "accept"
