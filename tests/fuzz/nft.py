"""The decoders of nf_tables, as something that takes any bytes, and what to start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final

from attrs import evolve

from linx_async import SourceError
from linx_async._kernel.netlink import attribute_map
from linx_async._kernel.nfnetlink_batch import Batch
from linx_async.netfilter.codec import chains, elements, sets, tables
from linx_async.netfilter.codec.describing import described
from linx_async.netfilter.codec.expressions import canonical, encoded, expressions, joined
from linx_async.netfilter.codec.state import states, with_state
from linx_async.netfilter.reading import table_of
from linx_async.netfilter.text.compiler import compile_now
from linx_async.netfilter.text.raw import RawTable
from tests.netfilter_corpus import rulesets

__all__ = ["NFT_TARGETS", "nft_payloads"]

_ENOUGH: Final = 24
"""Rule sets of the corpus that are compiled: each takes nft some 20 ms."""
_EXPRESSIONS: Final = 4  # NFTA_RULE_EXPRESSIONS


@cache
def _tables() -> tuple[RawTable, ...]:
    """Tables as the kernel dumps them; none where nft cannot be had."""
    found: list[RawTable] = []
    for ruleset in [each for each in rulesets() if not each.needs][:_ENOUGH]:
        try:
            found += compile_now(ruleset.text, links={"eth0": 101, "eth1": 102})
        except SourceError:
            return ()
    return tuple(found)


def nft_payloads() -> dict[str, list[bytes]]:
    """What to start from, by the name of the target."""
    there = _tables()
    rules = [rule for table in there for rule in table.rules]
    return {
        "nft table": [table.payload for table in there],
        "nft chain": [chain for table in there for chain in table.chains],
        "nft set": [each.payload for table in there for each in table.sets],
        "nft elements": [part for table in there for each in table.sets for part in each.elements],
        "nft object": [each for table in there for each in table.objects],
        "nft rule": rules,
        "nft expressions": [attribute_map(rule).get(_EXPRESSIONS, b"") for rule in rules],
    }


def _expressions(data: bytes) -> None:
    form = canonical(data, {"__set0", "__map0"}, {"__chain0"})
    ids = [("__set%d", number) for number in range(len(form.sets))]
    # A set that has a name may be called as those are that have none: no table of ours has one.
    with suppress(ValueError):
        sent = encoded(form.body, ids, list(range(len(form.chains))))
        assert len(sent) <= 2 * len(data) + 4096
    assert canonical(form.body, form.sets, form.chains).body is not None
    assert joined(expressions(form.body)) == form.body
    assert isinstance(described(form.body), str)
    with_state(form.body, data)
    states(data)


def _rule(data: bytes) -> None:
    """A table of which one rule is that."""
    for table in _tables()[:1]:
        found, known = table_of(evolve(table, rules=(*table.rules, data)))
        assert table_of(evolve(table, rules=(*table.rules, data)), known)[0] == found


def _decoder(decode: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        value = decode(data)
        assert value == decode(data)
        assert isinstance(str(value), str)

    return run


def _elements(data: bytes) -> None:
    for length in (1, 4, 16):
        found = elements.decode([data], length)
        assert len(found) <= len(data)
        b"".join(elements.encode(found, length))
        b"".join(elements.encode_keys(found, length))


def _batch(data: bytes) -> None:
    batch = Batch(range(1, 12), 0, echo=True)
    batch.feed(data)
    batch.feed(data)
    batch.commit()


NFT_TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "nft table": _decoder(tables.decode),
    "nft chain": _decoder(partial(chains.decode, family="inet")),
    "nft set": _decoder(sets.decode),
    "nft elements": _elements,
    "nft object": _decoder(tables.decode_object),
    "nft flowtable": _decoder(chains.decode_flowtable),
    "nft rule": _rule,
    "nft expressions": _expressions,
    "nft batch": _batch,
}
"""Each raises nothing but NetlinkDecodeError, whatever it is given."""
