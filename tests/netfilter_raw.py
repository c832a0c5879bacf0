"""A plain socket to nf_tables: what `nft` loaded is dumped, and sent again as another table."""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Final, Self

import pytest

from linx_async._kernel.netlink import (
    Flag,
    attribute_map,
    attributes,
    pack_attribute,
    pack_message,
    pack_text,
    split,
)
from linx_async._kernel.nsfs import enter
from linx_async.netfilter.codec.abi import (
    BatchMessage,
    ChainAttribute,
    ChainFlag,
    ElementAttribute,
    ElementListAttribute,
    FlowtableAttribute,
    Message,
    ObjectAttribute,
    RuleAttribute,
    SetAttribute,
    SetFlag,
    TableAttribute,
)
from linx_async.netfilter.codec.expressions import (
    Canonical,
    canonical,
    canonical_data,
    canonical_object,
    encoded,
)
from linx_async.testing.namespaces import Namespaces

__all__ = ["Dump", "Netfilter", "Refused", "copy_of", "packed"]

NETLINK_NETFILTER: Final = 12
_CREATE: Final = int(Flag.REQUEST | Flag.ACK | Flag.CREATE)

Attributes = dict[int, bytes]


class Refused(Exception):
    """A message of a batch that the kernel did not take."""

    def __init__(self, number: int, message: int) -> None:
        self.number = number
        super().__init__(f"message {message}: {os.strerror(number)}")


class Netfilter:
    """nf_tables in a namespace, by `nft` and by messages; it blocks."""

    def __init__(self, box: Namespaces) -> None:
        self.box = box
        self._sock: socket.socket | None = None
        thread = threading.Thread(target=self._open)
        thread.start()
        thread.join()

    def _open(self) -> None:
        with open(self.box.path("net"), "rb") as namespace:
            enter(namespace.fileno(), "net")
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._sock.bind((0, 0))
        self._sock.settimeout(10)

    @property
    def sock(self) -> socket.socket:
        assert self._sock is not None
        return self._sock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.sock.close()

    def nft(self, text: str) -> None:
        """Load a ruleset; skip the test where this kernel lacks what it takes."""
        done = self.box.run(["nft", "-f", "-"], input=text, check=False)
        if "Could not process rule" in done.stderr:
            said, what = done.stderr.splitlines()[:2]
            pytest.skip(f"{said.rpartition(': ')[2]}: {what.strip()}")
        assert done.returncode == 0, done.stderr

    def dump(self, kind: int, family: int, payload: bytes = b"") -> list[bytes]:
        """The payloads, without nfgenmsg, that a dump answers."""
        body = struct.pack(">BBH", family, 0, 0) + payload
        self.sock.send(pack_message(kind, int(Flag.REQUEST | Flag.DUMP), 1, body))
        found: list[bytes] = []
        while True:
            for message in split(self.sock.recv(1 << 20)):
                if message.type == 3:
                    return found
                if message.type == 2:
                    raise Refused(-struct.unpack_from("=i", message.payload)[0], 0)
                found.append(message.payload[4:])

    def batch(self, family: int, messages: Iterable[tuple[int, int, bytes]]) -> None:
        """Send type, flags and payload of each as one transaction."""
        listed = list(messages)
        ends = struct.pack(">BBH", 0, 0, 10)
        head = struct.pack(">BBH", family, 0, 0)
        parts = [pack_message(BatchMessage.BEGIN, 1, 0, ends)]
        for number, (kind, flags, payload) in enumerate(listed, 1):
            parts.append(pack_message(kind, flags, number, head + payload))
        parts.append(pack_message(BatchMessage.END, 1, len(listed) + 1, ends))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        self.sock.send(b"".join(parts))
        left = len(listed)
        first: Refused | None = None
        while left and first is None:
            for message in split(self.sock.recv(1 << 20)):
                number = -struct.unpack_from("=i", message.payload)[0]
                if message.type == 2 and number:
                    first = first or Refused(number, message.seq)
                left -= 1
        if first is not None:
            self._drain()
            raise first

    def _drain(self) -> None:
        self.sock.setblocking(False)
        try:
            while True:
                self.sock.recv(1 << 20)
        except BlockingIOError:
            pass
        finally:
            self.sock.settimeout(10)


class Dump:
    """All of one table as the kernel tells it."""

    def __init__(self, netfilter: Netfilter, family: int, table: str) -> None:
        self.family, self.table = family, table

        def all_of(kind: int, place: int = 1) -> list[Attributes]:
            found = map(attribute_map, netfilter.dump(kind, family, pack_text(place, table)))
            return [each for each in found if _text(each[place]) == table]

        self.flags = all_of(Message.GETTABLE)[0][TableAttribute.FLAGS]
        self.chains = all_of(Message.GETCHAIN)
        self.sets = all_of(Message.GETSET)
        self.objects = all_of(Message.GETOBJ)
        self.flowtables = all_of(Message.GETFLOWTABLE)
        self.raw_rules = all_of(Message.GETRULE)
        self.elements = {
            name: _elements_of(netfilter, family, table, name)
            for name in (_text(each[SetAttribute.NAME]) for each in self.sets)
        }

    @property
    def anonymous(self) -> set[str]:
        return {
            _text(each[SetAttribute.NAME])
            for each in self.sets
            if _u32(each.get(SetAttribute.FLAGS, bytes(4))) & SetFlag.ANONYMOUS
        }

    @property
    def bound(self) -> set[str]:
        return {
            _text(each[ChainAttribute.NAME])
            for each in self.chains
            if _u32(each.get(ChainAttribute.FLAGS, bytes(4))) & ChainFlag.BINDING
        }

    @property
    def rules(self) -> list[tuple[str, bytes]]:
        """The chain and the expressions of each rule, as dumped."""
        return [
            (_text(each[RuleAttribute.CHAIN]), each.get(RuleAttribute.EXPRESSIONS, b""))
            for each in self.raw_rules
        ]

    def canonical_rules(self) -> list[Canonical]:
        anonymous, bound = self.anonymous, self.bound
        return [canonical(raw, anonymous, bound) for _, raw in self.rules]


def _elements_of(netfilter: Netfilter, family: int, table: str, name: str) -> list[Attributes]:
    asked = pack_text(ElementListAttribute.TABLE, table) + pack_text(ElementListAttribute.SET, name)
    found: list[Attributes] = []
    for payload in netfilter.dump(Message.GETSETELEM, family, asked):
        nest = attribute_map(payload).get(ElementListAttribute.ELEMENTS, b"")
        found += [attribute_map(value) for _, value in attributes(nest)]
    return found


def copy_of(dump: Dump, table: str) -> list[tuple[int, int, bytes]]:
    """The messages that make a table of another name with the same in it."""
    return list(_Copy(dump, table).messages())


class _Copy:
    def __init__(self, dump: Dump, table: str) -> None:
        self.dump, self.name = dump, table
        self.anonymous, self.bound = dump.anonymous, dump.bound
        self.set_ids = {
            _text(each[SetAttribute.NAME]): number for number, each in enumerate(dump.sets, 1)
        }
        self.chain_ids = {name: number for number, name in enumerate(sorted(self.bound), 101)}

    def template(self, name: str) -> str:
        """What the kernel makes a name of; the set of a `meter` is anonymous and has its own."""
        return re.sub(r"^(__set|__map)\d+$", r"\1%d", name) if name in self.anonymous else name

    def messages(self) -> Iterator[tuple[int, int, bytes]]:
        yield Message.NEWTABLE, _CREATE, packed({1: self.name, 2: self.dump.flags})
        for chain in self.dump.chains:
            yield Message.NEWCHAIN, _CREATE, self.chain(chain)
        for each in self.dump.flowtables:
            told = (2, 3, int(FlowtableAttribute.FLAGS))
            kept = {kind: each[kind] for kind in told if kind in each}
            yield Message.NEWFLOWTABLE, _CREATE, packed({1: self.name, **kept})
        for each in self.dump.objects:
            yield Message.NEWOBJ, _CREATE, self.object(each)
        for each in self.dump.sets:
            yield Message.NEWSET, _CREATE, self.set(each)
            yield Message.NEWSETELEM, _CREATE, self.elements(_text(each[SetAttribute.NAME]))
        for chain in self.dump.chains:
            name = _text(chain[ChainAttribute.NAME])
            if name not in self.bound:
                yield from self.rules_of(name)

    def rules_of(self, chain: str) -> Iterator[tuple[int, int, bytes]]:
        """A chain's rules; those of an anonymous chain before the one that jumps there.

        A chain that is bound takes no more of them (nf_tables_newrule(): EOPNOTSUPP).
        """
        for where, found, said in zip(
            self.dump.rules, self.dump.canonical_rules(), self.dump.raw_rules, strict=True
        ):
            if where[0] == chain:
                for other in found.chains:
                    yield from self.rules_of(other)
                yield Message.NEWRULE, _CREATE | 0x800, self.rule(chain, found, said)

    def chain(self, said: Attributes) -> bytes:
        name = _text(said[ChainAttribute.NAME])
        kinds = (ChainAttribute.HOOK, ChainAttribute.POLICY, ChainAttribute.TYPE)
        kept: dict[int, bytes | str | int] = {kind: said[kind] for kind in kinds if kind in said}
        if ChainAttribute.FLAGS in said:
            kept[ChainAttribute.FLAGS] = said[ChainAttribute.FLAGS]
        if name in self.bound:
            kept[ChainAttribute.ID] = self.chain_ids[name]
        else:
            kept[ChainAttribute.NAME] = name
        return packed({ChainAttribute.TABLE: self.name, **kept})

    def object(self, said: Attributes) -> bytes:
        kind = _u32(said[ObjectAttribute.TYPE])
        return packed(
            {
                ObjectAttribute.TABLE: self.name,
                ObjectAttribute.NAME: said[ObjectAttribute.NAME],
                ObjectAttribute.TYPE: kind,
                ObjectAttribute.DATA: canonical_object(kind, said[ObjectAttribute.DATA]),
            }
        )

    def set(self, said: Attributes) -> bytes:
        name = _text(said[SetAttribute.NAME])
        left_out = {
            SetAttribute.HANDLE,
            SetAttribute.TYPE,
            SetAttribute.COUNT,
            SetAttribute.EXPR,
            SetAttribute.EXPRESSIONS,
        }
        kept = {kind: value for kind, value in said.items() if kind not in left_out}
        return packed(
            {
                **kept,
                **_statements(said, SetAttribute.EXPR, SetAttribute.EXPRESSIONS),
                SetAttribute.TABLE: self.name,
                SetAttribute.NAME: self.template(name),
                SetAttribute.ID: self.set_ids[name],
            }
        )

    def elements(self, name: str) -> bytes:
        parts = [pack_attribute(1, self.element(each)) for each in self.dump.elements[name]]
        return packed(
            {
                ElementListAttribute.TABLE: self.name,
                ElementListAttribute.SET: self.template(name),
                ElementListAttribute.ELEMENTS: b"".join(parts),
                ElementListAttribute.SET_ID: self.set_ids[name],
            }
        )

    def element(self, said: Attributes) -> bytes:
        left_out = {
            ElementAttribute.EXPIRATION,
            ElementAttribute.EXPR,
            ElementAttribute.EXPRESSIONS,
        }
        kept = {kind: value for kind, value in said.items() if kind not in left_out}
        for kind in (ElementAttribute.DATA, ElementAttribute.KEY):
            if kind in kept:
                kept[kind] = canonical_data(kept[kind])
        return packed(
            {**kept, **_statements(said, ElementAttribute.EXPR, ElementAttribute.EXPRESSIONS)}
        )

    def rule(self, chain: str, found: Canonical, said: Attributes) -> bytes:
        sets = [(self.template(name), self.set_ids[name]) for name in found.sets]
        chains = [self.chain_ids[name] for name in found.chains]
        where: dict[int, str | int] = (
            {RuleAttribute.CHAIN_ID: self.chain_ids[chain]}
            if chain in self.bound
            else {RuleAttribute.CHAIN: chain}
        )
        told = (int(RuleAttribute.COMPAT), int(RuleAttribute.USERDATA))
        rest = {kind: said[kind] for kind in told if kind in said}
        body = encoded(found.body, sets, chains)
        return packed(
            {RuleAttribute.TABLE: self.name, **where, RuleAttribute.EXPRESSIONS: body, **rest}
        )


def _statements(said: Attributes, one: int, several: int) -> dict[int, bytes]:
    if several in said:
        return {several: canonical(said[several]).body}
    if one in said:
        return {one: canonical(pack_attribute(1, said[one])).body[4:]}
    return {}


def packed(values: Mapping[int, bytes | str | int]) -> bytes:
    """Attributes of bytes, text and numbers of 32 bits."""
    parts: list[bytes] = []
    for kind, value in values.items():
        if isinstance(value, int):
            parts.append(pack_attribute(kind, struct.pack(">I", value)))
        elif isinstance(value, str):
            parts.append(pack_text(kind, value))
        else:
            parts.append(pack_attribute(kind, value))
    return b"".join(parts)


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode()


def _u32(value: bytes) -> int:
    return int(struct.unpack(">I", value)[0])
