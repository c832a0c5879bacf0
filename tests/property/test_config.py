"""What holds for every file of desired state, whatever is in it."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from linx_async.config import parse
from linx_async.config.locate import Places, statements
from linx_async.config.problems import dotted
from linx_async.config.text import parsed
from tests.config_problems import problems_in

KEYS = st.text("ab.-\"'#[]= é", min_size=1, max_size=4)

# Whatever could be taken for the end of a line, a string or a bracket.
INSIDE = st.text("ab\"'#[]{}= ,\\é", max_size=6)


def basic(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(text: str) -> str:
    return f"'{text.replace(chr(39), '')}'"


def long_basic(lines: list[str]) -> str:
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', '""\\"')
    return f'"""{text}"""' if not text.endswith('"') else f'"""{text[:-1]}\\""""'


def long_literal(lines: list[str]) -> str:
    return f"'''{chr(10).join(lines).replace(chr(39), '')}'''"


def array(items: list[str], comment: str) -> str:
    inside = "".join(f"  {item}, # {comment}\n" for item in items)
    return f"[ # {comment}\n{inside}]"


texts = st.one_of(
    INSIDE.map(basic),
    INSIDE.map(literal),
    st.lists(INSIDE, max_size=3).map(long_basic),
    st.lists(INSIDE, max_size=3).map(long_literal),
    st.sampled_from(["1", "true", "1.5", "1979-05-27", '"""a"""""', "'''a'''''", '""', "''"]),
)
values = st.recursive(
    texts,
    lambda inner: st.one_of(
        st.builds(array, st.lists(inner, max_size=3), INSIDE),
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(inner, max_size=2).map(
            lambda items: f"{{{', '.join(f'k{i} = {item}' for i, item in enumerate(items))}}}"
        ),
    ),
    max_leaves=4,
)
settings = st.builds(
    lambda path, value, space, comment: f"{space}{dotted(path)} = {value}{space}# {comment}",
    st.lists(KEYS, min_size=1, max_size=3),
    values,
    st.sampled_from(["", " ", "\t "]),
    INSIDE,
)
headers = st.builds(
    lambda path, comment: f"[{dotted(path)}] # {comment}",
    st.lists(KEYS, min_size=1, max_size=3),
    INSIDE,
)
arrays_of_tables = st.builds(
    lambda path, comment: f"[[{dotted(path)}]] # {comment}",
    st.lists(KEYS, min_size=1, max_size=2),
    INSIDE,
)
nothing = st.one_of(st.sampled_from(["", "  "]), INSIDE.map(lambda text: f"# {text}"))


@given(st.lists(st.one_of(settings, headers, nothing), max_size=8))
def test_a_statement_is_found_on_its_lines_whatever_is_in_it(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    wanted, offset = [], 0
    for piece in pieces:
        if piece.strip() and not piece.strip().startswith("#"):
            wanted.append((offset + len(piece) - len(piece.lstrip()), offset + len(piece)))
        offset += len(piece) + 1
    assert [(each.start, each.end) for each in statements(text)] == wanted
    assert all(each.closed for each in statements(text))


@given(st.lists(st.one_of(settings, nothing), max_size=6))
def test_a_statement_is_the_shortest_run_of_lines_that_toml_takes(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    for statement in statements(text):
        tomllib.loads(statement.text)
        lines = statement.text.split("\n")
        for count in range(1, len(lines)):
            assert not is_toml("\n".join(lines[:count]))


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


@given(st.lists(st.one_of(settings, headers, arrays_of_tables, nothing), max_size=8))
def test_every_path_of_a_document_has_a_line_of_its_statement(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    if not is_toml(text):
        return
    places = Places(text)
    lines: set[int] = set()
    for each in statements(text):
        first = text.count("\n", 0, each.start) + 1
        lines.update(range(first, first + each.text.count("\n") + 1))
    for path in paths_in(tomllib.loads(text)):
        place = places.find(path)
        assert place is not None
        assert place[0] in lines


Path = tuple[str | int, ...]


def paths_in(value: object, above: Path = ()) -> list[Path]:
    here = [above] if above else []
    if isinstance(value, dict):
        inside: list[tuple[str | int, object]] = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    else:
        return here
    return here + [path for key, inner in inside for path in paths_in(inner, (*above, key))]


elements = st.recursive(
    st.one_of(INSIDE.map(basic), INSIDE.map(literal), st.sampled_from(["1", "{k = [1, 2]}"])),
    lambda inner: st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=3,
)


@given(st.lists(st.tuples(elements, INSIDE), max_size=5), KEYS.map(basic))
def test_an_element_of_an_array_is_found_where_it_stands(
    items: list[tuple[str, str]], key: str
) -> None:
    lines = [f"  {item}, # {comment}" for item, comment in items]
    places = Places("\n".join([f"a.{key} = [", *lines, "]"]))
    (name,) = tomllib.loads(f"{key} = 1")
    for number in range(len(items)):
        assert places.find(("a", name, number)) == (number + 2, 3)


@given(st.lists(st.integers(0, 2), max_size=8))
def test_a_table_of_an_array_is_found_by_its_place(pieces: list[int]) -> None:
    text = "\n".join(["[[a]]", "[[a.b]]", "k = 1"][piece] for piece in [0, *pieces])
    if not is_toml(text):
        return
    places = Places(text)
    found = [
        place
        for number, table in enumerate(tomllib.loads(text)["a"])
        for place in [
            places.find(("a", number)),
            *(places.find(("a", number, "b", inner)) for inner in range(len(table.get("b", [])))),
        ]
    ]
    headers = [number for number, line in enumerate(text.split("\n"), 1) if line[0] == "["]
    assert found == [(line, 1) for line in headers]


@given(st.lists(settings, max_size=4), st.lists(settings, max_size=4), st.data())
def test_a_broken_statement_is_told_with_its_line_and_the_others_are_read(
    before: list[str], after: list[str], data: st.DataObject
) -> None:
    before = [f"a{i}.{piece.lstrip()}" for i, piece in enumerate(before)]
    after = [f"b{i}.{piece.lstrip()}" for i, piece in enumerate(after)]
    broken = data.draw(st.sampled_from(["c = !", "c", "c = 'a", "= 1", "c = [1, !]", "c = 1 2"]))
    line = "\n".join([*before, ""]).count("\n") + 1
    result = parsed("f", "\n".join([*before, broken, *after]))
    assert [problem.line for problem in result.problems] == [line]
    assert result.document == tomllib.loads("\n".join([*before, *after]))


soup = st.lists(
    st.one_of(
        settings,
        headers,
        st.sampled_from(
            ["[sysctl]", "[cgroup.a]", "[cgroup]", "net.a = 1", "memory.max = 1", '"a/b" = 2', "x"]
        ),
        st.text("abc=[]{}\"'#.,\\\n \r\t1é\0", max_size=12),
    ),
    max_size=10,
).map("\n".join)


@given(st.one_of(soup, st.text()))
def test_any_text_is_either_a_host_or_refused_with_places_in_it(text: str) -> None:
    lines = text.replace("\r\n", "\n").split("\n")
    for problem in problems_in(text):
        assert problem.line is None or 1 <= problem.line <= len(lines)
        if problem.line is not None and problem.column is not None:
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert str(problem).isprintable()


FIELDS = ("destination", "gateway", "interface", "address", "group", "table", "family", "kind")
KNOWN = st.sampled_from(
    [
        *(*FIELDS, "up", "mtu", "prefix_length", "label", "scope", "nexthops", "nexthop_id", "id"),
        *("type", "metric", "metrics", "priority", "action", "goto", "fwmark", "fwmask", "tos"),
        *("uid_range", "source_ports", "lladdr", "state", "proxy", "blackhole", "parameters"),
        *("peer", "netns", "altnames", "source", "preference", "valid_lifetime", "weight", "name"),
    ]
)
PLAUSIBLE = st.recursive(
    st.sampled_from(
        [
            *('"10.0.0.1"', '"10.0.0.0/8"', '"fe80::1"', '"eth0"', '"default"', '"unicast"', '""'),
            *("0", "1", "-1", "24", "6", "4294967296", "true", "false", "1.5", "nan", "1979-05-27"),
            *('"02:00:00:00:00:01"', '"veth"', '"permanent"', '"lookup"', '"main"', '"/a"'),
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(KNOWN, inner, max_size=3).map(
            lambda table: f"{{{', '.join(f'{key} = {value}' for key, value in table.items())}}}"
        ),
    ),
    max_leaves=4,
)
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("[[rtnl.addresses]]", "[[rtnl.routes]]", "[[rtnl.rules]]", "[rtnl.links.a]"),
                *("[[rtnl.neighbours]]", "[[rtnl.nexthops]]", "[rtnl]", "[rtnl.routes]"),
            ]
        ),
        st.dictionaries(KNOWN, PLAUSIBLE, max_size=4),
    ),
    max_size=4,
)


@given(ENTRIES)
def test_any_entries_of_a_network_are_taken_or_refused_with_their_places(
    entries: list[tuple[str, dict[str, str]]],
) -> None:
    text = "\n".join(
        line
        for header, fields in entries
        for line in [header, *(f"{key} = {value}" for key, value in fields.items())]
    )
    lines = text.split("\n")
    for problem in problems_in(text):
        assert problem.line is not None
        assert 1 <= problem.line <= len(lines)
        assert str(problem).isprintable()


words = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=6)


@given(st.lists(words, min_size=2, max_size=5), words)
def test_a_key_means_the_same_in_every_spelling(parts: list[str], interface: str) -> None:
    nested = [*parts, f"{interface}.100", "x"]
    for path, spellings in (
        (parts, [dotted(parts), f'"{".".join(parts)}"', f'"{"/".join(parts)}"']),
        (nested, [dotted(nested), f'"{"/".join(nested)}"']),
    ):
        separator = "/" if any("." in part for part in path) else "."
        for spelling in spellings:
            (part,) = parse(f"[sysctl]\n{spelling} = 1\n").parts
            assert part.desired == {separator.join(path): 1}
