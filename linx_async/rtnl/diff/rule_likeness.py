"""Which rules the kernel takes for each other: pure."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, TypeAlias

from ..desired import Rule

__all__ = ["Messages", "Shown", "conditions"]

_Said: TypeAlias = tuple[int, ...]
"""Which of the conditions are said, by their place."""

_place = attrgetter("family", "priority", "action")


def _optional(rule: Rule) -> tuple[Any, ...]:
    """What a rule may say or not; None where it does not."""
    return (
        *(rule.table, rule.source, rule.destination, rule.fwmark or None, rule.fwmask),
        *(rule.iif, rule.oif, rule.tos or None, rule.uid_range, rule.ip_protocol),
        *(rule.source_ports, rule.destination_ports),
        *(rule.suppress_prefix_length, rule.suppress_group, rule.l3mdev or None),
    )


def _said(rule: Rule) -> _Said:
    return tuple(n for n, value in enumerate(_optional(rule)) if value is not None)


def _seen_by(rule: Rule, said: _Said) -> tuple[Any, ...]:
    """All of a rule that is looked at where a message says those conditions."""
    values = _optional(rule)
    return (_place(rule), *(values[n] for n in said))


def conditions(rule: Rule) -> int:
    """How many conditions a rule has."""
    return len(_said(rule))


class Messages:
    """What messages say.

    Of a rule that is there the kernel looks at what a message says alone (rule_find(), and for
    some conditions rule_exists(), in net/core/fib_rules.c). Where a goto goes, and whether a rule
    is inverted, it does not look at.
    """

    def __init__(self) -> None:
        self._known: dict[_Said, set[tuple[Any, ...]]] = {}

    def add(self, rule: Rule) -> None:
        """Add one that says a rule."""
        said = _said(rule)
        self._known.setdefault(said, set()).add(_seen_by(rule, said))

    def find(self, rule: Rule) -> bool:
        """Whether one of them finds a rule."""
        return any(_seen_by(rule, said) in known for said, known in self._known.items())


class Shown:
    """The rules that are there."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = list(rules)
        self._known: dict[_Said, set[tuple[Any, ...]]] = {}

    def add(self, rule: Rule) -> None:
        """Add one."""
        self._rules.append(rule)
        for said, known in self._known.items():
            known.add(_seen_by(rule, said))

    def has(self, rule: Rule) -> bool:
        """Whether a message that says a rule finds one of them, as `Messages` tells."""
        said = _said(rule)
        if said not in self._known:
            self._known[said] = {_seen_by(each, said) for each in self._rules}
        return _seen_by(rule, said) in self._known[said]
