"""Rules as nft lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["OPTIONS", "listed_rules"]

OPTIONS: Final = ("--stateless", "--terse", "--handle", "list", "ruleset")
"""What nft is asked: without what is counted, or is in sets with a name, and with handles."""

_TABLE: Final = re.compile(r"table (\S+) (.+) \{(?: # handle \d+)?")
_CHAIN: Final = re.compile(r"\tchain .+ \{(?: # handle \d+)?")
_END: Final = "\t}"
_RULE: Final = re.compile(r"(.*) # handle (\d{1,20})", re.DOTALL)
# What comes before the rules of a chain; no rule begins so.
_OF_THE_CHAIN: Final = re.compile(r"\t\t(?:type|policy|devices?|flags|comment)\b")
_GOES_ON: Final = ("{", ",")
_LONGEST: Final = 2000
"""Characters of a rule that are shown."""


def listed_rules(listing: str) -> Mapping[tuple[str, str], Mapping[int, str]]:
    """The text of rules by table, family and name, and by handle, each in one line.

    What is shown is printable: other characters are escaped, and the rest of a very long rule is
    left out. Nothing is told where a comment or a prefix goes over more than one line, which may
    look like anything.

    Args:
        listing: What nft says to `OPTIONS`.
    """
    found: dict[tuple[str, str], dict[int, str]] = {}
    if any(line.count('"') % 2 for line in listing.split("\n")):
        return found
    for key, handle, text in _rules(listing):
        found.setdefault(key, {})[handle] = _printable(text)
    return found


def _rules(listing: str) -> Iterator[tuple[tuple[str, str], int, str]]:
    key = ("", "")
    in_chain = False
    lines: list[str] = []
    for line in listing.split("\n"):
        if (table := _TABLE.fullmatch(line)) is not None:
            key = table[1], table[2]
        elif _CHAIN.fullmatch(line):
            in_chain = True
        elif line == _END:
            in_chain, lines = False, []
        elif in_chain:
            rule = _RULE.fullmatch(line)
            lines.append(line if rule is None else rule[1])
            if rule is not None:
                yield key, int(rule[2]), _in_one_line(lines)
            if rule is not None or (len(lines) == 1 and _OF_THE_CHAIN.match(line)):
                lines = []


def _in_one_line(lines: list[str]) -> str:
    """A rule; where it has a chain for itself, the rules of that are on lines of their own."""
    *before, last = (line.strip() for line in lines)
    ended = (line if line.endswith(_GOES_ON) else f"{line};" for line in before)
    return " ".join([*ended, last])


def _printable(text: str) -> str:
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if shown.isprintable():
        return shown
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown
    )
