"""The rules of a table that are written in nft's syntax, compiled when they are needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from .._core.errors import DesiredStateError, SourceError
from .._kernel.nfnetlink import Change
from .desired import Elements, Rule, Table, Text
from .desired.chain import with_rules
from .desired.rule import compiled as rules_of
from .desired.sets import with_elements
from .diff.whole import draft_new
from .encoding import changes_of
from .ops import AddTable
from .parsing import tables_of
from .text.compiler import compile_now, compiled
from .text.errors import Complaint, TextError, located

__all__ = ["RuleError", "Unfounded", "compiled_rules", "complaints_of"]

_NAME: Final = re.compile(r"[A-Za-z_.][A-Za-z0-9_./\\-]*")
"""What nft takes for a name; it has no way to quote one."""
_PLACED: Final = re.compile(r"(index|position|handle)\s+\d")
"""How a rule begins that nft puts elsewhere than behind all others."""
_NO_INTERFACE: Final = "Interface does not exist"


class Unfounded(Exception):
    """A rule needs an interface that is not there.

    Attributes:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the interface {name} is not there")


class RuleError(DesiredStateError, SourceError):
    """A rule in nft's syntax is wrong, which is found out only where it is compiled.

    So it is both: the desired state is wrong as written, and a pass of a loop could not run.
    """


@frozen
class _Line:
    """A rule in the text that nft is given.

    Attributes:
        chain: The name of its chain.
        index: Which of the chain's rules it is.
        text: The rule.
        lines: How many lines of the text come before it.
        columns: How many bytes come before it on its first line.
    """

    chain: str
    index: int
    text: str
    lines: int
    columns: int


async def compiled_rules(table: Table, links: Mapping[str, int]) -> Table:
    """A table with all its rules compiled.

    Its sets, chains and objects are put where nft compiles them, so that rules may name them.

    Args:
        table: The table.
        links: Indices of links by name, for rules that name some.

    Raises:
        Unfounded: A rule needs an interface that is not there.
        RuleError: A rule is wrong.
        SourceError: There is no nft, or no namespace to be had.
    """
    job = _Job.of(table, links)
    try:
        made = tables_of(await compiled(job.text, links=job.links, before=job.before))
    except TextError as error:
        for complaint in error.complaints:
            if _NO_INTERFACE in complaint.words:
                raise Unfounded(complaint.meant.strip('"')) from None
        raise _placed(table, job, error) from None
    by_name = _rules_by_chain(table, made)
    return evolve(
        table,
        chains=[
            with_rules(
                chain,
                tuple(
                    evolve(next(by_name[chain.name]), text=rule.text)
                    if isinstance(rule, Text)
                    else rule
                    for rule in chain.rules
                ),
            )
            for chain in table.chains
        ],
    )


def _rules_by_chain(table: Table, made: Sequence[Table]) -> dict[str, Iterator[Rule]]:
    """The rules that nft made, of each chain as many as there are written.

    Raises:
        RuleError: There are more or fewer.
    """
    found = {chain.name: rules_of(chain) for each in made for chain in each.chains}
    for chain in table.chains:
        written = sum(isinstance(rule, Text) for rule in chain.rules)
        there = len(found.get(chain.name, ()))
        if len(made) != 1 or there != written:
            raise RuleError(
                f"{table.key}: of {written} rules in nft's syntax nft made {there} in chain"
                f" {chain.name}: one of the table's rules has another command in it, after a ; or"
                " on a line of its own: write one rule a string"
            )
    return {name: iter(rules) for name, rules in found.items()}


def complaints_of(table: Table, links: Mapping[str, int]) -> list[tuple[str, int, Complaint]]:
    """What nft says of the rules of a table, but for interfaces that are not there. Blocks.

    Args:
        table: The table.
        links: As for `compiled_rules`.

    Returns:
        Each complaint, by its place in the rule, with the rule's chain and its index there.

    Raises:
        RuleError: nft has no way to say a name.
        SourceError: There is no nft, or no namespace to be had.
    """
    if not table.texts:
        return []
    job = _Job.of(table, links)
    found = []
    try:
        compile_now(job.text, links=job.links, before=job.before)
    except TextError as error:
        for complaint in error.complaints:
            if _NO_INTERFACE not in complaint.words:
                line = job.line_of(complaint)
                (told,) = located(TextError([complaint]), line.lines, line.columns).complaints
                found.append((line.chain, line.index, told))
    return found


@frozen
class _Job:
    """What nft is given to compile the rules of a table.

    Attributes:
        text: The rules, as commands.
        lines: Where each is in it.
        links: The indices of links that they may name.
        before: What makes all else that they may name.
    """

    text: str
    lines: Sequence[_Line]
    links: Mapping[str, int]
    before: Sequence[Change]

    @classmethod
    def of(cls, table: Table, links: Mapping[str, int]) -> _Job:
        bare = evolve(
            table,
            chains=[with_rules(chain, ()) for chain in table.chains],
            sets=[with_elements(each, Elements()) for each in table.sets],
            dormant=False,
        )
        head = AddTable(table.family, table.name)
        before, _ = changes_of([head, *draft_new(bare).ops], table.family, table.name)
        lines = list(_lines(table))
        text = "\n".join(f"{_command(table, line.chain)}{line.text}" for line in lines)
        devices = {name for chain in table.chains for name in chain.devices}
        used = {name: links[name] for name in links if name in devices or name in text}
        return cls(text, lines, used, before)

    def line_of(self, complaint: Complaint) -> _Line:
        """The rule that a complaint is about."""
        at = (complaint.line or 1) - 1
        return next(line for line in reversed(self.lines) if line.lines <= at)


def _lines(table: Table) -> Iterator[_Line]:
    lines = 0
    for chain in table.chains:
        for index, rule in enumerate(chain.rules):
            if isinstance(rule, Text):
                if placed := _PLACED.match(rule.text):
                    raise RuleError(
                        f"{table.key}: chain {chain.name}, rules[{index}]: begins with"
                        f" {placed[1]!r}: leave it out, a rule's place is that in its list"
                    )
                columns = len(_command(table, chain.name).encode())
                yield _Line(chain.name, index, rule.text, lines, columns)
                lines += rule.text.count("\n") + 1


def _command(table: Table, chain: str) -> str:
    for name in (table.name, chain):
        if not _NAME.fullmatch(name):
            raise RuleError(
                f"{table.key}: nft's syntax has no way to say {name!r}: use another name, or the"
                " builders"
            )
    return f"add rule {table.family} {table.name} {chain} "


def _placed(table: Table, job: _Job, error: TextError) -> RuleError:
    """The error, as one of the rule that it is of."""
    line = job.line_of(error.complaints[0])
    told = located(error, line.lines, line.columns)
    return RuleError(f"{table.key}: chain {line.chain}, rules[{line.index}]: {told}")
