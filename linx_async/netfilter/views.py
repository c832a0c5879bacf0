"""What the kernel has of the tables that are looked at, dump after dump."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from attrs import evolve

from .._core.errors import DumpInterrupted, OpError, SourceError
from .._kernel.netlink import NetlinkDecodeError
from .._kernel.nfnetlink import NfnetlinkSocket
from .aftermath import aftermath
from .codec.tables import decode
from .desired import Elements, Table
from .dumps import Dumper, Dumps, ElementsOf
from .observed import ObservedTable
from .ops import DeleteTable, NetfilterOp
from .seen import Seen, adopting, read_anew

__all__ = ["Views"]

_TRIES: Final = 10
"""Looks at a table while others change the rule set, before it is given up."""
_NO_GENERATION: Final = 0


class Views:
    """What the kernel has of the tables that are looked at, dump after dump.

    What was seen holds as long as the rule set is at the same generation, and over a transaction
    of our own as far as that says what there is now. What makes no generation is looked at each
    time: elements that packets and time may change, an owner's end, interfaces that vanish.

    Args:
        socket: A socket in the namespace.
    """

    def __init__(self, socket: NfnetlinkSocket) -> None:
        self._socket = socket
        self._seen: dict[tuple[str, str], Seen] = {}

    async def tables(
        self, names: Collection[tuple[str, str]], desired: Table | None = None
    ) -> tuple[int, dict[str, ObservedTable]]:
        """Those tables that are there, by key, and the generation that they are of.

        Args:
            names: The families and names of the tables.
            desired: What one of them shall be. Where a set has the desired elements already, what
                is told of it has these very objects.

        Raises:
            DumpInterrupted: Others change the rule set faster than it can be read.
            OpError: The kernel refused to tell.
            SourceError: It could not be read.
        """
        for _ in range(_TRIES):
            generation = (await self._socket.generation()).id
            found: dict[str, ObservedTable] = {}
            for family, name in names:
                seen = await self._at(generation, family, name, desired)
                if seen is None:
                    break
                if seen.table is not None:
                    found[seen.table.key] = seen.table
            else:
                return generation, found
        raise DumpInterrupted("tables: others change the rule set all the time")

    async def _at(
        self, generation: int, family: str, name: str, desired: Table | None
    ) -> Seen | None:
        """A table at a generation; None where that passed meanwhile."""
        wanted = _elements_of(desired, family, name)
        dumper = Dumper(self._socket, family, name)
        try:
            found = await self._look(dumper, family, name, generation, wanted)
            if found is None:
                return None
            self._seen[family, name] = seen = await adopting(found, wanted)
        except DumpInterrupted:
            return None
        except NetlinkDecodeError as error:
            raise SourceError(
                f"table {family} {name}: the kernel's answer is malformed: {error}"
            ) from error
        return seen

    def committed(
        self, family: str, name: str, ops: Sequence[NetfilterOp], generation: int | None
    ) -> None:
        """Take note of a transaction of ours that was carried out.

        Args:
            family: The table's family.
            name: Its name.
            ops: What was done to it, and to no other than what was last told of it; other tables
                may have been deleted.
            generation: The generation that it made; None where that is not known.
        """
        for op in ops:
            if isinstance(op, DeleteTable):
                self._seen.pop((op.family, op.name), None)
        for op in ops:
            if isinstance(op, DeleteTable):
                self._seen.pop((op.family, op.name), None)
        seen = self._seen.get((family, name))
        if seen is None:
            return
        next_one = generation == seen.generation + 1 or self._is_ours_alone(seen)
        if seen.held is not None or generation is None or not next_one:
            self._seen[family, name] = evolve(seen, generation=_NO_GENERATION)
            return
        now = aftermath(seen.table, seen.certain, ops)
        before: Mapping[str, ElementsOf] = {} if seen.dumps is None else seen.dumps.elements
        held = {**{each: before[each] for each in seen.certain - now.lost}, **now.elements}
        if seen.dumps is None or now.table is None:
            self._seen[family, name] = evolve(seen, generation=generation, held=held)
            return
        sets = {each: now.table.sets[each].set for each in now.elements}
        self._seen[family, name] = Seen(
            generation,
            evolve(seen.dumps, elements={**before, **now.elements}),
            now.table,
            seen.known.with_sets(sets),
            seen.certain,
        )

    def forget(self) -> None:
        """Look at everything again: it is not known what came of a transaction of ours."""
        self._seen.clear()

    async def _look(
        self,
        dumper: Dumper,
        family: str,
        name: str,
        generation: int,
        wanted: Mapping[str, Elements],
    ) -> Seen | None:
        """What there is at a generation; None where that passed meanwhile."""
        seen = self._seen.get((family, name))
        if seen is not None and self._is_ours_alone(seen):
            seen = evolve(seen, generation=generation)
        dumps: Dumps | None
        if seen is not None and seen.generation == generation and seen.held is None:
            if seen.dumps is None or seen.table is None:
                return seen
            dumps = await self._unannounced(dumper, seen.certain, seen.dumps, seen.table, wanted)
            if dumps is seen.dumps:
                return seen
        elif seen is not None:
            held = (seen.held or {}) if seen.generation == generation else {}
            dumps = await dumper.all(seen.dumps, held)
        else:
            dumps = await dumper.all(None, {})
        owned = dumps is not None and decode(dumps.table).owner == self._socket.port
        if not owned and (await self._socket.generation()).id != generation:
            return None
        found = await read_anew(family, name, generation, dumps, seen)
        return None if await self._is_torn(dumper, found, wanted) else found

    def _is_ours_alone(self, seen: Seen) -> bool:
        """Whether nobody else can have changed a table: our socket owns it (nft_table_lookup())."""
        table, known = seen.table, seen.generation != _NO_GENERATION
        return known and table is not None and table.head.owner == self._socket.port

    async def _is_torn(self, dumper: Dumper, found: Seen, wanted: Mapping[str, Elements]) -> bool:
        """Whether a hash lacks elements that another dump has.

        For kernels that do not tell how many there are (before Linux 6.16): see `torn_set`.
        """
        table, dumps = found.table, found.dumps
        if table is None or dumps is None:
            return False
        for name in wanted.keys() & found.certain:
            there, dumped = table.sets[name], dumps.elements[name]
            lacks = len(there.set.elements) < len(wanted[name])
            untold = there.head.count is None and not there.set.interval
            if not (lacks and untold and isinstance(dumped, bytes)):
                continue
            if dumped != await dumper.elements(name):
                return True
        return False

    async def _unannounced(
        self,
        dumper: Dumper,
        certain: frozenset[str],
        dumps: Dumps,
        table: ObservedTable,
        wanted: Mapping[str, Elements],
    ) -> Dumps | None:
        """The dumps of a table that no transaction changed, the same ones where nothing did."""
        if await self._is_other(dumper, dumps, table):
            return await dumper.all(dumps, {each: dumps.elements[each] for each in certain})
        elements = {}
        for name in wanted:
            if name in table.sets and name not in certain:
                try:
                    found = await dumper.elements(name)
                except OpError as error:
                    raise DumpInterrupted(str(error)) from error
                if found != dumps.elements[name]:
                    elements[name] = found
        return evolve(dumps, elements={**dumps.elements, **elements}) if elements else dumps

    async def _is_other(self, dumper: Dumper, dumps: Dumps, table: ObservedTable) -> bool:
        """Whether its owner or interfaces went.

        Neither makes a generation: nft_rcv_nl_event() in net/netfilter/nf_tables_api.c and
        nf_tables_netdev_event() in net/netfilter/nft_chain_filter.c.
        """
        owner = table.head.owner
        if owner and owner != self._socket.port and await dumper.table() != dumps.table:
            return True
        chains = (each.head.chain.devices for each in table.chains.values())
        if any(chains) and await dumper.chains() != dumps.chains:
            return True
        return bool(table.flowtables) and await dumper.flowtables() != dumps.flowtables


def _elements_of(desired: Table | None, family: str, name: str) -> Mapping[str, Elements]:
    """The elements that sets of a table shall have, of those sets whose elements matter."""
    if desired is None or (desired.family, desired.name) != (family, name):
        return {}
    return {each.name: each.elements for each in desired.sets if each.elements or each.managed}
