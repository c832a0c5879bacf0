"""What the kernel does with transactions of nf_tables that nobody would think."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Sequence
from functools import partial

import anyio
import anyio.to_thread
import pytest

from linx_async._kernel.exchange import RawDump, Refusal
from linx_async._kernel.netlink import Control, Flag, Message, attribute_map, pack_message, split
from linx_async._kernel.nfnetlink import (
    Change,
    Generation,
    NfnetlinkSocket,
    StaleGeneration,
)
from linx_async._kernel.nfnetlink_batch import pack_batch
from linx_async._kernel.nfnetlink_messages import nfgenmsg
from linx_async._kernel.socket import NetlinkSocket
from tests.kernel.nft_messages import (
    DORMANT,
    ECHO,
    FAMILY,
    GETCHAIN,
    GETGEN,
    GETRULE,
    GETSET,
    GETSETELEM,
    NEWGEN,
    NEWRULE,
    NFT,
    OWNER,
    PERSIST,
    RULE_HANDLE,
    TABLE_HANDLE,
    TABLE_OWNER,
    Ruleset,
    a_set,
    chain,
    done,
    elements,
    find_table,
    flags_of,
    in_set,
    messages,
    no_table,
    number,
    of_table,
    rule,
    rules,
    ruleset,
    sock,
    table,
    values_of,
)

__all__ = ["ruleset", "sock"]

pytestmark = pytest.mark.anyio

FIREWALL = [table("fw", 0), chain("fw", "input"), rule("fw", "input")]
OWNED = [table("fw", OWNER), *FIREWALL[1:]]
PERSISTENT = [table("fw", OWNER | PERSIST), *FIREWALL[1:]]


@pytest.fixture
async def stranger(ruleset: Ruleset) -> AsyncIterator[NfnetlinkSocket]:
    async with await ruleset.open() as sock:
        yield sock


async def errnos(sock: NfnetlinkSocket, *changes: Change) -> list[int | None]:
    commit = await sock.commit(changes, generation=None)
    return [each.errno if each else None for each in commit.refusals]


async def generation(sock: NfnetlinkSocket) -> int:
    return (await sock.generation()).id


@pytest.fixture
async def can_persist(sock: NfnetlinkSocket) -> None:
    commit = await sock.commit(
        [table("trial", OWNER | PERSIST), no_table("trial")], generation=None
    )
    if commit.refused:
        pytest.skip("this kernel knows no NFT_TABLE_F_PERSIST, which came with 6.9")


# Who may write


async def test_a_table_with_an_owner_is_read_by_all_and_written_by_the_owner_alone(
    sock: NfnetlinkSocket, stranger: NfnetlinkSocket
) -> None:
    await done(sock, *OWNED)
    found = await find_table(stranger, "fw")
    assert found is not None
    assert number(found, TABLE_OWNER) == sock.port
    assert len(await rules(stranger, "fw")) == 1
    for change in (
        table("fw", 0),
        no_table("fw"),
        chain("fw", "other"),
        rule("fw", "input"),
        a_set("fw", "numbers"),
    ):
        assert await errnos(stranger, change) == [errno.EPERM]
    await done(sock, rule("fw", "input"))


async def test_others_flush_the_rule_set_around_an_owned_table(
    sock: NfnetlinkSocket, stranger: NfnetlinkSocket
) -> None:
    """A deletion of all tables passes over those of others (nft_flush())."""
    await done(sock, *OWNED, table("open"))
    everything = no_table("")._replace(attributes=b"")
    await done(stranger, everything)
    assert await find_table(sock, "open") is None
    assert len(await rules(sock, "fw")) == 1


async def test_an_owned_table_goes_with_the_last_duplicate_of_its_owners_descriptor(
    ruleset: Ruleset, stranger: NfnetlinkSocket
) -> None:
    raw = socket.socket(fileno=await ruleset.raw())
    duplicate = os.dup(raw.fileno())
    try:
        async with NfnetlinkSocket(NetlinkSocket(raw, listens=False)) as owner:
            await done(owner, *OWNED)
        assert await find_table(stranger, "fw")
    finally:
        os.close(duplicate)
    assert await find_table(stranger, "fw") is None


async def test_a_program_that_is_run_does_not_keep_an_owned_table(
    ruleset: Ruleset, stranger: NfnetlinkSocket
) -> None:
    async with await ruleset.open() as owner:
        await done(owner, *OWNED)
        run = partial(subprocess.Popen, ["cat"], stdin=subprocess.PIPE, close_fds=False)
        program = await anyio.to_thread.run_sync(run)
    try:
        assert await find_table(stranger, "fw") is None
        assert program.poll() is None
    finally:
        await anyio.to_thread.run_sync(program.communicate)


async def test_nobody_is_told_when_an_owner_and_its_table_go(
    ruleset: Ruleset, stranger: NfnetlinkSocket
) -> None:
    async with await ruleset.listen() as listener:
        async with await ruleset.open() as owner:
            await done(owner, *OWNED)
            before = await generation(stranger)
            while NEWGEN | NFT not in {message.type for message in await listener.receive()}:
                pass
        assert await find_table(stranger, "fw") is None
        assert await generation(stranger) == before
        await done(stranger, table("other"))
        told = await listener.receive()
        assert [message.type - NFT for message in told] == [0, NEWGEN]
        assert number(told[-1], 1) == before + 1


async def test_a_persistent_table_outlives_its_owner_and_is_adopted_with_all_its_handles(
    can_persist: None, ruleset: Ruleset, stranger: NfnetlinkSocket
) -> None:
    async with await ruleset.open() as owner:
        await done(owner, *PERSISTENT)
        before = await find_table(stranger, "fw"), await rules(stranger, "fw")
        generation_before = await generation(stranger)
    assert await flags_of(stranger, "fw") == PERSIST
    assert await generation(stranger) == generation_before

    await done(stranger, rule("fw", "input"))  # An orphan is anyone's.

    async with await ruleset.open() as heir:
        await done(heir, table("fw", OWNER | PERSIST))
        after = await find_table(heir, "fw")
        assert after is not None
        assert before[0] is not None
        assert number(after, TABLE_HANDLE) == number(before[0], TABLE_HANDLE)
        assert number(after, TABLE_OWNER) == heir.port
        kept = await rules(heir, "fw")
        assert number(kept[0], RULE_HANDLE) == number(before[1][0], RULE_HANDLE)
        assert await errnos(stranger, table("fw", OWNER | PERSIST)) == [errno.EPERM]
        assert await errnos(stranger, rule("fw", "input")) == [errno.EPERM]
    assert len(await rules(stranger, "fw")) == 2


async def test_adopting_makes_a_generation_and_is_guarded_by_it(
    can_persist: None, ruleset: Ruleset, sock: NfnetlinkSocket
) -> None:
    async with await ruleset.open() as owner:
        await done(owner, *PERSISTENT)
    read = await generation(sock)
    adopt = table("fw", OWNER | PERSIST)
    with pytest.raises(StaleGeneration):
        await sock.commit([adopt], generation=read - 1)
    assert (await sock.commit([adopt], generation=read)).generation == read + 1


async def test_an_owner_is_neither_taken_on_nor_given_up_nor_put_to_sleep_later(
    can_persist: None, ruleset: Ruleset, sock: NfnetlinkSocket
) -> None:
    async with await ruleset.open() as owner:
        await done(owner, *PERSISTENT)
    assert await errnos(sock, table("fw", OWNER)) == [errno.EOPNOTSUPP]

    await done(sock, table("never owned", 0))
    for flags in (OWNER, OWNER | PERSIST):
        assert await errnos(sock, table("never owned", flags)) == [errno.EOPNOTSUPP]

    await done(sock, table("mine", OWNER))
    for flags in (0, PERSIST, OWNER | PERSIST, OWNER | DORMANT):
        assert await errnos(sock, table("mine", flags)) == [errno.EOPNOTSUPP]


async def test_what_an_owner_cannot_change_it_makes_anew_in_one_transaction(
    sock: NfnetlinkSocket, stranger: NfnetlinkSocket
) -> None:
    await done(stranger, *FIREWALL)
    await done(sock, no_table("fw"), *OWNED)
    assert await flags_of(stranger, "fw") == OWNER
    assert len(await rules(stranger, "fw")) == 1


# Generations


async def test_a_stale_transaction_is_refused_with_the_number_of_its_beginning(
    sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    await done(sock, *FIREWALL)
    with socket.socket(fileno=await ruleset.raw()) as raw:
        wrong = [rule("fw", "no such chain")] * 3
        raw.send(pack_batch(wrong, range(100, 105), generation=77))
        (told,) = split(raw.recv(65536))
        with pytest.raises(BlockingIOError):
            raw.recv(65536)
    assert (told.type, told.seq) == (Control.ERROR, 100)
    assert int.from_bytes(told.payload[:4], "little", signed=True) == -errno.ERESTART


async def test_each_transaction_makes_the_next_generation_unless_it_changes_nothing(
    sock: NfnetlinkSocket,
) -> None:
    start = await generation(sock)
    assert (await done(sock, *FIREWALL)).generation == start + 1
    assert (await done(sock, rule("fw", "input"), rule("fw", "input"))).generation == start + 2
    for nothing in ([], [table("fw", 0)], [table("fw", 0), table("fw")]):
        assert (await done(sock, *nothing)).generation is None
    refused = await sock.commit([rule("fw", "input"), rule("nix", "input")], generation=start + 2)
    assert (refused.refused, refused.generation) == (True, None)
    assert await generation(sock) == start + 2
    # A chain that is there already counts as changed.
    assert (await done(sock, chain("fw", "input"))).generation == start + 3


async def test_generation_0_in_a_batch_is_no_check(sock: NfnetlinkSocket, ruleset: Ruleset) -> None:
    with socket.socket(fileno=await ruleset.raw()) as raw:
        batch = pack_batch([table("fw")], range(100, 103), generation=1)
        one, zero = (b"\x08\x00\x01\x00" + number.to_bytes(4) for number in (1, 0))
        assert batch.count(one) == 1
        before = await generation(sock)
        raw.send(batch.replace(one, zero))
    assert await generation(sock) == before + 1
    assert await find_table(sock, "fw")


async def test_an_answer_names_who_asked_and_a_notification_who_did_it(
    ruleset: Ruleset, sock: NfnetlinkSocket
) -> None:
    async with await ruleset.listen() as listener:
        await done(sock, *FIREWALL)
        told = await listener.receive()
        asked = await sock.generation()
    assert [message.type - NFT for message in told] == [0, 3, 6, NEWGEN]
    made = Generation.decode(told[-1].payload)
    assert asked.id == made.id
    # Its thread's id: a transaction is sent in one of its own.
    assert asked.pid == threading.get_native_id()
    assert made.pid not in {asked.pid, 0}


async def test_of_a_datagram_nothing_after_the_end_of_a_batch_is_looked_at(
    ruleset: Ruleset,
) -> None:
    """So the question that tells when a batch is done cannot go along."""
    with socket.socket(fileno=await ruleset.raw()) as raw:
        question = pack_message(NFT | GETGEN, Flag.REQUEST, 200, nfgenmsg(0))
        raw.send(pack_batch([], range(100, 102)) + question)
        with pytest.raises(BlockingIOError):
            raw.recv(65536)
        raw.send(question)
        (told,) = split(raw.recv(65536))
    assert (told.seq, told.type) == (200, NFT | NEWGEN)


async def test_an_echo_of_the_first_message_tells_the_new_generation(ruleset: Ruleset) -> None:
    """Even where that message changes nothing itself; an echo of any other does not."""
    with socket.socket(fileno=await ruleset.raw()) as raw:

        def told(first: int, *changes: Change) -> list[tuple[int, int]]:
            raw.send(as_they_are(changes, first))
            found: list[Message] = []
            try:
                while True:
                    found += split(raw.recv(65536))
            except BlockingIOError:
                return [(message.seq, message.type - NFT) for message in found]

        quiet, echoed = rule("fw", "input"), rule("fw", "input", echo=True)
        assert told(100, table("fw")) == []
        assert told(200, table("fw", echo=True)) == []
        assert told(300, table("fw", echo=True), chain("fw", "input")) == [(301, NEWGEN)]
        assert told(400, quiet, echoed) == [(402, NEWRULE)]
        assert told(500, echoed, quiet) == [(501, NEWRULE), (501, NEWGEN)]


def as_they_are(changes: Sequence[Change], first: int) -> bytes:
    """A batch with the flags of the changes alone."""
    batch = bytearray(pack_batch(changes, range(first, first + len(changes) + 2)))
    if not changes[0].flags & ECHO:
        batch[20 + 6] &= ~ECHO
    return bytes(batch)


# Refusals


async def test_every_bad_change_is_told_with_where_it_is_wrong(sock: NfnetlinkSocket) -> None:
    await done(sock, *FIREWALL)
    commit = await sock.commit(
        [
            rule("fw", "input"),
            rule("fw", "nix"),
            rule("nix", "input"),
            chain("fw", "more"),
            rule("fw", "input", "nothing"),
        ],
        generation=None,
    )
    assert list(commit.refusals) == [
        None,
        Refusal(errno.ENOENT, "", 28),
        Refusal(errno.ENOENT, "", 20),
        None,
        Refusal(errno.ENOENT, "", 44),
    ]
    assert len(await rules(sock, "fw")) == 1
    assert len(messages(await sock.dump(GETCHAIN, FAMILY, key="chains"))) == 1


async def test_a_batch_past_the_send_buffer_is_not_sent(ruleset: Ruleset) -> None:
    with socket.socket(fileno=await ruleset.raw()) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
        room = raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 32
        raw.send(bytes(room))
        with pytest.raises(OSError, match="too long") as caught:
            raw.send(bytes(room + 1))
    assert caught.value.errno == errno.EMSGSIZE


# Dumps


async def test_a_table_that_does_not_exist_has_no_rules_and_its_sets_cannot_be_asked_for(
    sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    await done(sock, *FIREWALL)
    assert await rules(sock, "nix") == []
    chains = await sock.dump(GETCHAIN, FAMILY, of_table("nix"), key="chains")
    assert len(messages(chains)) == 1  # Another table's: chains are told of all tables.
    for kind, what in ((GETSET, of_table("nix")), (GETSETELEM, in_set("fw", "nix"))):
        found = await ask(ruleset, kind, what)
        assert found.refusal is not None
        assert found.refusal.errno == errno.ENOENT


async def ask(ruleset: Ruleset, kind: int, attributes: bytes) -> RawDump:
    with socket.socket(fileno=await ruleset.raw()) as raw:
        return read_on(raw, start(raw, kind, attributes))


def start(raw: socket.socket, kind: int, attributes: bytes) -> RawDump:
    """Begin a dump, and read the first of it."""
    request = pack_message(NFT | kind, Flag.REQUEST | Flag.DUMP, 1, nfgenmsg(FAMILY) + attributes)
    raw.send(request)
    dump = RawDump(1, raw.getsockname()[0])
    dump.feed(raw.recv(65536))
    return dump


def read_on(raw: socket.socket, dump: RawDump) -> RawDump:
    dump.pause()
    while not dump.done:
        dump.feed(raw.recv(65536))
        dump.pause()
    return dump


async def until_told_once(ruleset: Ruleset, numbers: bytes, count: int) -> None:
    """Dump until two in a row are whole: a hash that is given more room tells elements twice."""
    whole = 0
    while whole < 2:
        found = values_of(await ask(ruleset, GETSETELEM, numbers))
        assert set(found) <= set(range(count))
        whole = whole + 1 if sorted(found) == list(range(count)) else 0


async def test_elements_may_be_told_across_generations_without_a_word(
    sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    """Rules are not: their dump says that it was interrupted."""
    count = 20_000
    await done(sock, table("fw"), chain("fw", "input"), a_set("fw", "numbers"))
    for at in range(0, count, 2000):
        await done(sock, elements("fw", "numbers", range(at, at + 2000)))
    await done(sock, *[rule("fw", "input")] * 2000)
    await until_told_once(ruleset, in_set("fw", "numbers"), count)

    said = {}
    for kind, what in ((GETSETELEM, in_set("fw", "numbers")), (GETRULE, of_table("fw"))):
        with socket.socket(fileno=await ruleset.raw()) as raw:
            begun = start(raw, kind, what)
            await done(sock, chain("fw", "input"))
            whole = read_on(raw, begun)
        generations = {message.payload[2:4] for message in messages(whole)}
        flagged = any(message.flags & Flag.DUMP_INTR for message in messages(whole))
        assert len(generations) == 2
        said[kind] = whole.interrupted or flagged
        if kind == GETSETELEM:
            assert sorted(values_of(whole)) == list(range(count))
    assert said == {GETSETELEM: False, GETRULE: True}


async def test_one_dump_is_the_same_bytes_as_the_next_but_for_the_generation_in_it(
    sock: NfnetlinkSocket,
) -> None:
    await done(sock, *FIREWALL)
    first = await sock.dump(GETRULE, FAMILY, of_table("fw"), key="rules")
    again = await sock.dump(GETRULE, FAMILY, of_table("fw"), key="rules")
    assert again.datagrams == first.datagrams
    made = (await done(sock, table("other"))).generation
    after = await sock.dump(GETRULE, FAMILY, of_table("fw"), key="rules")
    assert after.datagrams != first.datagrams
    (message,) = messages(after)
    assert int.from_bytes(message.payload[2:4]) == made
    assert attribute_map(message.payload, 4) == attribute_map(messages(first)[0].payload, 4)
