"""A rule: the kernel's own expressions, in their canonical form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import field, frozen

from ..._core.checks import Checked, or_none, wrong
from .names import check_comment

if TYPE_CHECKING:
    from .chain import Chain
    from .sets import Set

__all__ = ["Draft", "Rule", "Text", "compiled", "to_rules"]

_LONGEST_TEXT: Final = 1 << 20


@frozen(init=False)
class Rule(Checked):
    """A rule: the kernel's own expressions, in their canonical form.

    Rules are made from nft's syntax (`netfilter.parse`, or as strings in a chain), or by builders
    (`netfilter.build`); two rules that do the same in the same words are equal, whichever way they
    were made.

    Args:
        body: The expressions as nf_tables takes them (NFTA_RULE_EXPRESSIONS), canonical: counters
            are zero, anonymous sets and chains are named `__set0`, `__chain0` and so on, by order.
        comment: What nft shows behind it; a rule that changes is known again by it.
        sets: The anonymous sets it uses, in that order.
        chains: The anonymous chains it jumps or goes to, in that order.
        userdata: What else libnftnl keeps with it.
        compat: The protocol and flags of xtables matches in it (NFTA_RULE_COMPAT).
        text: The same for people, where it is known: as its author wrote it, or as nft lists it.
            It makes no difference to anything.

    Raises:
        DesiredStateError: A field is wrong.
    """

    body: bytes = field(repr=False)
    comment: str | None
    sets: tuple[Set, ...]
    chains: tuple[Chain, ...]
    userdata: bytes
    compat: bytes
    text: str | None = field(eq=False)

    def __init__(
        self,
        body: bytes,
        comment: str | None = None,
        sets: Iterable[Set] = (),
        chains: Iterable[Chain] = (),
        userdata: bytes = b"",
        compat: bytes = b"",
        text: str | None = None,
    ) -> None:
        if not isinstance(body, bytes):
            raise wrong("body", f"expected bytes of netlink attributes, got {body!r}")
        self.__attrs_init__(
            body,
            or_none(comment, "comment", check_comment),
            tuple(sets),
            tuple(chains),
            userdata,
            compat,
            text,
        )


@frozen(init=False)
class Text(Checked):
    """A rule in nft's syntax that is not compiled yet: `tcp dport 22 accept`.

    Args:
        text: The rule, as it stands in a chain.

    Raises:
        DesiredStateError: It is no text.
    """

    text: str

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or "\0" in text or len(text) > _LONGEST_TEXT:
            raise wrong("rule", f"expected text in nft's syntax, got {text!r:.200}")
        if not text.strip():
            raise wrong("rule", "is empty")
        self.__attrs_init__(text.strip())


class Draft(Protocol):
    """A rule that needs its table's family to be told in the kernel's own terms."""

    def within(self, family: str, sets: Any) -> Rule:
        """The rule, in a table of that family with those sets by name.

        Raises:
            DesiredStateError: It makes no sense there.
        """
        ...


def compiled(chain: Chain) -> tuple[Rule, ...]:
    """The rules of a chain in which none is left to be compiled.

    Raises:
        DesiredStateError: One is.
    """
    rules = tuple(rule for rule in chain.rules if isinstance(rule, Rule))
    if len(rules) != len(chain.rules):
        raise wrong(chain.key, "has rules that are not compiled yet")
    return rules


def to_rules(value: Any, what: str) -> tuple[Rule | Text | Draft, ...]:
    """The rules of a chain; a string is in nft's syntax.

    Raises:
        DesiredStateError: One is none.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise wrong(what, f"expected a list of rules, got {value!r}")
    rules: list[Rule | Text | Draft] = []
    for place, rule in enumerate(value):
        if isinstance(rule, str):
            rules.append(Text(rule))
        elif isinstance(rule, Rule | Text) or callable(getattr(rule, "within", None)):
            rules.append(rule)
        else:
            raise wrong(f"{what}[{place}]", f"expected a rule, got {rule!r}")
    return tuple(rules)
