"""What the kernel has of a table: plain values, with the handles that changes need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from attrs import field, frozen

from .._core.errors import DesiredStateError, SourceError
from .._core.model import Waiting
from .codec.chains import ChainHead, FlowtableHead
from .codec.sets import SetHead
from .codec.tables import ObjectHead, TableHead
from .desired import Rule, Set, Table
from .desired.chain import with_rules

__all__ = ["Observed", "ObservedChain", "ObservedRule", "ObservedSet", "ObservedTable"]


@frozen
class ObservedRule:
    """A rule in the kernel.

    Attributes:
        rule: What it is.
        handle: Its handle.
        raw: Its expressions as the kernel shows them, with what they counted.
    """

    rule: Rule
    handle: int
    raw: bytes = field(repr=False)


@frozen
class ObservedChain:
    """A chain in the kernel.

    Attributes:
        head: What it is, without its rules.
        rules: Its rules, in order.
    """

    head: ChainHead
    rules: tuple[ObservedRule, ...] = ()


@frozen
class ObservedSet:
    """A set in the kernel.

    Attributes:
        head: What it is, without its elements.
        set: The same with its elements.
    """

    head: SetHead
    set: Set


@frozen
class ObservedTable:
    """A table in the kernel.

    Attributes:
        family: Its family.
        head: What it is.
        chains: Its chains by name, but for those that a rule has for itself.
        sets: Its sets and maps by name, but for those that a rule has for itself.
        objects: Its objects by key.
        flowtables: Its flowtables by name.
    """

    family: str
    head: TableHead
    chains: Mapping[str, ObservedChain] = field(factory=dict)
    sets: Mapping[str, ObservedSet] = field(factory=dict)
    objects: Mapping[str, ObjectHead] = field(factory=dict)
    flowtables: Mapping[str, FlowtableHead] = field(factory=dict)

    @property
    def key(self) -> str:
        """What tables are told apart by."""
        return f"table {self.family} {self.head.name}"

    @property
    def rules(self) -> Iterator[ObservedRule]:
        """The rules of all its chains."""
        return chain.from_iterable(each.rules for each in self.chains.values())

    @property
    def size(self) -> int:
        """How many rules and elements there are."""
        parts = [len(each.rules) for each in self.chains.values()]
        return sum(parts) + sum(len(each.set.elements) for each in self.sets.values())

    @property
    def table(self) -> Table:
        """The same as a desired table says it: without handles and counters.

        Raises:
            SourceError: It has what none may say: a name or a comment that is no UTF-8, a comment
                that is longer than nft's, a hook that is not known.
        """
        try:
            return self.declared()
        except DesiredStateError as error:
            raise SourceError(
                f"{self.key}: it cannot be declared as it is: {error}; read its chains, sets and"
                " objects one by one, or have its author give that another name"
            ) from error

    def declared(self) -> Table:
        """The same as a desired table says it.

        Raises:
            DesiredStateError: It has what none may say.
        """
        return Table(
            self.family,
            self.head.name,
            [
                with_rules(each.head.chain, tuple(rule.rule for rule in each.rules))
                for each in self.chains.values()
            ],
            [each.set for each in self.sets.values()],
            [each.object for each in self.objects.values()],
            [each.flowtable for each in self.flowtables.values()],
            comment=self.head.comment,
            dormant=bool(self.head.flags & 1),
            userdata=self.head.userdata,
        )


@frozen
class Observed:
    """What one look found.

    Attributes:
        generation: The number of the ruleset's generation that it is of.
        tables: The tables that were looked for and are there, by key.
        port: The port id of our socket.
        desired: The desired table with all its rules compiled, as far as it can be; None where
            it cannot be at all.
        waiting: What it waits for.
    """

    generation: int
    tables: Mapping[str, ObservedTable] = field(factory=dict)
    port: int = 0
    desired: Table | None = None
    waiting: tuple[Waiting, ...] = ()
