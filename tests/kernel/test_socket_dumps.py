"""Whole dumps, and changes by the hundred, on a netlink socket."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Network
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from linx_async._core.errors import OpError, SourceError
from linx_async._kernel.exchange import RawDump, Refusal
from linx_async._kernel.netlink import MESSAGE, Control, Flag, pack_message, split
from linx_async._kernel.netlink_open import open_socket
from linx_async._kernel.socket import NetlinkSocket, packed_change
from linx_async.rtnl.codec.route_encode import dump_request, template
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.desired import Route

pytestmark = pytest.mark.anyio

TAG = 76
TABLE = 4242
CREATE = int(Flag.CREATE | Flag.EXCL)
DUMP = dump_request(4, table=TABLE)
NO_SUCH_TABLE = dump_request(4, table=4_000_000)
LINK_GROUP = 1


def payloads(count: int, first: int = 0) -> list[bytes]:
    """Routes that lead nowhere, each to a network of its own."""
    like = Route(IPv4Network("10.0.0.0/24"), type="blackhole", table=TABLE)
    head, tail = template(like.prefix, like.forwarding, {}, TAG)
    return [
        head + struct.pack(">I", 0x0A000000 + (at << 8)) + tail
        for at in range(first, first + count)
    ]


def gateways(count: int) -> list[bytes]:
    """Routes by a gateway that no interface leads to."""
    like = Route("10.0.0.0/24", "192.0.2.1", table=TABLE)
    head, tail = template(like.prefix, like.forwarding, {}, TAG)
    return [head + struct.pack(">I", 0x0A000000 + (at << 8)) + tail for at in range(count)]


def destinations(dump: RawDump) -> list[int]:
    """Which of the networks are in a dump."""
    found = []
    for datagram in dump.datagrams:
        for message in split(datagram):
            assert (message.type, message.seq) == (Type.NEWROUTE, dump.seq)
            (goal,) = struct.unpack_from(">I", message.payload, 24)
            found.append((goal - 0x0A000000) >> 8)
    return found


class Watched(socket.socket):
    """A netlink socket whose sends are seen, and changed; and whose reads can be cut short."""

    change: Callable[[bytes], bytes] | None = None
    scope: anyio.CancelScope | None = None
    reads_before = 0

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.sent: list[bytes] = []

    def send(self, data: Any, *arguments: Any) -> int:
        self.sent.append(bytes(data))
        return super().send(data if self.change is None else self.change(bytes(data)), *arguments)

    def recvmsg(self, *arguments: Any) -> Any:
        if self.scope and not self.reads_before:
            self.scope.cancel()
            self.scope = None
            raise BlockingIOError
        self.reads_before -= 1
        return super().recvmsg(*arguments)

    async def cut(self, request: Awaitable[object], *, reads_before: int) -> bool:
        """Cancel a request that has read that many datagrams; False where it was done by then."""
        with anyio.CancelScope() as scope:
            self.scope, self.reads_before = scope, reads_before
            await request
        self.scope = None
        return scope.cancelled_caught


@asynccontextmanager
async def watched() -> AsyncIterator[tuple[NetlinkSocket, Watched]]:
    raw = await anyio.to_thread.run_sync(open_socket)
    seen = Watched(raw.detach())
    async with NetlinkSocket(seen, listens=False) as sock:
        yield sock, seen


@pytest.fixture
async def sock() -> AsyncIterator[NetlinkSocket]:
    async with await NetlinkSocket.open() as sock:
        yield sock


def empty_the_table() -> None:
    with closing(open_socket()) as sock:
        sock.setblocking(True)
        dump = RawDump(1, sock.getsockname()[0])
        sock.send(pack_message(Type.GETROUTE, int(Flag.REQUEST | Flag.DUMP), 1, DUMP))
        while not dump.done:
            dump.feed(sock.recv(65536))
            dump.pause()
        found = [message.payload for each in dump.datagrams for message in split(each)]
        gone = [pack_message(Type.DELROUTE, int(Flag.REQUEST), 2, each) for each in found]
        for at in range(0, len(gone), 200):
            sock.send(b"".join(gone[at : at + 200]))


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    yield
    empty_the_table()


async def add(sock: NetlinkSocket, these: Sequence[bytes]) -> list[Refusal | None]:
    return await sock.change_packed([packed_change(Type.NEWROUTE, CREATE, each) for each in these])


async def dumped(sock: NetlinkSocket) -> list[int]:
    return destinations(await sock.dump(Type.GETROUTE, DUMP, key="routes"))


# Changes


async def test_changes_go_250_a_send_and_only_the_last_of_each_asks_for_an_ack() -> None:
    async with watched() as (sock, raw):
        assert await add(sock, payloads(600)) == [None] * 600
        assert await dumped(sock) == list(range(600))
    parts = [list(split(each)) for each in raw.sent[:-1]]
    assert [len(part) for part in parts] == [250, 250, 100]
    for part in parts:
        *others, last = [message.flags for message in part]
        assert set(others) == {CREATE | Flag.REQUEST}
        assert last == CREATE | Flag.REQUEST | Flag.ACK
    seqs = [message.seq for part in parts for message in part]
    assert seqs == list(range(seqs[0], seqs[0] + 600))


async def test_what_is_big_goes_64_kib_a_send_and_what_is_bigger_by_itself() -> None:
    async with watched() as (sock, raw):
        sizes = [1000] * 300 + [70_000, 1000]
        refusals = await add(sock, [bytes(size) for size in sizes])
        assert len(refusals) == 302
        assert all(refusals)
        sent = [len(each) for each in raw.sent]
        assert [size for size in sent if size > 65536] == [70_000 + MESSAGE.size]
        assert min(sent[:4]) > 30_000
        assert await add(sock, payloads(1)) == [None]


async def test_a_refusal_is_told_of_the_change_that_was_refused_and_of_no_other(
    sock: NetlinkSocket,
) -> None:
    there = payloads(1000)[::3]
    assert not any(await add(sock, there))
    refusals = await add(sock, payloads(1000))
    assert [at for at, each in enumerate(refusals) if each] == list(range(0, 1000, 3))
    assert {each.errno for each in refusals if each} == {errno.EEXIST}
    assert await dumped(sock) == list(range(1000))


async def test_as_many_refusals_as_there_can_be_do_not_overflow_the_receive_buffer(
    sock: NetlinkSocket,
) -> None:
    """Each charges the buffer, with the kernel's words more so."""
    refusals = await add(sock, gateways(1000))
    assert {each and each.errno for each in refusals} == {errno.ENETUNREACH}
    assert {each and each.message for each in refusals} == {"Nexthop has invalid gateway"}


async def test_changes_of_several_types_are_answered_each_by_itself(sock: NetlinkSocket) -> None:
    one, two, three = payloads(3)
    changes = [
        (int(Type.NEWROUTE), CREATE, one),
        (int(Type.DELROUTE), 0, two),
        (int(Type.NEWROUTE), CREATE, three),
        (int(Type.NEWROUTE), CREATE, one),
        (int(Type.DELROUTE), 0, three),
    ]
    refusals = await sock.change(changes)
    assert [each and each.errno for each in refusals] == [
        None,
        errno.ESRCH,
        None,
        errno.EEXIST,
        None,
    ]
    assert await dumped(sock) == [0]


async def test_no_changes_are_no_answer(sock: NetlinkSocket) -> None:
    assert await sock.change([]) == []
    assert await sock.change_packed([]) == []


async def test_a_change_that_the_kernel_cannot_read_does_not_stop_those_after_it(
    sock: NetlinkSocket,
) -> None:
    one, two, three = payloads(3)
    refusals = await add(sock, [one, two[:9], three])
    assert [each and each.errno for each in refusals] == [None, errno.EINVAL, None]
    assert await dumped(sock) == [0, 2]


async def test_where_the_kernel_drops_the_rest_of_a_send_nothing_of_it_counts_as_done() -> None:
    """A length that lies ends netlink_rcv_skb() without a word: the ack never comes."""

    def spoil(data: bytes) -> bytes:
        length = MESSAGE.size + len(payloads(1)[0])
        return data[: 2 * length] + struct.pack("=I", 7) + data[2 * length + 4 :]

    async with watched() as (sock, raw):
        raw.change = spoil
        answers: list[Any] = []

        async def send() -> None:
            answers.append(await add(sock, payloads(4)))

        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert answers == []
        raw.change = None
        assert await dumped(sock) == [0, 1]
        assert await add(sock, payloads(2, 2)) == [None, None]


@pytest.mark.parametrize("reads_before", range(3))
async def test_after_changes_that_were_cut_short_the_next_get_their_own_answers(
    reads_before: int,
) -> None:
    async with watched() as (sock, raw):
        there = payloads(3)
        await add(sock, there)
        await raw.cut(add(sock, there), reads_before=reads_before)
        assert await add(sock, payloads(3, 3)) == [None] * 3
        assert await dumped(sock) == list(range(6))


async def test_a_send_is_whole_wherever_changes_are_cut_short() -> None:
    """Cancellation lands between sends, never inside one."""
    for ticks in range(100):
        async with await NetlinkSocket.open() as sock:
            ended = False
            async with anyio.create_task_group() as group:
                group.start_soon(cancel_after, ticks, group.cancel_scope)
                await add(sock, payloads(600))
                ended = True
                group.cancel_scope.cancel()
            there = await dumped(sock)
            assert len(there) in {0, 250, 500, 600}
            refusals = await add(sock, payloads(600))
            assert [each is None for each in refusals] == [at not in there for at in range(600)]
        await anyio.to_thread.run_sync(empty_the_table)
        if ended:
            return
    pytest.fail("it never ends")


async def cancel_after(ticks: int, scope: anyio.CancelScope) -> None:
    for _ in range(ticks):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


async def test_nobody_else_can_refuse_a_change(sock: NetlinkSocket) -> None:
    body = struct.pack("=i", -errno.EPERM) + bytes(16)
    forged = b"".join(
        pack_message(Control.ERROR, Flag.CAPPED, seq, body, sock.port) for seq in range(1, 5)
    )
    with closing(open_socket()) as forger:
        forger.sendto(forged, (sock.port, 0))
    assert await add(sock, payloads(4)) == [None] * 4


# Dumps


async def test_dumps_of_what_did_not_change_are_the_same_bytes(sock: NetlinkSocket) -> None:
    await add(sock, payloads(2000))
    first = await sock.dump(Type.GETROUTE, DUMP)
    assert len(first.datagrams) > 1
    await sock.request(Type.GETLINK, Flag.DUMP, bytes(16))
    await add(sock, payloads(1))
    again = await sock.dump(Type.GETROUTE, DUMP)
    assert again.datagrams == first.datagrams
    assert destinations(again) == list(range(2000))


async def test_the_end_of_a_dump_is_no_part_of_it(sock: NetlinkSocket) -> None:
    await add(sock, payloads(3))
    dump = await sock.dump(Type.GETROUTE, DUMP)
    types = {message.type for each in dump.datagrams for message in split(each)}
    assert types == {Type.NEWROUTE}
    assert dump.done


async def test_a_table_that_does_not_exist_is_an_empty_dump(sock: NetlinkSocket) -> None:
    dump = await sock.dump(Type.GETROUTE, NO_SUCH_TABLE)
    assert (dump.done, dump.datagrams, dump.refusal) == (True, [], None)


async def test_a_dump_that_is_refused_says_what_and_why(sock: NetlinkSocket) -> None:
    with pytest.raises(OpError, match="the routes: EINVAL") as caught:
        await sock.dump(Type.GETROUTE, DUMP + struct.pack("=HHI", 8, 6, 7), key="the routes")
    assert caught.value.errno == errno.EINVAL
    assert caught.value.message
    assert await dumped(sock) == []


async def test_a_dump_that_was_cut_short_leaves_nothing_to_the_next() -> None:
    async with watched() as (sock, raw):
        await add(sock, payloads(3000))
        whole = await sock.dump(Type.GETROUTE, DUMP)
        for reads_before in range(100):
            was_cut = await raw.cut(sock.dump(Type.GETROUTE, DUMP), reads_before=reads_before)
            after = await sock.dump(Type.GETROUTE, DUMP)
            assert destinations(after) == list(range(3000))
            assert (await sock.dump(Type.GETROUTE, DUMP)).datagrams == after.datagrams
            if not was_cut:
                assert reads_before >= len(whole.datagrams)
                return
            assert after.seq != whole.seq
            whole = after
    pytest.fail("it never ends")


async def test_a_dump_may_be_cut_short_between_any_two_steps_of_the_event_loop(
    sock: NetlinkSocket,
) -> None:
    await add(sock, payloads(50_000))
    whole = await sock.dump(Type.GETROUTE, DUMP)
    assert len(whole.datagrams) > 64  # So many are read in one turn.
    for ticks in range(100):
        ended = False
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_after, ticks, group.cancel_scope)
            await sock.dump(Type.GETROUTE, DUMP)
            ended = True
            group.cancel_scope.cancel()
        after = await sock.dump(Type.GETROUTE, DUMP)
        assert sum(map(len, after.datagrams)) == sum(map(len, whole.datagrams))
        if ended:
            assert destinations(after) == list(range(50_000))
            return
    pytest.fail("it never ends")


async def test_after_a_dump_that_was_cut_short_changes_get_their_own_answers() -> None:
    async with watched() as (sock, raw):
        await add(sock, payloads(3000))
        assert await raw.cut(sock.dump(Type.GETROUTE, DUMP), reads_before=1)
        refusals = await add(sock, payloads(3001))
        assert [each is None for each in refusals] == [False] * 3000 + [True]
        assert len(await dumped(sock)) == 3001


async def test_dumps_changes_and_requests_of_many_tasks_each_get_their_own_answer(
    sock: NetlinkSocket,
) -> None:
    async def work(at: int) -> None:
        for again in range(3):
            assert await add(sock, payloads(5, 100 * at + 10 * again)) == [None] * 5
            assert set(range(100 * at + 10 * again, 100 * at + 10 * again + 5)) <= set(
                await dumped(sock)
            )
            assert await sock.request(Type.GETLINK, Flag.DUMP, bytes(16))

    async with anyio.create_task_group() as group:
        for at in range(5):
            group.start_soon(work, at)


async def test_another_process_cannot_answer_a_dump_for_the_kernel(sock: NetlinkSocket) -> None:
    await add(sock, payloads(1))
    seq = (await sock.dump(Type.GETROUTE, DUMP)).seq
    forged = pack_message(Type.NEWROUTE, Flag.MULTI, seq, payloads(1, 9)[0], sock.port)
    end = pack_message(Control.DONE, Flag.MULTI, seq, bytes(4), sock.port)
    with closing(open_socket()) as forger:
        forger.sendto(forged + end, (sock.port, 0))
    assert await dumped(sock) == [0]


# Sequence numbers, and sockets that cannot be used


async def test_sequence_numbers_begin_again_before_they_reach_those_of_dumps(
    sock: NetlinkSocket,
) -> None:
    sock._seq = 2**31 - 400
    for first in range(0, 1200, 300):
        assert await add(sock, payloads(300, first)) == [None] * 300
    assert 0 < sock._seq < 2000
    assert len(await add(sock, payloads(1200))) == 1200
    assert await dumped(sock) == list(range(1200))


async def test_sequence_numbers_of_dumps_begin_again_in_their_own_half() -> None:
    async with watched() as (sock, raw):
        await add(sock, payloads(10))
        sock._dump_seq = 2**32 - 1
        last = await sock.dump(Type.GETROUTE, DUMP)
        assert last.seq == 2**32 - 1
        assert await raw.cut(sock.dump(Type.GETROUTE, DUMP), reads_before=0)
        again = await sock.dump(Type.GETROUTE, DUMP)
        assert again.seq == 2**31
        assert destinations(again) == list(range(10))


USES: dict[str, Callable[[NetlinkSocket], Awaitable[object]]] = {
    "dump": lambda sock: sock.dump(Type.GETROUTE, DUMP),
    "change": lambda sock: sock.change([(int(Type.NEWROUTE), CREATE, payloads(1)[0])]),
    "change alike": lambda sock: add(sock, payloads(1)),
    "request": lambda sock: sock.request(Type.GETLINK, Flag.DUMP, bytes(16)),
}
each_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


@each_use
async def test_a_closed_socket_says_so(use: Callable[[NetlinkSocket], Awaitable[object]]) -> None:
    sock = await NetlinkSocket.open()
    await sock.aclose()
    for _ in range(2):
        with pytest.raises(anyio.ClosedResourceError):
            await use(sock)


@each_use
async def test_closing_wakes_who_waits_for_an_answer(
    use: Callable[[NetlinkSocket], Awaitable[object]],
) -> None:
    async with watched() as (sock, raw):
        raw.change = lambda _: pack_message(Control.NOOP, 0, 1, b"")  # which is not answered

        async def ask() -> None:
            with pytest.raises(anyio.ClosedResourceError):
                await use(sock)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            await sock.aclose()


@each_use
async def test_a_socket_that_listens_takes_none_of_it(
    use: Callable[[NetlinkSocket], Awaitable[object]],
) -> None:
    async with await NetlinkSocket.open(groups=[LINK_GROUP]) as sock:
        with pytest.raises(ValueError, match="groups: a socket that listens"):
            await use(sock)


class Cutting(socket.socket):
    """A netlink socket on which no datagram fits."""

    def recvmsg(self, *arguments: Any) -> Any:
        return super().recvmsg(16)


@each_use
async def test_an_answer_that_does_not_fit_is_an_error_that_says_it_is_not_known(
    use: Callable[[NetlinkSocket], Awaitable[object]],
) -> None:
    raw = await anyio.to_thread.run_sync(open_socket)
    async with NetlinkSocket(Cutting(fileno=raw.detach()), listens=False) as sock:
        for _ in range(2):
            with pytest.raises(SourceError, match="no whole answer"):
                await use(sock)


@pytest.mark.parametrize("number", [-1, 65536])
async def test_a_number_that_does_not_fit_the_header_is_refused_before_anything_is_sent(
    number: int,
) -> None:
    async with watched() as (sock, raw):
        with pytest.raises(ValueError, match=f"type {number}"):
            await sock.change([(number, 0, b"")])
        with pytest.raises(ValueError, match=f"type {number}"):
            await sock.dump(number, b"")
        assert raw.sent == []
        assert await add(sock, payloads(1)) == [None]
