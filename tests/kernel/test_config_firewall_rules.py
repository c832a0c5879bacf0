"""Rules that are TOML tables, against what nft makes of the same rules in its own syntax."""

from __future__ import annotations

from functools import cache

import pytest

from linx_async import DesiredStateError
from linx_async.config import parse
from linx_async.netfilter import Chain, Rule, Table
from linx_async.netfilter import parse as nft_table
from tests.firewall_rules import WRITTEN, Written
from tests.kernel.nft_families import lacking
from tests.kernel.nft_program import nft_or_skip


@cache
def compiled(section: Written) -> Table:
    """The table that nft makes of its syntax."""
    nft_or_skip()
    if missing := lacking(section.family):
        pytest.skip(missing)
    try:
        return nft_table(section.nft, links={"lo": 1})
    except DesiredStateError as error:
        if section.seldom and "No such file or directory" in str(error):
            pytest.skip(f"this kernel has no {section.name}")
        raise


@cache
def written(text: str) -> Table:
    """The table that a TOML text has."""
    (part,) = parse(text).parts
    assert isinstance(part.desired, Table)
    return part.desired


def rules_of(table: Table) -> list[Rule]:
    chain: Chain = next(each for each in table.chains if each.name == "c")
    return [each for each in chain.rules if isinstance(each, Rule)]


def cases() -> list[object]:
    return [
        pytest.param(section, place, id=f"{section.name}-{rule}")
        for section in WRITTEN
        for place, (rule, _) in enumerate(section.pairs)
    ]


@pytest.mark.parametrize(("section", "place"), cases())
def test_a_rule_that_is_a_table_is_the_one_that_nft_makes(section: Written, place: int) -> None:
    assert rules_of(written(section.toml))[place] == rules_of(compiled(section))[place]


@pytest.mark.parametrize("section", WRITTEN, ids=[each.name for each in WRITTEN])
def test_a_table_of_such_rules_is_the_one_that_nft_makes(section: Written) -> None:
    assert written(section.toml) == compiled(section)
