"""Messages of nf_tables for tests: tables, chains, rules and sets, as few bytes as will do."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

import anyio.to_thread
import pytest

from linx_async._core.errors import OpError, SourceError
from linx_async._kernel.exchange import RawDump
from linx_async._kernel.netlink import (
    Flag,
    Message,
    attribute_map,
    pack_attribute,
    pack_nested,
    pack_text,
    split,
)
from linx_async._kernel.netlink_open import NETLINK_NETFILTER, open_socket
from linx_async._kernel.netns import NetworkNamespace, Target
from linx_async._kernel.nfnetlink import NFNLGRP_NFTABLES, Change, Commit, NfnetlinkSocket
from linx_async._kernel.socket import NetlinkSocket
from linx_async.netfilter.desired.families import FAMILIES
from linx_async.testing.namespaces import Namespaces
from tests.kernel.nft_families import ANY

# include/uapi/linux/netfilter/nf_tables.h
NEWTABLE, GETTABLE, DELTABLE, NEWCHAIN, GETCHAIN, DELCHAIN, NEWRULE, GETRULE, DELRULE = range(9)
NEWSET, GETSET, DELSET, NEWSETELEM, GETSETELEM, DELSETELEM, NEWGEN, GETGEN = range(9, 17)
NFT = 10 << 8
# Of all tables here: what the tests are about is the same in each.
FAMILY = FAMILIES[ANY]
DORMANT, OWNER, PERSIST = 1, 2, 4
CREATE, APPEND, ECHO = int(Flag.CREATE), int(Flag.CREATE | Flag.APPEND), int(Flag.ECHO)

TABLE_NAME, TABLE_FLAGS, TABLE_HANDLE, TABLE_OWNER = 1, 2, 4, 7
RULE_HANDLE = 3
ACCEPT = 1


def be32(kind: int, value: int) -> bytes:
    return pack_attribute(kind, struct.pack(">I", value))


def table(
    name: str, flags: int | None = None, *, create: bool = True, echo: bool = False
) -> Change:
    said = pack_text(TABLE_NAME, name) + (b"" if flags is None else be32(TABLE_FLAGS, flags))
    return Change(NEWTABLE, CREATE * create | ECHO * echo, FAMILY, said)


def no_table(name: str) -> Change:
    return Change(DELTABLE, 0, FAMILY, pack_text(TABLE_NAME, name))


def chain(of: str, name: str) -> Change:
    return Change(NEWCHAIN, CREATE, FAMILY, pack_text(1, of) + pack_text(3, name))


def rule(of: str, chain: str, name: str = "", *, echo: bool = False) -> Change:
    """A rule that accepts, or has the expression of that name."""
    expression = pack_text(1, name or "immediate")
    if not name:
        code = pack_nested(2, be32(1, ACCEPT))
        expression += pack_nested(2, be32(1, 0), pack_nested(2, code))
    body = pack_nested(4, pack_nested(1, expression))
    flags = APPEND | ECHO * echo
    return Change(NEWRULE, flags, FAMILY, pack_text(1, of) + pack_text(2, chain) + body)


def a_set(of: str, name: str) -> Change:
    said = (
        pack_text(1, of) + pack_text(2, name) + be32(3, 0) + be32(4, 7) + be32(5, 4) + be32(10, 1)
    )
    return Change(NEWSET, CREATE, FAMILY, said)


def elements(of: str, name: str, values: Iterable[int]) -> Change:
    each = (pack_nested(1, pack_nested(1, be32(1, value))) for value in values)
    listed = pack_nested(3, *each)
    return Change(NEWSETELEM, CREATE, FAMILY, pack_text(1, of) + pack_text(2, name) + listed)


def of_table(name: str) -> bytes:
    """The attribute that names the table, in any request."""
    return pack_text(1, name)


def in_set(of: str, name: str) -> bytes:
    return pack_text(1, of) + pack_text(2, name)


def messages(dump: RawDump) -> list[Message]:
    return [message for datagram in dump.datagrams for message in split(datagram)]


def values_of(dump: RawDump) -> list[int]:
    """The elements of a set of numbers."""
    found = []
    for message in messages(dump):
        listed = attribute_map(message.payload, 4)[3]
        offset = 0
        while offset < len(listed):
            (length,) = struct.unpack_from("=H", listed, offset)
            element = listed[offset + 4 : offset + length]
            found.append(struct.unpack(">I", attribute_map(attribute_map(element)[1])[1])[0])
            offset += length
    return found


def number(message: Message, kind: int) -> int:
    """An attribute of 32 or 64 bits."""
    return int.from_bytes(attribute_map(message.payload, 4)[kind])


async def rules(sock: NfnetlinkSocket, of: str) -> list[Message]:
    return messages(await sock.dump(GETRULE, FAMILY, of_table(of), key="rules"))


async def find_table(sock: NfnetlinkSocket, name: str) -> Message | None:
    return await sock.get(GETTABLE, FAMILY, of_table(name), key=f"table {name}")


async def flags_of(sock: NfnetlinkSocket, name: str) -> int | None:
    found = await find_table(sock, name)
    return None if found is None else number(found, TABLE_FLAGS)


class Ruleset:
    """The rule set of a network namespace that is a test's own."""

    def __init__(self, target: Target) -> None:
        self.opener = target.call

    async def open(self) -> NfnetlinkSocket:
        return await NfnetlinkSocket.open(opener=self.opener)

    async def listen(self) -> NetlinkSocket:
        return await NetlinkSocket.open(
            NETLINK_NETFILTER, [NFNLGRP_NFTABLES], opener=self.opener, receive_buffer=1 << 22
        )

    async def raw(self) -> int:
        """The descriptor of a socket, to be wrapped or duplicated."""
        make = partial(open_socket, NETLINK_NETFILTER)
        return (await anyio.to_thread.run_sync(self.opener, make)).detach()


@asynccontextmanager
async def ruleset_in(box: Namespaces) -> AsyncIterator[Ruleset]:
    target = await anyio.to_thread.run_sync(NetworkNamespace.at_path(box.path("net")).open)
    try:
        ruleset = Ruleset(target)
        try:
            async with await ruleset.open() as sock:
                await sock.generation()
        except (OpError, SourceError) as error:
            pytest.skip(f"there is no nf_tables here: {error}")
        yield ruleset
    finally:
        target.close()


@pytest.fixture
async def ruleset(box: Namespaces) -> AsyncIterator[Ruleset]:
    async with ruleset_in(box) as ruleset:
        yield ruleset


@pytest.fixture
async def sock(ruleset: Ruleset) -> AsyncIterator[NfnetlinkSocket]:
    async with await ruleset.open() as sock:
        yield sock


async def done(sock: NfnetlinkSocket, *changes: Change) -> Commit:
    commit = await sock.commit(changes, generation=None)
    assert not commit.refused, commit
    assert not commit.untold
    return commit
