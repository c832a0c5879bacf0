"""What holds for every TOML document, whatever it says, and however it is cut into files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linx_async.config import ConfigError, HostConfig, Problem, load, parse
from linx_async.config.options import OPTIONS
from linx_async.config.problems import dotted


def inline(table: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{dotted([key])} = {value}' for key, value in table.items())}}}"


KNOWN = st.sampled_from(
    [
        *("sysctl", "cgroup", "rtnl", "netfilter", "netns", "options", "path", "pid", "blue"),
        *("net", "ipv4", "net.ipv4.ip_forward", "memory", "max", "io.max", "8:0", "a/b", "eth0"),
        *("links", "routes", "rules", "addresses", "nexthops", "destination", "gateway", "up"),
        *("inet", "ip", "fw", "chains", "sets", "elements", "hook", "type", "file", "devices"),
        *("counters", "flowtables", "ct_timeouts", "policy", "tcp", "dport", "verdict", "counter"),
        *OPTIONS,
    ]
)
KEYS = st.one_of(KNOWN, st.text("ab. \"'é\n{}", max_size=3))
SCALARS = st.one_of(
    st.sampled_from(
        [
            *('"10.0.0.1"', '"10.0.0.0/8"', '"eth0"', '"default"', '"input"', '"ipv4_addr"', '""'),
            *(
                "0",
                "1",
                "-1",
                "76",
                "0xffffffffffffffffffff",
                "true",
                "false",
                "1.5",
                "nan",
                "-inf",
            ),
            *("1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", '"/a"', '"replace"', '"{above}"'),
            f"0x{'f' * 5000}",
        ]
    ),
    st.text(max_size=5).map(lambda text: json.dumps(text).replace("\x7f", "\\u007f")),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(KEYS, inner, max_size=3).map(inline),
    ),
    max_leaves=8,
)


def written(tables: list[tuple[list[str], bool, dict[str, str]]]) -> str:
    """Tables with their headers."""
    lines = []
    for path, many, fields in tables:
        lines.append(f"[[{dotted(path)}]]" if many else f"[{dotted(path)}]")
        lines += [f"{dotted([key])} = {value}" for key, value in fields.items()]
    return "\n".join(lines)


TABLES = st.lists(
    st.tuples(
        st.lists(KEYS, min_size=1, max_size=4),
        st.booleans(),
        st.dictionaries(KEYS, VALUES, max_size=3),
    ),
    max_size=4,
).map(written)


def outcome_of(text: str) -> HostConfig | tuple[Problem, ...]:
    try:
        return parse(text)
    except ConfigError as error:
        return error.problems


@given(TABLES)
def test_any_document_is_a_configuration_or_has_problems_with_places(text: str) -> None:
    outcome = outcome_of(text)
    if isinstance(outcome, HostConfig):
        for part in outcome.parts:
            part.source().check(part.desired)
        return
    assert outcome
    for problem in outcome:
        assert problem.message
        assert str(problem).isprintable()
        assert problem.line is None or 1 <= problem.line <= text.count("\n") + 1


@given(st.sampled_from(["sysctl", "cgroup", "rtnl", "netfilter", "netns", "options"]), VALUES)
def test_any_value_may_be_in_the_place_of_a_section(name: str, value: str) -> None:
    assert outcome_of(f"{name} = {value}") is not None
    assert outcome_of(f"netns.a.{name} = {value}") is not None
    assert outcome_of(f"[[{name}]]\na = {value}") is not None


@given(
    st.sampled_from([1, 20, 63, 64, 300, 2000]),
    st.sampled_from(["sysctl", "netns", "rtnl.links", "x"]),
)
def test_a_document_may_be_nested_as_deeply_as_toml_allows(depth: int, top: str) -> None:
    for text in (
        f"[{top}.{'.'.join(['a'] * depth)}]\nb = 1",
        f"{top}.{'.'.join(['a'] * depth)} = 1",
        f"{top}.a = {'[' * depth}{']' * depth}",
        f"{top}.a = {'{a = ' * depth}1{'}' * depth}",
    ):
        outcome = outcome_of(text)
        assert depth < 64 or not isinstance(outcome, HostConfig)


SETTINGS = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c.d", "e"]), min_size=2, max_size=3).map(tuple),
    st.integers(0, 3),
    max_size=8,
)


@given(st.lists(SETTINGS, min_size=1, max_size=3))
def test_files_say_what_one_file_would_that_has_all_their_statements(
    tmp_path_factory: Any, several: list[dict[tuple[str, ...], int]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("host")
    texts = [
        "".join(f"{dotted(('sysctl', *path))} = {value}\n" for path, value in each.items())
        for each in several
    ]
    for number, text in enumerate(texts):
        (folder / f"{number}.toml").write_text(text)
    try:
        tomllib.loads("".join(texts))
    except tomllib.TOMLDecodeError:
        twice = True
    else:
        twice = False
    one = outcome_of("".join(texts))
    found = loaded(folder)
    if isinstance(found, HostConfig):
        assert not twice
        assert isinstance(one, HostConfig)
        assert found.parts == one.parts
    else:
        assert not isinstance(one, HostConfig)
        assert all(problem.line for problem in found)


def loaded(folder: Path) -> HostConfig | tuple[Problem, ...]:
    try:
        return load(folder)
    except ConfigError as error:
        return error.problems
