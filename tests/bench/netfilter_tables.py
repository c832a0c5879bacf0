"""Tables to measure with, as values of ours and as text for `nft`: many rules, or many elements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from linx_async import netfilter
from linx_async.netfilter import Elements, Rule, Table
from linx_async.netfilter.desired.chain import with_rules
from linx_async.netfilter.desired.elements import END, NOTHING, PLAIN
from linx_async.netfilter.desired.rule import compiled
from linx_async.netfilter.desired.sets import with_elements

__all__ = [
    "FAMILY",
    "NAME",
    "OTHER",
    "Kind",
    "emptied",
    "hashed",
    "ranges",
    "rearranged",
    "ruled",
    "rules",
    "rules_of",
    "text_of",
    "written",
]

FAMILY, NAME, OTHER = "inet", "bench", "other"
_FIRST = 0x0A000000  # 10.0.0.0
_HEAD = """
chain input {{
    type filter hook input priority 0; policy accept;
    {}
}}
"""


def text_of(name: str, body: str) -> str:
    return f"table {FAMILY} {name} {{\n{body}\n}}\n"


def emptied(name: str, body: str) -> str:
    """What makes a table anew, as one transaction."""
    return f"table {FAMILY} {name} {{}}\ndelete table {FAMILY} {name}\n{text_of(name, body)}"


def address(number: int) -> str:
    return ".".join(map(str, packed(number)))


def packed(number: int) -> bytes:
    return (_FIRST + number).to_bytes(4, "big")


def line(number: int) -> str:
    """A rule, another one for each number."""
    return f"ip saddr {address(number)} tcp dport {1 + number % 65535} accept"


def ruled(numbers: Iterable[int]) -> str:
    """A chain of those rules, in nft's syntax."""
    return _HEAD.format("\n    ".join(map(line, numbers)))


@contextmanager
def written(text: str) -> Iterator[Path]:
    """A file with that text, for `nft -f`."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "table")
        file.write_text(text)
        yield file


@cache
def rules(count: int) -> Table:
    """A table with a chain of so many rules, in their order."""
    return netfilter.parse(text_of(NAME, ruled(range(count))))


def rearranged(table: Table, chosen: Sequence[Rule]) -> Table:
    """The same table, with other rules in its chain."""
    return Table(FAMILY, table.name, [with_rules(table.chains[0], tuple(chosen))])


def rules_of(table: Table) -> tuple[Rule, ...]:
    return compiled(table.chains[0])


@frozen
class Kind:
    """A kind of set, of which there are as many elements as are asked for.

    Attributes:
        name: What to call it.
        spec: What it is, in nft's syntax.
        interval: Whether its elements are ranges.
    """

    name: str
    spec: str
    interval: bool

    def text(self, count: int) -> str:
        """A set of so many elements, in nft's syntax."""
        return f"set s {{ {self.spec}; elements = {{ {self.words(range(count))} }} }}"

    def words(self, numbers: Iterable[int]) -> str:
        """Elements in nft's syntax."""
        if not self.interval:
            return ", ".join(map(address, numbers))
        return ", ".join(f"{address(4 * each)}-{address(4 * each + 1)}" for each in numbers)

    def keys(self, numbers: Iterable[int]) -> Iterable[bytes]:
        """The keys of elements, as ours have them."""
        for number in numbers:
            if not self.interval:
                yield PLAIN + packed(number)
            else:
                yield PLAIN + packed(4 * number)
                yield END + packed(4 * number + 2)

    def elements(self, count: int) -> Elements:
        """So many elements, with what nft puts before the first range."""
        first = [END + bytes(4)] if self.interval else []
        return Elements(dict.fromkeys([*first, *self.keys(range(count))], NOTHING))

    def table(self, elements: Elements, name: str = NAME) -> Table:
        """A table with that set and a chain."""
        empty = netfilter.parse(text_of(name, f"set s {{ {self.spec}; }}{_HEAD.format('')}"))
        return Table(FAMILY, name, empty.chains, [with_elements(empty.sets[0], elements)])


hashed = Kind("hash", "type ipv4_addr", interval=False)
ranges = Kind("intervals", "type ipv4_addr; flags interval", interval=True)
