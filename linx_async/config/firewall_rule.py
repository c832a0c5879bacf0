"""One rule of a firewall, written as a TOML table: what stands first is matched or done first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from attrs import evolve, frozen

from .._core.errors import DesiredStateError
from ..netfilter import Rule
from ..netfilter.build.drafting import Drafting
from ..netfilter.desired.names import check_comment
from .firewall_rule_fields import Subject, begins, next_words, subject_of
from .firewall_rule_matches import Placed, terms_of
from .firewall_rule_names import Mistake, Names, Notes, bare
from .firewall_rule_statements import STATEMENTS, statement_of
from .firewall_rule_values import unknown, walked
from .problems import Path, dotted
from .reading import Reading, clipped

__all__ = ["RuleReader"]

_OWN: Final = (*STATEMENTS, "comment")
_VERDICTS: Final = ("accept", "drop", "continue", "return", "jump", "goto")


@frozen
class _Said:
    """What a rule says of a field, or by a statement.

    Attributes:
        path: Where it is.
        words: nft's words for it.
        subject: What it is about; None for a statement.
        value: What is said.
    """

    path: Path
    words: str
    subject: Subject | None
    value: Any


@frozen
class RuleReader:
    """Reads the rules of a chain that are tables.

    Attributes:
        family: The family of their table.
        names: What their table has by name.
        reading: Where to note what is wrong.
    """

    family: str
    names: Names
    reading: Reading

    def rule(self, path: Path, value: Any, table: int) -> Rule | None:
        """A rule; None where something is wrong with it, which is noted.

        Args:
            path: Where it is.
            value: It: a table, or a list of tables, one after the other.
            table: How many keys of the path are its chain's.
        """
        notes = Notes(self.names)
        rule = self._read(path, value, notes)
        for mistake in notes.mistakes:
            self.reading.find(mistake.path, clipped(mistake.message), table)
        return rule

    def _read(self, path: Path, value: Any, notes: Notes) -> Rule | None:
        terms: list[Placed] = []
        comments: list[str] = []
        words: list[str] = []
        for place, one in _tables(path, value, notes):
            for said in _joined(self._in_order(place, one), notes):
                words.extend(_shown(said.path[len(place) :], said.value))
                if said.words == "comment":
                    comments.extend(_comment(said, notes, again=bool(comments)))
                else:
                    terms.extend(_terms(said, notes))
        if not terms and not notes.mistakes:
            notes.mistakes.append(Mistake(path, "has no matches and no statements"))
        notes.mistakes.extend(_never_reached(terms))
        if notes.mistakes or notes.uses_wrong:
            return None
        rule = self._drafted(path, terms, comments[0] if comments else None, notes)
        return rule and evolve(rule, text=f"{{ {', '.join(words)} }}")

    def _in_order(
        self, path: Path, table: Mapping[str, Any]
    ) -> Iterator[tuple[Path, dict[str, Any]]]:
        """What a table says, key by key in the order of the text, each as a table of its own."""
        keys: tuple[tuple[str, ...], ...] = tuple((key,) for key in table)
        if len(table) > 1 and any(_may_be_apart(key, value) for key, value in table.items()):
            keys = _whole(self.reading.keys(path), table)
        for key in dict.fromkeys(key[:1] if key[0] in _OWN else key for key in keys):
            value: Any = table
            for part in key:
                value = value[part]
            for part in reversed(key):
                value = {part: value}
            yield path, value

    def _drafted(
        self, path: Path, terms: list[Placed], comment: str | None, notes: Notes
    ) -> Rule | None:
        drafting = Drafting(self.family, self.names.sets)
        for place, term in terms:
            try:
                term.draft(drafting)
            except DesiredStateError as error:
                notes.mistakes.append(Mistake(place, bare(error, *_subjects(place[len(path) :]))))
                return None
        return drafting.rule(comment)


def _subjects(keys: Path) -> Iterator[str]:
    """What a builder may call what is in a place."""
    words = " ".join(key for key in keys if isinstance(key, str)).split()
    for size in range(len(words), 0, -1):
        yield " ".join(words[:size])
        yield " ".join(("meta", *words[:size]))


def _shown(keys: Path, value: Any) -> Iterator[str]:
    """What is said by a key as TOML has it, with dotted keys."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _shown((*keys, key), inner)
    else:
        yield f"{dotted(keys)} = {json.dumps(value, ensure_ascii=False, default=str)}"


def _tables(path: Path, value: Any, notes: Notes) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield path, value
        return
    several = value if isinstance(value, list) else []
    for number, each in enumerate(several):
        if isinstance(each, Mapping):
            yield (*path, number), each
        else:
            message = f"expected a table in a list of such, got {each!r:.100}"
            notes.mistakes.append(Mistake((*path, number), message))
    if not isinstance(value, list):
        message = f"expected text in nft's syntax, a table, or a list of tables, got {value!r:.100}"
        notes.mistakes.append(Mistake(path, message))


def _joined(entries: Iterator[tuple[Path, dict[str, Any]]], notes: Notes) -> Iterator[_Said]:
    """What is said of each field and by each statement; what stands side by side as one."""
    last: _Said | None = None
    for path, entry in entries:
        for said in _said(path, entry, notes):
            if last is not None and said.path == last.path:
                last = evolve(last, value=_merged(last.value, said.value))
                continue
            if last is not None:
                yield last
            last = said
    if last is not None:
        yield last


def _said(path: Path, entry: dict[str, Any], notes: Notes) -> Iterator[_Said]:
    ((word, value),) = entry.items()
    place = (*path, word)
    try:
        if word in _OWN:
            yield _Said(place, word, None, value)
        elif begins(word) or subject_of(word):
            for found in walked(place, word, value):
                yield _Said(*found)
        else:
            raise Mistake(place, _not_known(word, value))
    except Mistake as mistake:
        notes.mistakes.append(mistake)
    except DesiredStateError as error:
        notes.mistakes.append(Mistake(place, str(error)))


def _terms(said: _Said, notes: Notes) -> Iterator[Placed]:
    if said.subject is not None:
        yield from terms_of(said.path, said.words, said.subject, said.value, notes)
        return
    for term in statement_of(said.path, said.value, notes):
        yield said.path, term


def _not_known(word: str, value: Any) -> str:
    if word in _VERDICTS:
        to = value if isinstance(value, str) else "CHAIN"
        return f'write verdict = "{f"{word} {to}" if word in ("jump", "goto") else word}"'
    if word in ("not", "!"):
        return 'is said of a value: ip.saddr = { not = "@friends" }'
    if not word.strip():
        return unknown(word, (*next_words(""), *_OWN))
    *before, last = word.split()
    known = next_words(" ".join(before))
    return unknown(last, known if before else (*known, *_OWN))


def _comment(said: _Said, notes: Notes, *, again: bool) -> Iterator[str]:
    if again:
        notes.mistakes.append(Mistake(said.path, "a rule has one comment"))
        return
    try:
        yield check_comment(said.value, "comment")
    except DesiredStateError as error:
        notes.mistakes.append(Mistake(said.path, bare(error, "comment")))


def _never_reached(terms: list[Placed]) -> Iterator[Mistake]:
    for (_, before), (place, _) in pairwise(terms):
        if before.ends():
            yield Mistake(place, "is never reached: the packet is decided on before")
            return


def _may_be_apart(key: str, value: Any) -> bool:
    """Whether dotted keys may have made one table of what stands in several places."""
    if key in _OWN or not isinstance(value, Mapping):
        return False
    return len(value) > 1 or any(_may_be_apart("", inner) for inner in value.values())


def _whole(keys: tuple[Path, ...], table: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Keys of a table with those that are missing: what has headers of its own comes last."""
    found = tuple(tuple(map(str, key)) for key in keys)
    there = {key[0] for key in found}
    return (*found, *((key,) for key in table if key not in there))


def _merged(first: Any, second: Any) -> Any:
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return second
    both = dict(first)
    for key, value in second.items():
        both[key] = _merged(both[key], value) if key in both else value
    return both
