from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from linx_async._core.errors import DesiredStateError
from linx_async.netfilter.text.cache import Cache
from linx_async.netfilter.text.compiler import compile_now
from linx_async.netfilter.text.errors import Complaint, TextError, complaints_of, located
from linx_async.netfilter.text.raw import RawSet, RawTable

TWO = """\
/dev/stdin:4:11-19: Error: Could not resolve hostname: Name or service not known
 ip saddr 1.2.3.400 drop
          ^^^^^^^^^
/dev/stdin:5:6-11: Error: Interface does not exist
 iif "eth7" accept
     ^^^^^^
"""
INCLUDED = """\
In file included from /dev/stdin:2:1-23:
/etc/more.nft:1:29-29: Error: syntax error, unexpected '}'
table ip y { chain z { frob } }
                            ^
/dev/stdin:3:1-1: Error: syntax error, unexpected end of file
#a
^
"""


def test_all_that_nft_complains_of_is_told_with_its_place_and_its_source_line() -> None:
    first, second = complaints_of(TWO)
    assert first == Complaint(
        "Could not resolve hostname: Name or service not known",
        line=4,
        column=11,
        last_column=19,
        excerpt=" ip saddr 1.2.3.400 drop\n          ^^^^^^^^^",
    )
    assert (second.line, second.column, second.meant) == (5, 6, '"eth7"')


def test_a_complaint_about_an_included_file_names_it() -> None:
    included, after = complaints_of(INCLUDED)
    assert (included.file, included.line, included.column) == ("/etc/more.nft", 1, 29)
    assert included.excerpt.startswith("table ip y")
    assert (after.file, after.line) == (None, 3)


def test_complaints_without_a_place_are_told_as_well() -> None:
    assert complaints_of("Error: Could not process rule: No such file or directory\n") == [
        Complaint("Could not process rule: No such file or directory")
    ]
    assert complaints_of("netlink: Error: Could not process rule: Device busy\n") == [
        Complaint("Could not process rule: Device busy")
    ]


def test_warnings_are_no_complaints() -> None:
    told = "/dev/stdin:1:1-3: Warning: old\nabc\n^^^\n/dev/stdin:2:1-1: Error: bad\nx\n^\n"
    assert [each.words for each in complaints_of(told)] == ["bad"]


@given(st.text() | st.text("/:-0123456789 Error:\n^"))
def test_whatever_nft_says_can_be_read(told: str) -> None:
    for complaint in complaints_of(told):
        assert str(complaint)
        assert isinstance(complaint.meant, str)


def test_an_error_says_who_where_and_in_nfts_words_and_what_to_do() -> None:
    error = TextError(complaints_of(TWO), "nftables v1.0.6")
    assert (error.line, error.column) == (4, 11)
    assert (
        str(error)
        == """\
nft text: nftables v1.0.6 says:
line 4, column 11: Could not resolve hostname: Name or service not known (the text is compiled in a\
 namespace without a network, where no DNS answers: write the address)
     ip saddr 1.2.3.400 drop
              ^^^^^^^^^
line 5, column 6: Interface does not exist (iif and oif want the interface's index, so it has to be\
 there; iifname and oifname do not)
     iif "eth7" accept
         ^^^^^^"""
    )


def test_an_error_is_moved_to_its_place_in_a_piece_of_the_text() -> None:
    error = located(TextError(complaints_of(TWO), "nft"), 3)
    assert [each.line for each in error.complaints] == [1, 2]
    assert error.column == 11
    assert error.version == "nft"


def test_columns_are_moved_on_the_first_line_of_the_piece_alone() -> None:
    first, second = located(TextError(complaints_of(TWO)), 3, 1).complaints
    assert (first.column, first.last_column, first.meant) == (10, 18, "1.2.3.400")
    assert (second.column, second.meant) == (6, '"eth7"')


@pytest.mark.parametrize(("lines", "columns"), [(4, 0), (3, 11)])
def test_what_is_before_the_piece_keeps_its_place(lines: int, columns: int) -> None:
    error = TextError(complaints_of(TWO)[:1])
    assert located(error, lines, columns).complaints == error.complaints


def test_what_is_in_an_included_file_or_has_no_place_keeps_its_place() -> None:
    error = TextError([*complaints_of(INCLUDED)[:1], Complaint("no")])
    assert located(error, 1).complaints == error.complaints


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"text": b"x"}, "nft text: expected text, got b'x'"),
        ({"text": "a\nb\0"}, "nft text: line 2, column 2: a NUL"),
        ({"text": "a\n\udc80"}, r"nft text: line 2, column 1: '\udc80', which cannot be encoded"),
        ({"links": {"a/b": 1}}, "links: 'a/b' is no name of an interface"),
        ({"links": {"a": 0}}, "links: a: expected an integer from 1 to 2147483647, got 0"),
        ({"links": {"a": True}}, "links: a: expected an integer"),
        ({"text": "a b", "links": {"a": 3, "b": 3}}, "links: a and b have the same index, 3"),
        ({"defines": {"1a": "x"}}, "defines: expected the name of a variable, got '1a'"),
        ({"defines": {"a": "x; y"}}, "defines: a: expected text in one statement, got 'x; y'"),
        ({"defines": {"a": "x\n"}}, "defines: a: expected text in one statement"),
        ({"defines": {"a": 1}}, "defines: a: expected text in one statement, got 1"),
        ({"limit": 0}, "limit: expected seconds above 0, got 0"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_started(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(DesiredStateError) as caught:
        compile_now(**{"text": "", "program": "/nonexistent", **wrong})
    assert said in str(caught.value)


def table(name: str, size: int = 10) -> tuple[RawTable, ...]:
    return (RawTable("inet", name, bytes(size), (), (), (), (), ()),)


def test_all_bytes_of_a_table_count() -> None:
    sets = (RawSet("s", bytes(3), (bytes(4), bytes(5))),)
    one = RawTable("ip", "x", bytes(1), (bytes(2),), (bytes(6),), sets, (bytes(7),), (bytes(8),))
    assert one.size == 1 + 2 + 6 + 3 + 4 + 5 + 7 + 8


def test_texts_count_as_well_but_tell_no_tables_apart() -> None:
    (plain,) = table("a")
    told = evolve(plain, texts={1: "accept"})
    assert told == plain
    assert told.size == plain.size + len("accept")


def test_what_was_unused_for_longest_is_forgotten_first() -> None:
    cache = Cache(most=2)
    cache.put("a", table("a"))
    cache.put("b", table("b"))
    cache.get("a")
    cache.put("c", table("c"))
    assert [cache.get(key) for key in "abc"] == [table("a"), None, table("c")]


def test_big_tables_push_others_out_and_the_biggest_are_not_kept() -> None:
    cache = Cache(most_bytes=30)
    for key in "abc":
        cache.put(key, table(key))
    cache.put("huge", table("huge", 31))
    cache.put("big", table("big", 20))
    assert [cache.get(key) is not None for key in ("a", "b", "c", "huge", "big")] == [
        False,
        False,
        True,
        False,
        True,
    ]


def test_what_is_put_again_counts_once() -> None:
    cache = Cache(most_bytes=30)
    for _ in range(5):
        cache.put("a", table("a"))
    cache.put("b", table("b"))
    assert cache.get("a") == table("a")
