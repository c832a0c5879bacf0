"""Rules written in Python, whatever the values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import Field, Term, rule
from linx_async.netfilter.codec.expressions import canonical
from linx_async.netfilter.desired.elements import END, Elements
from linx_async.netfilter.desired.ranges import ranges_in

Value = int | tuple[int, int]

PORTS = st.integers(0, 0xFFFF)
SPANS = st.tuples(PORTS, PORTS).map(lambda pair: (min(pair), max(pair)))
VALUES = st.lists(PORTS | SPANS, min_size=2, max_size=20)


def set_of(term: Term) -> Elements | None:
    sets = rule(term).within("inet", {}).sets
    return sets[0].elements if sets else None


def covered(elements: Elements, *, ordered: bool) -> set[int]:
    """The values that are in a set, by the kernel's way of telling."""
    if ordered:
        return {
            value for first, last in ranges_in(elements, 0xFFFF) for value in range(first, last + 1)
        }
    return {int.from_bytes(key[1:], "big") for key in elements}


@given(VALUES)
def test_a_set_has_the_values_that_were_said_and_no_others(
    values: list[int | tuple[int, int]],
) -> None:
    elements = set_of(nft.tcp.dport.in_(*values))
    assert elements is not None
    ordered = any(key[:1] == END for key in elements) or any(
        isinstance(value, tuple) and value[0] != value[1] for value in values
    )
    said: set[int] = set()
    for value in values:
        first, last = value if isinstance(value, tuple) else (value, value)
        said |= set(range(first, last + 1))
    assert covered(elements, ordered=ordered) == said


FIELDS: list[Field] = [nft.tcp.dport, nft.mark, nft.ip.dscp, nft.vlan.id, nft.ct.zone, nft.ip.ttl]


@given(st.sampled_from(FIELDS), st.data())
def test_every_rule_is_canonical(field: Field, data: st.DataObject) -> None:
    numbers = st.integers(0, (1 << field.type.bits) - 1)
    one, other = data.draw(numbers), data.draw(numbers)
    for match in (
        field == one,
        field != one,
        field <= other,
        field.in_(one, other),
        field == (min(one, other), max(one, other)),
        field.vmap({one: nft.accept(), "*": nft.drop()}),
    ):
        built = rule(match).within("inet", {})
        assert canonical(built.body, {"__set0"}).body == built.body


@given(
    st.lists(
        st.sampled_from([nft.ip.ttl == 1, nft.tcp.dport == 2, nft.mark == 3, nft.counter()]),
        min_size=1,
    )
)
def test_a_rule_is_the_same_each_time_it_is_asked_for(terms: list[Term]) -> None:
    built = rule(*terms)
    assert built.within("inet", {}) == built.within("inet", {})
