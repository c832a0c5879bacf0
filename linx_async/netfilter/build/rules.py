"""Rules written in Python."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ..._core.checks import or_none, wrong
from ..desired.families import check_family
from ..desired.names import check_comment
from ..desired.rule import Rule
from ..desired.sets import Set
from .drafting import Drafting
from .terms import Term

__all__ = ["Built", "rule"]


@frozen(eq=False)
class Built:
    """A rule written in Python, before it is known in which table it is.

    Attributes:
        terms: Its matches and statements.
        comment: What nft shows behind it.
    """

    terms: tuple[Term, ...]
    comment: str | None = None

    def within(self, family: str, sets: Mapping[str, Set]) -> Rule:
        """The rule in the kernel's terms.

        Args:
            family: The family of its table.
            sets: The sets and maps of the table by name.

        Raises:
            DesiredStateError: It makes no sense there.
        """
        drafting = Drafting(check_family(family, "family"), sets)
        for term in self.terms:
            term.draft(drafting)
        return drafting.rule(self.comment)


def rule(*terms: Term, comment: str | None = None) -> Built:
    """A rule: `rule(tcp.dport == 22, ct.state.any_of("new"), counter(), accept())`.

    A packet goes from left to right, as far as matches are true of it (nft_do_chain(),
    net/netfilter/nf_tables_core.c). Where a field is in a header, it is also matched that the
    header is there.

    The rule is the one that nft makes of the same words, and so the two are equal; but not where
    nft 1.0.6 makes something else of them: it puts `tcp sport` after `tcp dport 22 counter` before
    the counter, takes `tcp sport != 1 tcp dport != 2` for one comparison of both, and
    `ether type { ip, ip6 }` for `ether type ip6`, as far as what comes after it is concerned.

    Args:
        terms: Matches and statements.
        comment: What nft shows behind it; a rule that changes is known again by it.

    Raises:
        DesiredStateError: There is none, one is something else, or one can never be reached.
    """
    if not terms:
        raise wrong("rule", "has no matches and no statements")
    for place, term in enumerate(terms):
        if not isinstance(term, Term):
            raise wrong(f"rule: {place + 1}.", f"expected a match or statement, got {term!r:.200}")
        if place and terms[place - 1].ends():
            raise wrong(f"rule: {place + 1}.", "is never reached: the packet is decided on before")
    return Built(terms, or_none(comment, "comment", check_comment))
