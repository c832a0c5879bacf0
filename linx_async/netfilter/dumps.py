"""A table and all that is in it as the kernel dumps it: bytes, to be compared with the next."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final, TypeAlias

from attrs import field, frozen

from .._core.errors import DumpInterrupted, OpError
from .._kernel.netlink import attribute_map, pack_text, split
from .._kernel.nfnetlink import NfnetlinkSocket, undated
from .._kernel.nfnetlink_messages import NFGENMSG
from .codec.abi import Message, TableAttribute
from .codec.set_abi import SetAttribute, SetFlag
from .codec.words import text_of, u32_of
from .desired import Elements
from .desired.families import FAMILIES
from .text.raw import RawSet, RawTable

__all__ = ["Dumper", "Dumps", "ElementsOf"]

_GETTABLE: Final = Message.GETTABLE.number
_GETCHAIN: Final = Message.GETCHAIN.number
_GETRULE: Final = Message.GETRULE.number
_GETSET: Final = Message.GETSET.number
_GETSETELEM: Final = Message.GETSETELEM.number
_GETOBJ: Final = Message.GETOBJ.number
_GETFLOWTABLE: Final = Message.GETFLOWTABLE.number

_GENMSG: Final = NFGENMSG.size
_NAME: Final = 1  # NFTA_TABLE_NAME, and NFTA_*_TABLE of all that is in one
_NAMED: Final = 2  # NFTA_SET_NAME, NFTA_SET_ELEM_LIST_SET
_FIXED: Final = SetFlag.ANONYMOUS | SetFlag.CONSTANT
_ALIVE: Final = SetFlag.TIMEOUT | SetFlag.EVAL

ElementsOf: TypeAlias = bytes | Elements
"""The elements of a set: a dump of them, or those that are known to be there without one."""


@frozen
class Dumps:
    """A table and all that is in it as bytes, without the generation that each message tells.

    Attributes:
        table: The payload of its NFT_MSG_NEWTABLE.
        chains: The chains of its family, those of other tables too.
        rules: Its rules.
        sets: The payload of each set, by name.
        elements: The elements of each set, by name.
        objects: Its objects.
        flowtables: Its flowtables.
        fixed: The names of sets that rules have for themselves, by their payload. The elements of
            such a set cannot change (NFT_SET_CONSTANT), and its handle, which is in the payload,
            is no other's (nf_tables_newset() in net/netfilter/nf_tables_api.c).
    """

    table: bytes
    chains: bytes
    rules: bytes
    sets: Mapping[str, bytes]
    elements: Mapping[str, ElementsOf]
    objects: bytes
    flowtables: bytes
    fixed: Mapping[bytes, str] = field(factory=dict, eq=False, repr=False)

    @property
    def size(self) -> int:
        """Bytes of rules and elements."""
        dumps = (each for each in self.elements.values() if isinstance(each, bytes))
        return len(self.rules) + sum(map(len, dumps))

    @property
    def held(self) -> Mapping[str, Elements]:
        """The elements that are known without a dump, by the set's name."""
        return {name: each for name, each in self.elements.items() if isinstance(each, Elements)}

    def raw(self, family: str, name: str) -> RawTable:
        """The same message by message."""
        return RawTable(
            family,
            name,
            self.table,
            _payloads(self.chains),
            _payloads(self.rules),
            tuple(
                RawSet(each, payload, _payloads(found) if isinstance(found, bytes) else ())
                for each, payload in self.sets.items()
                if (found := self.elements.get(each)) is not None
            ),
            _payloads(self.objects),
            _payloads(self.flowtables),
        )


class Dumper:
    """Dumps one table.

    Args:
        socket: A socket in its namespace.
        family: Its family.
        name: Its name.
    """

    def __init__(self, socket: NfnetlinkSocket, family: str, name: str) -> None:
        self._socket = socket
        self._family = FAMILIES[family]
        self._head = pack_text(_NAME, name)
        self._key = f"table {family} {name}"

    async def all(self, before: Dumps | None, held: Mapping[str, ElementsOf]) -> Dumps | None:
        """The table and all that is in it; None where it is not there.

        Args:
            before: What it was at the last look.
            held: The elements of sets that need no dump, by name.

        Raises:
            DumpInterrupted: Others changed it meanwhile.
            OpError: The kernel refused to tell.
            SourceError: It could not be read.
        """
        table = await self.table()
        if table is None:
            return None
        if before is not None and not _are_of_one(before.table, table):
            before = None
        chains, rules = await self.chains(), await self._dump(_GETRULE, "rules")
        objects, flowtables = await self._dump(_GETOBJ, "objects"), await self.flowtables()
        try:
            sets, elements, fixed = await self._sets(before, held)
        except OpError as error:
            if error.errno == errno.ENOENT:
                raise DumpInterrupted(f"{self._key}: it was deleted meanwhile") from None
            raise
        return Dumps(table, chains, rules, sets, elements, objects, flowtables, fixed)

    async def _sets(
        self, before: Dumps | None, held: Mapping[str, ElementsOf]
    ) -> tuple[dict[str, bytes], dict[str, ElementsOf], dict[bytes, str]]:
        """The payload of each set, the elements of each, and `Dumps.fixed`."""
        sets: dict[str, bytes] = {}
        elements: dict[str, ElementsOf] = {}
        fixed: dict[bytes, str] = {}
        for payload in _payloads(await self._dump(_GETSET, "sets")):
            known = None if before is None else before.fixed.get(payload)
            name = _name_of(payload) if known is None else known
            if before is not None and known is not None:
                elements[name] = before.elements[name]
            else:
                found = held.get(name)
                elements[name] = await self.elements(name) if found is None else found
            if known is not None or _is_fixed(payload):
                fixed[payload] = name
            sets[name] = payload
        return sets, elements, fixed

    async def table(self) -> bytes | None:
        """The payload of NFT_MSG_NEWTABLE; None where it is not there."""
        found = await self._socket.get(_GETTABLE, self._family, self._head, key=self._key)
        return None if found is None else found.payload[_GENMSG:]

    async def chains(self) -> bytes:
        """The chains of its family, those of other tables too."""
        return await self._dump(_GETCHAIN, "chains", b"")

    async def flowtables(self) -> bytes:
        """Its flowtables."""
        return await self._dump(_GETFLOWTABLE, "flowtables")

    async def elements(self, name: str) -> bytes:
        """The elements of a set."""
        attributes = self._head + pack_text(_NAMED, name)
        return await self._dump(_GETSETELEM, f"elements of {name}", attributes)

    async def _dump(self, kind: int, what: str, attributes: bytes | None = None) -> bytes:
        said = self._head if attributes is None else attributes
        dump = await self._socket.dump(kind, self._family, said, key=f"{self._key}: {what}")
        return undated(dump)


def _payloads(data: bytes) -> tuple[bytes, ...]:
    return tuple(message.payload[_GENMSG:] for message in split(data))


def _name_of(payload: bytes) -> str:
    return text_of(attribute_map(payload).get(_NAMED, b""))


def _are_of_one(before: bytes, table: bytes) -> bool:
    """Whether it is the same table still: handles in another one start anew."""
    handles = (attribute_map(each).get(TableAttribute.HANDLE) for each in (before, table))
    first, second = handles
    return first is not None and first == second


def _is_fixed(payload: bytes) -> bool:
    said = attribute_map(payload)
    flags = u32_of(said.get(SetAttribute.FLAGS, bytes(4)))
    return bool(flags & _FIXED == _FIXED and not flags & _ALIVE and said.get(SetAttribute.HANDLE))
