"""Transactions of nf_tables, and dumps, on a socket of nfnetlink."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from linx_async._core.errors import OpError, SourceError
from linx_async._kernel.exchange import Refusal
from linx_async._kernel.netlink import MESSAGE, Control, Flag, pack_message
from linx_async._kernel.nfnetlink import (
    Change,
    Commit,
    NfnetlinkSocket,
    StaleGeneration,
    undated,
)
from linx_async._kernel.nfnetlink_batch import pack_batch
from linx_async._kernel.socket import NetlinkSocket
from tests.kernel.nft_messages import (
    DELRULE,
    DELSETELEM,
    FAMILY,
    GETRULE,
    GETSETELEM,
    NEWGEN,
    NEWRULE,
    NEWSET,
    NFT,
    RULE_HANDLE,
    Ruleset,
    a_set,
    chain,
    done,
    elements,
    find_table,
    in_set,
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

T = TypeVar("T")

FIREWALL = [table("fw"), chain("fw", "input")]
RULE = rule("fw", "input")
BAD = rule("fw", "nix")
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33


@pytest.fixture
async def firewall(sock: NfnetlinkSocket) -> None:
    """A table with one chain, which is empty."""
    await done(sock, *FIREWALL)


async def generation(sock: NfnetlinkSocket) -> int:
    return (await sock.generation()).id


class Odd(socket.socket):
    """A socket of nfnetlink on which things go wrong."""

    limit: int | None = None
    """What the buffers may be, as if SO_*BUFFORCE were not allowed."""
    answer: Callable[[bytes], bytes] | None = None
    """Changes what comes in."""
    losses = 0
    """So many datagrams are lost before the next that is read."""
    scope: anyio.CancelScope | None = None
    reads_before = 0
    sending: threading.Event | None = None
    go_on: threading.Event | None = None

    def setsockopt(self, level: int, option: int, value: Any, *more: Any) -> None:
        if self.limit is not None and level == socket.SOL_SOCKET:
            if option in {SO_SNDBUFFORCE, SO_RCVBUFFORCE}:
                raise PermissionError(errno.EPERM, "not root")
            value = min(value, self.limit)
        super().setsockopt(level, option, value, *more)

    def send(self, data: Any, *more: Any) -> int:
        if self.sending and self.go_on:
            self.sending.set()
            self.go_on.wait()
        return super().send(data, *more)

    def recvmsg(self, *arguments: Any) -> Any:
        if self.scope and not self.reads_before:
            self.scope.cancel()
            self.scope = None
            raise BlockingIOError
        self.reads_before -= 1
        got = super().recvmsg(*arguments)
        if self.losses:
            self.losses -= 1
            raise OSError(errno.ENOBUFS, "lost")
        return (self.answer(got[0]), *got[1:]) if self.answer else got

    async def cut(self, request: Awaitable[object], *, reads_before: int) -> bool:
        """Cancel a request that has read that many datagrams; False where it was done by then."""
        with anyio.CancelScope() as scope:
            self.scope, self.reads_before = scope, reads_before
            await request
        self.scope = None
        return scope.cancelled_caught


@asynccontextmanager
async def odd_socket(ruleset: Ruleset) -> AsyncIterator[tuple[NfnetlinkSocket, Odd]]:
    raw = Odd(fileno=await ruleset.raw())
    async with NfnetlinkSocket(NetlinkSocket(raw, listens=False)) as sock:
        yield sock, raw


# Transactions


async def test_a_transaction_tells_the_generation_that_it_made(sock: NfnetlinkSocket) -> None:
    start = await generation(sock)
    assert await sock.commit(FIREWALL, generation=start) == Commit((None, None), False, start + 1)
    assert (await sock.commit([RULE], generation=None)).generation == start + 2
    assert await generation(sock) == start + 2
    assert len(await rules(sock, "fw")) == 1


async def test_one_that_changes_nothing_makes_none(firewall: None, sock: NfnetlinkSocket) -> None:
    now = await generation(sock)
    assert await sock.commit([], generation=now) == Commit((), False, None)
    assert await sock.commit([table("fw")], generation=now) == Commit((None,), False, None)
    assert await generation(sock) == now


async def test_of_one_that_is_refused_nothing_is_done_and_each_refusal_is_told(
    firewall: None, sock: NfnetlinkSocket
) -> None:
    now = await generation(sock)
    commit = await sock.commit([RULE, BAD, table("more"), BAD], generation=now)
    refusal = Refusal(errno.ENOENT, "", 28)
    assert commit == Commit((None, refusal, None, refusal), False, None)
    assert commit.refused
    assert await rules(sock, "fw") == []
    assert await find_table(sock, "more") is None
    assert await generation(sock) == now


async def test_where_somebody_else_was_faster_nothing_is_done(
    firewall: None, sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    read = await generation(sock)
    async with await ruleset.open() as other:
        await done(other, table("other"))
    for changes in ([RULE], []):
        with pytest.raises(StaleGeneration, match=f"the firewall: .* since generation {read}") as e:
            await sock.commit(changes, generation=read, key="the firewall")
        assert e.value.generation == read
    assert await rules(sock, "fw") == []
    assert (await sock.commit([RULE], generation=read + 1)).generation == read + 2


async def test_many_writers_that_look_at_the_generation_lose_nothing(
    firewall: None, ruleset: Ruleset
) -> None:
    async def write(times: int) -> None:
        async with await ruleset.open() as sock:
            while times:
                read = await sock.generation()
                try:
                    commit = await sock.commit([RULE], generation=read.id)
                except StaleGeneration:
                    continue
                assert commit.generation == read.id + 1
                times -= 1

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(write, 10)
    async with await ruleset.open() as sock:
        assert len(await rules(sock, "fw")) == 30


async def test_ten_thousand_rules_are_one_transaction(
    firewall: None, sock: NfnetlinkSocket
) -> None:
    now = await generation(sock)
    try:
        commit = await done(sock, *[RULE] * 10_000)
    except SourceError as error:
        pytest.skip(f"net.core.wmem_max holds for this user: {error}")
    assert commit.generation == now + 1
    assert len(await rules(sock, "fw")) == 10_000


async def test_ten_thousand_refusals_are_told_each(firewall: None, ruleset: Ruleset) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        try:
            raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4096)
        except PermissionError:
            pytest.skip("net.core.rmem_max holds for this user: SO_RCVBUFFORCE is not allowed")
        commit = await sock.commit([RULE, *[BAD] * 10_000], generation=None)
        assert commit.refusals == (None, *[Refusal(errno.ENOENT, "", 28)] * 10_000)
        assert not commit.untold


async def test_refusals_that_find_no_room_leave_the_first_ones_told(
    firewall: None, ruleset: Ruleset
) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        raw.limit = 20_000
        for _ in range(2):
            commit = await sock.commit([BAD] * 1000, generation=None)
            told = [at for at, refusal in enumerate(commit.refusals) if refusal]
            assert told == list(range(len(told)))
            assert 0 < len(told) < 1000
            assert commit.untold
            assert commit.generation is None
        assert await rules(sock, "fw") == []
        now = await generation(sock)
        assert await sock.commit([RULE], generation=now) == Commit((None,), False, now + 1)


async def test_echoes_tell_the_handles_of_what_is_new(
    firewall: None, sock: NfnetlinkSocket
) -> None:
    changes = [RULE, a_set("fw", "numbers"), elements("fw", "numbers", [3, 4]), RULE, table("fw")]
    commit = await sock.commit(changes, generation=None, echo=True)
    said = [(at, message.type - NFT) for at, message in commit.echoes]
    assert said == [(0, NEWRULE), (1, NEWSET), (3, NEWRULE)]
    told = [number(message, RULE_HANDLE) for at, message in commit.echoes if at in {0, 3}]
    assert told == [number(message, RULE_HANDLE) for message in await rules(sock, "fw")]
    assert (await done(sock, RULE)).echoes == ()
    refused = await sock.commit([RULE, BAD], generation=None, echo=True)
    assert refused.refused
    assert refused.echoes == ()


async def test_echoes_that_find_no_room_leave_it_known_that_all_was_done(
    firewall: None, ruleset: Ruleset
) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        raw.limit = 20_000
        now = await generation(sock)
        commit = await sock.commit([RULE] * 1000, generation=None, echo=True)
        assert (commit.refused, commit.untold, commit.generation) == (False, False, now + 1)
        assert 0 < len(commit.echoes) < 1000
        assert len(await rules(sock, "fw")) == 1000


async def test_elements_that_come_first_are_echoed_and_make_no_answer_of_their_own(
    firewall: None, ruleset: Ruleset
) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        await done(sock, a_set("fw", "numbers"))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        raw.limit = 20_000
        now = await generation(sock)
        added = await done(sock, elements("fw", "numbers", range(2000)))
        assert added == Commit((None,), False, now + 1)
        gone = elements("fw", "numbers", range(1990))._replace(kind=DELSETELEM, flags=0)
        assert (await done(sock, gone)).generation == now + 2
        dump = await sock.dump(GETSETELEM, FAMILY, in_set("fw", "numbers"), key="elements")
        assert sorted(values_of(dump)) == list(range(1990, 2000))


async def test_a_batch_that_does_not_fit_the_send_buffer_says_what_to_do(
    firewall: None, ruleset: Ruleset
) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        raw.limit = 20_000
        with pytest.raises(SourceError, match=r"send buffer takes \d+: raise net\.core\.wmem_max"):
            await sock.commit([RULE] * 10_000, generation=None)
        assert await rules(sock, "fw") == []
        await done(sock, RULE)


async def test_a_batch_that_just_fits_is_sent(firewall: None, ruleset: Ruleset) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        raw.limit = 200_000
        await done(sock, *[RULE] * 1000)
        room = raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        raw.limit = 0
        each = MESSAGE.size + 4 + len(RULE.attributes)
        frame = 2 * (MESSAGE.size + 4) + 32
        await done(sock, *[RULE] * ((room - frame) // each))
        with pytest.raises(SourceError, match="send buffer"):
            await sock.commit([RULE] * ((room - frame) // each + 1), generation=None)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (RULE._replace(kind=256), "change 1: kind 256"),
        (RULE._replace(kind=-1), "kind -1"),
        (RULE._replace(flags=1 << 16), "flags 65536"),
        (RULE._replace(family=300), "family 300"),
    ],
)
async def test_what_does_not_fit_a_message_is_not_sent(
    firewall: None, sock: NfnetlinkSocket, change: Change, what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        await sock.commit([RULE, change], generation=None)
    assert await rules(sock, "fw") == []


@pytest.mark.parametrize("number", [0, -1, 1 << 32])
async def test_a_generation_that_there_cannot_be_is_no_way_to_skip_the_check(
    firewall: None, sock: NfnetlinkSocket, number: int
) -> None:
    with pytest.raises(ValueError, match=f"generation: {number}"):
        await sock.commit([RULE], generation=number)
    assert await rules(sock, "fw") == []


# Answers that fail to come


async def test_where_the_whole_answer_is_lost_nobody_claims_to_know(
    firewall: None, ruleset: Ruleset
) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        raw.losses = 2  # The echo of the rule, and the generation.
        with pytest.raises(SourceError, match="not known"):
            await sock.commit([RULE], generation=None)
        assert len(await rules(sock, "fw")) == 1
        await done(sock, RULE)


async def test_a_transaction_that_is_refused_as_such_says_why(ruleset: Ruleset) -> None:
    def forbidden(datagram: bytes) -> bytes:
        _, _, _, seq, port = MESSAGE.unpack_from(datagram)
        said = struct.pack("=i", -errno.EPERM) + bytes(MESSAGE.size)
        # The first change's number is the one after that of the beginning.
        return pack_message(Control.ERROR, Flag.CAPPED, seq - 1, said, port) + datagram

    async with odd_socket(ruleset) as (sock, raw):
        raw.answer = forbidden
        with pytest.raises(OpError, match=r"the firewall: EPERM .*CAP_NET_ADMIN") as caught:
            await sock.commit(FIREWALL, generation=None, key="the firewall")
        assert caught.value.errno == errno.EPERM


def numberless(datagram: bytes) -> bytes:
    """A generation of which the number is not told."""
    _, kind, _, seq, port = MESSAGE.unpack_from(datagram)
    return pack_message(kind, 0, seq, bytes(4), port)


async def test_an_answer_that_is_malformed_is_none(ruleset: Ruleset) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        raw.answer = lambda datagram: datagram[:-3]
        with pytest.raises(SourceError, match="the transaction: no whole answer"):
            await sock.commit(FIREWALL, generation=None)
        with pytest.raises(SourceError):
            await sock.generation()
        raw.answer = numberless
        with pytest.raises(SourceError, match="generation without its number"):
            await sock.generation()
        raw.answer = None
        assert await generation(sock)


# Cancelled, closed


@pytest.mark.parametrize("reads_before", range(4))
async def test_after_a_transaction_that_was_cut_short_the_next_gets_its_own_answer(
    firewall: None, ruleset: Ruleset, reads_before: int
) -> None:
    async with odd_socket(ruleset) as (sock, raw):
        bad = sock.commit([BAD] * 3, generation=None)
        await raw.cut(bad, reads_before=reads_before)
        now = await generation(sock)
        assert await sock.commit([RULE], generation=now) == Commit((None,), False, now + 1)
        assert len(await rules(sock, "fw")) == 1


async def test_a_transaction_is_whole_wherever_it_is_cut_short(
    firewall: None, ruleset: Ruleset
) -> None:
    async with await ruleset.open() as other:
        flush = Change(DELRULE, 0, FAMILY, in_set("fw", "input"))
        for ticks in range(100):
            async with await ruleset.open() as sock:
                ended = False
                async with anyio.create_task_group() as group:
                    group.start_soon(cancel_after, ticks, group.cancel_scope)
                    await sock.commit([RULE] * 100, generation=None)
                    ended = True
                    group.cancel_scope.cancel()
                assert len(await rules(other, "fw")) in {0, 100}
                now = await generation(sock)
                commit = await sock.commit([flush, RULE, BAD], generation=now)
                assert [refusal is None for refusal in commit.refusals] == [True, True, False]
                assert (await sock.commit([flush, RULE], generation=now)).generation == now + 1
                await done(sock, flush)
            if ended:
                return
    pytest.fail("it never ends")


async def cancel_after(ticks: int, scope: anyio.CancelScope) -> None:
    for _ in range(ticks):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


@asynccontextmanager
async def slow_socket(ruleset: Ruleset) -> AsyncIterator[tuple[NfnetlinkSocket, Odd]]:
    """A socket whose sends wait for leave."""
    async with odd_socket(ruleset) as (sock, raw):
        raw.sending, raw.go_on = threading.Event(), threading.Event()
        try:
            yield sock, raw
        finally:
            raw.go_on.set()


async def has_begun(raw: Odd) -> None:
    assert raw.sending
    await anyio.to_thread.run_sync(raw.sending.wait)


async def test_a_transaction_under_way_is_waited_for_when_it_is_cancelled(
    firewall: None, sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    ends: list[str] = []
    async with slow_socket(ruleset) as (slow, raw), anyio.create_task_group() as group:

        async def commit() -> None:
            try:
                await slow.commit([RULE], generation=None)
            finally:
                ends.append("ended")

        group.start_soon(commit)
        await has_begun(raw)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            assert ends == []
            assert await rules(sock, "fw") == []
            assert raw.go_on
            raw.go_on.set()
    assert ends == ["ended"]
    assert len(await rules(sock, "fw")) == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_nor_does_asyncios_own_cancellation_leave_its_thread_behind(
    firewall: None, sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    async with slow_socket(ruleset) as (slow, raw):
        task = asyncio.create_task(slow.commit([RULE], generation=None))
        await has_begun(raw)
        task.cancel()
        await anyio.wait_all_tasks_blocked()
        assert not task.done()
        assert raw.go_on
        raw.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await rules(sock, "fw")) == 1


async def test_a_socket_is_closed_after_the_transaction_that_is_under_way(
    firewall: None, sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    async with slow_socket(ruleset) as (slow, raw), anyio.create_task_group() as group:

        async def commit() -> None:
            with suppress(anyio.ClosedResourceError):  # Where its answer comes too late.
                await slow.commit([RULE], generation=None)

        group.start_soon(commit)
        await has_begun(raw)
        group.start_soon(slow.aclose)
        await anyio.wait_all_tasks_blocked()
        assert raw.fileno() >= 0
        assert raw.go_on
        raw.go_on.set()
    assert raw.fileno() < 0
    assert len(await rules(sock, "fw")) == 1


async def test_other_tasks_go_on_while_a_transaction_is_under_way(
    firewall: None, sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    async with slow_socket(ruleset) as (slow, raw), anyio.create_task_group() as group:
        group.start_soon(done, slow, RULE)
        await has_begun(raw)
        assert await generation(sock)
        assert raw.go_on
        raw.go_on.set()


async def test_a_socket_that_is_closed_does_nothing(ruleset: Ruleset) -> None:
    sock = await ruleset.open()
    await sock.aclose()
    await sock.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await sock.commit([], generation=None)
    with pytest.raises(anyio.ClosedResourceError):
        await sock.generation()


async def test_what_many_tasks_ask_and_change_is_answered_to_each(
    firewall: None, sock: NfnetlinkSocket
) -> None:
    async def work(at: int) -> None:
        for _ in range(5):
            assert (await done(sock, table(f"t{at}"), chain(f"t{at}", "c"))).generation
            assert await find_table(sock, f"t{at}")
            refused = await sock.commit([rule(f"t{at}", "nix")], generation=None)
            assert refused.refused
            await rules(sock, "fw")

    async with anyio.create_task_group() as group:
        for at in range(3):
            group.start_soon(work, at)


# What is read


async def test_one_object_is_got_by_name_or_is_not_there(
    firewall: None, sock: NfnetlinkSocket
) -> None:
    found = await find_table(sock, "fw")
    assert found is not None
    assert found.type == NFT
    assert await find_table(sock, "nix") is None
    with pytest.raises(OpError, match="a rule: E"):
        await sock.get(GETRULE, 99, key="a rule")


async def test_sets_of_a_table_that_is_not_there_are_refused(sock: NfnetlinkSocket) -> None:
    with pytest.raises(OpError, match="elements: ENOENT"):
        await sock.dump(GETSETELEM, FAMILY, in_set("nix", "nix"), key="elements")


async def test_dumps_are_compared_across_generations(firewall: None, sock: NfnetlinkSocket) -> None:
    async def read() -> bytes:
        return undated(await sock.dump(GETRULE, FAMILY, of_table("fw"), key="rules"))

    assert await read() == b""
    await done(sock, *[RULE] * 3000)
    before = await read()
    await done(sock, table("other"), chain("other", "input"))
    assert await read() == before
    await done(sock, RULE)
    assert await read() != before


async def test_a_dump_that_spans_generations_is_like_no_other(
    firewall: None, sock: NfnetlinkSocket, ruleset: Ruleset
) -> None:
    await done(sock, *[RULE] * 5000)
    async with odd_socket(ruleset) as (reader, raw):

        async def read() -> bytes:
            return undated(await reader.dump(GETRULE, FAMILY, of_table("fw"), key="rules"))

        # A socket's first dump is cut up otherwise than the next ones, and some kernels (those
        # without HAVE_EFFICIENT_UNALIGNED_ACCESS) pad what follows on it (nla_put_64bit()).
        await read()
        before = await read()
        others = await interrupting(ruleset)
        raw.answer = others
        assert await read() != before
        raw.answer = None
        assert await read() == before


async def interrupting(ruleset: Ruleset) -> Callable[[bytes], bytes]:
    """Somebody else's transaction, once something is read."""
    descriptor = await ruleset.raw()

    def change(datagram: bytes) -> bytes:
        nonlocal descriptor
        if descriptor >= 0:
            with socket.socket(fileno=descriptor) as other:
                other.send(pack_batch([table("other")], range(1, 4)))
            descriptor = -1
        return datagram

    return change


async def test_changes_are_announced_to_who_listens(
    ruleset: Ruleset, sock: NfnetlinkSocket
) -> None:
    async with await ruleset.listen() as listener:
        await done(sock, *FIREWALL)
        told = await listener.receive()
    assert [message.type - NFT for message in told] == [0, 3, NEWGEN]
    assert {message.pid for message in told} == {sock.port}
