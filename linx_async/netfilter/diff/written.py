"""The sets to which the rules of a table add elements, as packets come by: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..codec.expressions import canonical
from ..desired import Rule
from ..desired.rule import compiled

__all__ = ["written_sets"]

_DYNSET: Final = b"dynset\0"


def written_sets(rules: Iterable[Rule]) -> frozenset[str]:
    """Their names, whether they have NFT_SET_EVAL or not: not all kinds of sets need it."""
    likely = [rule for rule in rules if rule.chains or _DYNSET in rule.body]
    return frozenset(name for rule in likely for name in _written_by(rule))


def _written_by(rule: Rule) -> Iterator[str]:
    if _DYNSET in rule.body:
        yield from canonical(rule.body).references.sets
    for chain in rule.chains:
        for inner in compiled(chain):
            yield from _written_by(inner)
