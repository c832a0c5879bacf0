"""Tables as the kernel dumps them, message by message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attrs import field, frozen

from ..._core.errors import SourceError
from ..._kernel.conversation import Conversation
from ..._kernel.netlink import Flag, NetlinkDecodeError, attribute_map, attributes, pack_text
from ..._kernel.nfnetlink_messages import NFGENMSG
from ..codec.abi import ElementListAttribute, Message, SetAttribute, TableAttribute
from ..codec.set_abi import SetFlag
from ..codec.words import u32_of
from ..desired.families import FAMILY_NAMES

__all__ = ["RawSet", "RawTable", "dumped"]

_HEADER: Final = NFGENMSG.size
# NFTA_CHAIN_TABLE, NFTA_RULE_TABLE and so on have the number of NFTA_TABLE_NAME.
_TABLE: Final = int(TableAttribute.NAME)
_ELEMENTS: Final = int(ElementListAttribute.ELEMENTS)

_TRIES: Final = 100
_PAUSE: Final = 0.002
"""Seconds between two tries, in a thread."""

_Key = tuple[int, bytes]
"""nfgen_family, and the name of a table."""


@frozen
class RawSet:
    """A set or map, anonymous ones too.

    Attributes:
        name: Its name; of an anonymous one, `__set0` or `__map0`.
        payload: Of its NFT_MSG_NEWSET.
        elements: The payloads of the NFT_MSG_NEWSETELEM that its dump consists of.
    """

    name: str
    payload: bytes
    elements: tuple[bytes, ...]


@frozen
class RawTable:
    """A table and all that is in it; a payload is what follows nfgenmsg in a message.

    Attributes:
        family: Its family by name, `inet`.
        name: Its name.
        payload: Of its NFT_MSG_NEWTABLE.
        chains: Of NFT_MSG_NEWCHAIN, in the kernel's order.
        rules: Of NFT_MSG_NEWRULE, those of a chain in their order.
        sets: The sets and maps, in the kernel's order.
        objects: Of NFT_MSG_NEWOBJ.
        flowtables: Of NFT_MSG_NEWFLOWTABLE.
        texts: Rules in nft's words, by their handles; of none, some or all.
    """

    family: str
    name: str
    payload: bytes
    chains: tuple[bytes, ...]
    rules: tuple[bytes, ...]
    sets: tuple[RawSet, ...]
    objects: tuple[bytes, ...]
    flowtables: tuple[bytes, ...]
    texts: Mapping[int, str] = field(factory=dict, eq=False, repr=False)

    @property
    def size(self) -> int:
        """Bytes, all payloads and texts taken together."""
        elements = (part for each in self.sets for part in (each.payload, *each.elements))
        parts = (self.chains, self.rules, elements, self.objects, self.flowtables)
        texts = sum(map(len, self.texts.values()))
        return len(self.payload) + texts + sum(len(payload) for part in parts for payload in part)


def dumped(netfilter: Conversation) -> tuple[RawTable, ...]:
    """All tables that a namespace has. Blocks.

    Raises:
        SourceError: The dump cannot be read.
        OpError: The kernel refused it.
        Aborted: Nobody wants the result any more.
        TimeoutError: It is too late.
    """
    try:
        return tuple(_dumped(netfilter))
    except NetlinkDecodeError as error:
        raise SourceError(f"dump of tables: {error}") from error


def _dumped(netfilter: Conversation) -> Iterator[RawTable]:
    tables = _by_table(netfilter, Message.GETTABLE)
    if not tables:
        return
    kinds = (
        Message.GETCHAIN,
        Message.GETRULE,
        Message.GETSET,
        Message.GETOBJ,
        Message.GETFLOWTABLE,
    )
    dumps = [_by_table(netfilter, kind) for kind in kinds]
    for key, (payload, *_) in tables.items():
        chains, rules, sets, objects, flowtables = (tuple(dump.get(key, ())) for dump in dumps)
        yield RawTable(
            FAMILY_NAMES.get(key[0], str(key[0])),
            _text(key[1]),
            payload,
            chains,
            rules,
            tuple(_set(netfilter, key, each) for each in sets),
            objects,
            flowtables,
        )


def _by_table(netfilter: Conversation, kind: Message) -> dict[_Key, list[bytes]]:
    found: dict[_Key, list[bytes]] = {}
    for family, payload in _dump(netfilter, kind, bytes(_HEADER)):
        for number, value in attributes(payload):
            if number == _TABLE:
                found.setdefault((family, value.rstrip(b"\0")), []).append(payload)
                break
        else:
            raise NetlinkDecodeError("a message that names no table", len(payload))
    return found


def _set(netfilter: Conversation, key: _Key, payload: bytes) -> RawSet:
    family, table = key
    said = attribute_map(payload)
    name = _text(said.get(SetAttribute.NAME, b""))
    request = (
        bytes([family, 0, 0, 0])
        + pack_text(ElementListAttribute.TABLE, _text(table))
        + pack_text(ElementListAttribute.SET, name)
    )
    for _ in range(_TRIES):
        elements = tuple(each for _, each in _dump(netfilter, Message.GETSETELEM, request))
        if not _lacks_some(said, elements):
            return RawSet(name, payload, elements)
        netfilter.pause(_PAUSE)
    raise SourceError(f"dump of tables: the elements of set {name} are not all there")


def _lacks_some(said: dict[int, bytes], elements: Iterable[bytes]) -> bool:
    """Whether the kernel was about to give a hash more room, and left out elements for that.

    It tells so in no other way than by their number (Linux 6.16): nft_rhash_walk() in
    net/netfilter/nft_set_hash.c.
    """
    count = said.get(SetAttribute.COUNT)
    if count is None or u32_of(said.get(SetAttribute.FLAGS, bytes(4))) & SetFlag.INTERVAL:
        return False
    lists = (value for each in elements for kind, value in attributes(each) if kind == _ELEMENTS)
    return sum(1 for each in lists for _ in attributes(each)) < u32_of(count)


def _dump(netfilter: Conversation, kind: Message, request: bytes) -> list[tuple[int, bytes]]:
    """The family and the payload of each message."""
    answer = netfilter.request(kind, Flag.DUMP, request, key=f"dump {kind.name}")
    if any(len(message.payload) < _HEADER for message in answer):
        raise NetlinkDecodeError("a message without nfgenmsg", 0)
    return [(message.payload[0], message.payload[_HEADER:]) for message in answer]


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")
