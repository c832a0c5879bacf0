"""Rules and whole tables in the language of nft, of every kind that it can say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from attrs import frozen

__all__ = ["LINKS", "CorpusRule", "CorpusRuleset", "Section", "rules", "rulesets", "sections"]

WHERE = Path(__file__).parent / "corpus" / "netfilter"

LINKS = ("eth0", "eth1")
"""The links that have to be there, besides lo."""


@frozen
class Section:
    """What rules of a file have in common.

    Attributes:
        topic: The name of the file.
        number: The section's place in the file, from 1.
        family: Of the table.
        chain: What is declared in the chain before its rules; empty for one without a hook.
        context: Declarations that belong beside the chain: sets, maps, objects, other chains.
        needs: What the kernel has to have, where that is not everywhere.
        rules: Their texts.
    """

    topic: str
    number: int
    family: str
    chain: str
    context: tuple[str, ...]
    needs: str | None
    rules: tuple[str, ...]

    def table(self, name: str = "corpus", rules: tuple[str, ...] | None = None) -> str:
        """A table with all of its rules, or with these, in the chain `these`."""
        lines = [
            f"table {self.family} {name} {{",
            *self.context,
            f"chain these {{ {self.chain}",
            *(self.rules if rules is None else rules),
            "}",
            "}",
        ]
        return "\n".join(lines) + "\n"


@frozen
class CorpusRule:
    """One rule, and where it belongs; `needs` says what the kernel has to have for it."""

    name: str
    section: Section
    text: str

    @property
    def topic(self) -> str:
        return self.section.topic

    @property
    def family(self) -> str:
        return self.section.family

    @property
    def chain(self) -> str:
        return self.section.chain

    @property
    def context(self) -> tuple[str, ...]:
        return self.section.context

    @property
    def needs(self) -> str | None:
        return self.section.needs

    @property
    def table(self) -> str:
        """A table that has this rule alone, in the chain `these`."""
        return self.section.table(rules=(self.text,))


@frozen
class CorpusRuleset:
    """One table; `needs` says what the kernel has to have for it, where that is not everywhere."""

    name: str
    text: str
    needs: str | None


@cache
def sections() -> tuple[Section, ...]:
    """The sections of all files, by topic."""
    return tuple(
        section
        for path in sorted((WHERE / "rules").glob("*.nft"))
        for section in parsed(path.stem, path.read_text(encoding="utf-8"))
    )


@cache
def rules() -> list[CorpusRule]:
    """All rules, by topic, in the order of the file."""
    return [
        CorpusRule(f"{section.topic}-{section.number}-{number}", section, text)
        for section in sections()
        for number, text in enumerate(section.rules, 1)
    ]


@cache
def rulesets() -> list[CorpusRuleset]:
    """All tables, by name."""
    found = []
    for path in sorted((WHERE / "rulesets").glob("*.nft")):
        text = path.read_text(encoding="utf-8")
        found.append(CorpusRuleset(path.stem, text, needs_of(text)))
    return found


def needs_of(text: str) -> str | None:
    first = text.partition("\n")[0]
    return first.removeprefix("# needs: ") if first.startswith("# needs: ") else None


def parsed(topic: str, text: str) -> Iterator[Section]:
    """The sections of a file: each is a header, one `key: value` a line, and then its rules.

    `family:` begins a section, `chain:`, `needs:` and any number of `with:` follow it.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if line.startswith("family: ")]
    if not starts or starts[0] != 0:
        raise ValueError(f"{topic}: the first line that says something has to be `family: `")
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True), 1):
        header, body = split(lines[start:end])
        (family,) = header["family"]
        yield Section(
            topic,
            number,
            family,
            chain="".join(header["chain"]),
            context=tuple(header["with"]),
            needs="".join(header["needs"]) or None,
            rules=tuple(body),
        )


def split(lines: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The header of a section, and its rules."""
    header: dict[str, list[str]] = {"family": [], "chain": [], "with": [], "needs": []}
    for number, line in enumerate(lines):
        key, found, value = line.partition(":")
        if not found or key not in header:
            return header, lines[number:]
        header[key].append(value.strip())
    return header, []
