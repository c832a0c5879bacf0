"""TOML that is written says what was to be said, whatever that is."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async import DesiredStateError
from linx_async.config.writing import (
    comment,
    dotted_key,
    entries,
    header,
    key_text,
    long_text,
    toml,
    value_text,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)
documents = st.dictionaries(texts, values, max_size=6)


@given(documents)
def test_a_document_comes_back_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml(document)) == document


@given(st.lists(texts, min_size=1, max_size=4), texts, values)
def test_a_table_by_its_header_holds_what_follows(path: list[str], name: str, value: Any) -> None:
    found: Any = tomllib.loads(f"{header(path)}\n{key_text(name)} = {value_text(value)}\n")
    for key in path:
        found = found[key]
    assert found == {name: value}


newlines = texts | st.lists(st.sampled_from(["'", '"', "\\", "\n", "\r", "\t", "a"])).map("".join)


@given(texts, newlines)
def test_text_of_several_lines_comes_back_as_it_was(name: str, text: str) -> None:
    assert tomllib.loads(long_text(name, text)) == {name: text}


def test_text_of_several_lines_stays_readable() -> None:
    assert long_text("text", 'a "b"\n\tc\n') == "text = '''\na \"b\"\n\tc\n'''"


@given(st.text(), st.lists(st.tuples(scalars, st.text())))
def test_remarks_say_nothing(remark: str, items: list[tuple[Any, str]]) -> None:
    lines = [*comment(remark), *entries("a", items)]
    assert tomllib.loads("\n".join(lines)) == {"a": [value for value, _ in items]}


def test_keys_with_dots_need_quotes_where_a_part_does() -> None:
    assert dotted_key("net.ipv4.ip_forward") == "net.ipv4.ip_forward"
    assert dotted_key("net/ipv4/conf/eth0.1/arp_ignore") == '"net/ipv4/conf/eth0.1/arp_ignore"'
    assert dotted_key("a..b") == '"a..b"'


@pytest.mark.parametrize("value", [None, b"a", 2**63, {"a": object()}, ["\udcff"], {"\udcff": 1}])
def test_what_toml_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(DesiredStateError):
        toml({"key": value})
