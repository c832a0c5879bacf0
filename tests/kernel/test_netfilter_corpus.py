"""The corpus of rules and tables is what nft takes, all of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import count

import pytest

from linx_async.netfilter.desired.families import FAMILIES
from linx_async.testing.namespaces import Namespaces, can_make_links, throwaway
from tests.kernel.nft_families import lacking
from tests.netfilter_corpus import LINKS, CorpusRuleset, Section, rules, rulesets, sections

ALWAYS = [section for section in sections() if section.needs is None]
TOPICS = sorted({section.topic for section in ALWAYS})
SOMETIMES = [section for section in sections() if section.needs is not None]

REFUSALS = ("Could not process rule", "cgroupv2 path fails")
"""How nft says that it was understood, and that it is the kernel that cannot do it."""


@pytest.fixture(scope="module")
def links() -> Iterator[Namespaces]:
    """A namespace with the links that the corpus names."""
    if shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        pytest.skip("nft is not installed")
    if missing := lacking(*FAMILIES):
        pytest.skip(missing)
    if not can_make_links():
        pytest.skip("iproute2 is not here, or makes no links")
    with throwaway("net") as box:
        box.run(["ip", "link", "add", LINKS[0], "type", "veth", "peer", "name", LINKS[1]])
        yield box


@pytest.fixture
def place(links: Namespaces) -> Iterator[Namespaces]:
    """The same, and nothing of netfilter in it."""
    yield links
    links.run(["nft", "flush", "ruleset"])


def objection(place: Namespaces, text: str) -> str:
    """What nft has to say against a text; empty where it loads."""
    done = place.run(["nft", "-f", "-"], input=text, check=False)
    return done.stderr.strip() or f"nft ended with {done.returncode}" if done.returncode else ""


def to_blame(place: Namespaces, section: Section) -> list[str]:
    """The rules of a section that do not load alone, or what it has beside them."""
    names = (f"alone{section.number}_{number}" for number in count())
    if wrong := objection(place, section.table(next(names), ())):
        return [f"{section.topic} {section.number}, before its rules: {wrong}"]
    found = [
        (rule, objection(place, section.table(next(names), (rule,)))) for rule in section.rules
    ]
    return [f"{section.topic} {section.number}: {rule}: {wrong}" for rule, wrong in found if wrong]


def skip_or_fail(needs: str, wrong: str) -> None:
    if not any(refusal in wrong for refusal in REFUSALS):
        pytest.fail(wrong)
    pytest.skip(f"the kernel lacks {needs}; nft says: {wrong.partition(chr(10))[0]}")


@pytest.mark.parametrize("topic", TOPICS)
def test_the_rules_of_a_topic_load(place: Namespaces, topic: str) -> None:
    mine = [section for section in ALWAYS if section.topic == topic]
    tables = "".join(section.table(f"corpus{section.number}") for section in mine)
    if wrong := objection(place, tables):
        blamed = [line for section in mine for line in to_blame(place, section)]
        pytest.fail("\n".join(blamed or [wrong]))


@pytest.mark.parametrize(
    "section", SOMETIMES, ids=[f"{each.topic}-{each.number}" for each in SOMETIMES]
)
def test_rules_that_not_every_kernel_knows_load_where_it_does(
    place: Namespaces, section: Section
) -> None:
    if wrong := objection(place, section.table()):
        skip_or_fail(str(section.needs), wrong)


@pytest.mark.parametrize("ruleset", rulesets(), ids=[each.name for each in rulesets()])
def test_a_table_loads(place: Namespaces, ruleset: CorpusRuleset) -> None:
    if wrong := objection(place, ruleset.text):
        if ruleset.needs is None:
            pytest.fail(wrong)
        skip_or_fail(ruleset.needs, wrong)


def test_there_are_many_and_no_two_have_one_name() -> None:
    assert len(rules()) >= 300
    assert len(rulesets()) >= 40
    assert len({rule.name for rule in rules()}) == len(rules())
    assert len({ruleset.name for ruleset in rulesets()}) == len(rulesets())


def test_no_two_rules_are_the_same() -> None:
    assert len({(rule.chain, rule.table) for rule in rules()}) == len(rules())


def test_every_family_has_its_rules() -> None:
    assert {rule.family for rule in rules()} == {"ip", "ip6", "inet", "arp", "bridge", "netdev"}
