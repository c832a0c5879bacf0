from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest

from linx_async._core.errors import OpError, SourceError
from linx_async._kernel.netlink import (
    Control,
    Flag,
    Message,
    attribute_map,
    pack_attribute,
    pack_message,
    pack_text,
)
from linx_async._kernel.netlink_open import Opening, open_socket
from linx_async._kernel.netns import NetworkNamespace
from linx_async._kernel.socket import NETLINK_ROUTE, EventsLost, NetlinkSocket
from linx_async.testing.links import add_veth, delete_link, links, rename_link, set_mtu, set_up
from linx_async.testing.namespaces import Namespaces

pytestmark = pytest.mark.anyio

GETLINK, NEWLINK, DELLINK = 18, 16, 17
GETROUTE = 26
LINK_GROUP = 1
IFNAME = 3
HEAD = bytes(16)


def name_of(message: Message) -> str:
    return attribute_map(message.payload, 16)[IFNAME].rstrip(b"\0").decode()


def names_of(messages: list[Message]) -> set[str]:
    return {name_of(message) for message in messages}


@pytest.fixture(autouse=True)
def links_as_they_were() -> Iterator[None]:
    before = set(links())
    yield
    while new := set(links()) - before:
        delete_link(new.pop())  # and its peer
    set_mtu("lo", 65536)


@pytest.fixture
def veth() -> None:
    """A veth pair, one and two."""
    add_veth("one", "two")


async def in_thread(function: Callable[..., object], *arguments: object) -> None:
    await anyio.to_thread.run_sync(partial(function, *arguments))


async def dump_links(sock: NetlinkSocket) -> set[str]:
    return names_of(await sock.request(GETLINK, Flag.DUMP, HEAD, key="links"))


async def test_links_are_dumped(veth: None) -> None:
    async with await NetlinkSocket.open() as sock:
        assert {"lo", "one", "two"} <= await dump_links(sock)


async def test_a_link_is_looked_up_by_name(veth: None) -> None:
    async with await NetlinkSocket.open() as sock:
        answer = await sock.request(GETLINK, 0, HEAD + pack_text(IFNAME, "two"))
        assert [name_of(message) for message in answer] == ["two"]


async def test_a_refusal_names_the_errno_and_the_kernels_words(veth: None) -> None:
    async with await NetlinkSocket.open() as sock:
        with pytest.raises(OpError) as missing:
            await sock.request(DELLINK, 0, HEAD + pack_text(IFNAME, "nix"), key="link nix")
        assert missing.value.errno == errno.ENODEV
        assert "link nix: ENODEV" in str(missing.value)

        with pytest.raises(OpError) as unknown:
            await sock.request(GETLINK, 0, HEAD + pack_attribute(999, b"?"), key="link")
        assert (unknown.value.errno, unknown.value.offset) == (errno.EINVAL, 32)
        assert unknown.value.message
        assert unknown.value.message in str(unknown.value)

        assert "lo" in await dump_links(sock)


async def test_a_name_that_is_taken_is_refused_with_eexist(veth: None) -> None:
    with pytest.raises(OpError) as taken:
        await in_thread(add_veth, "one", "three")
    assert taken.value.errno == errno.EEXIST
    assert "EEXIST (File exists)" in str(taken.value)


async def test_links_are_renamed_set_up_and_resized(veth: None) -> None:
    await in_thread(set_mtu, "one", 1400)
    await in_thread(rename_link, "one", "three")
    await in_thread(set_up, "three")
    assert "three" in await anyio.to_thread.run_sync(links)
    with pytest.raises(OpError, match="mtu"):
        await in_thread(set_mtu, "three", 1)
    with pytest.raises(ValueError, match="sixteen-letters-"):
        await in_thread(rename_link, "three", "sixteen-letters-")


async def test_a_table_that_does_not_exist_is_empty() -> None:
    async with await NetlinkSocket.open() as sock:
        head = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        table = struct.pack("=HHI", 8, 15, 4_000_000)
        assert await sock.request(GETROUTE, Flag.DUMP, head + table) == []


async def test_requests_of_many_tasks_each_get_their_own_answer(veth: None) -> None:
    async with await NetlinkSocket.open() as sock:

        async def ask(name: str) -> None:
            for _ in range(5):
                (answer,) = await sock.request(GETLINK, 0, HEAD + pack_text(IFNAME, name))
                assert name_of(answer) == name
                assert {"one", "two"} <= await dump_links(sock)

        async with anyio.create_task_group() as group:
            for name in ("one", "two", "lo") * 5:
                group.start_soon(ask, name)


async def test_a_new_link_is_announced() -> None:
    async with await NetlinkSocket.open(groups=[LINK_GROUP]) as sock:
        await in_thread(add_veth, "one", "two")
        seen: set[str] = set()
        while not {"one", "two"} <= seen:
            seen |= names_of(await sock.receive())
        await in_thread(delete_link, "one")
        gone: set[str] = set()
        while not {"one", "two"} <= gone:
            messages = await sock.receive()
            gone |= names_of([message for message in messages if message.type == DELLINK])


async def test_who_waits_is_woken_by_the_announcement() -> None:
    async with (
        await NetlinkSocket.open(groups=[LINK_GROUP]) as sock,
        anyio.create_task_group() as g,
    ):
        g.start_soon(in_thread, add_veth, "one", "two")
        assert names_of(await sock.receive()) <= {"one", "two"}


async def test_an_overrun_is_told_and_then_the_socket_works_again() -> None:
    sock = await NetlinkSocket.open(groups=[LINK_GROUP], receive_buffer=1)
    async with sock:
        for _ in range(2):
            for mtu in range(1400, 1420):
                await in_thread(set_mtu, "lo", mtu)
            with pytest.raises(EventsLost, match="ENOBUFS"):
                await sock.receive()
        await in_thread(set_mtu, "lo", 65536)
        assert names_of(await sock.receive()) == {"lo"}


async def test_an_overrun_is_told_even_if_the_first_to_hear_of_it_is_cancelled() -> None:
    async with await NetlinkSocket.open(groups=[LINK_GROUP], receive_buffer=1) as sock:
        for mtu in range(1400, 1420):
            await in_thread(set_mtu, "lo", mtu)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await sock.receive()
        with pytest.raises(EventsLost):
            await sock.receive()


class Interrupted(socket.socket):
    """A netlink socket that cancels a scope when it is read, as if nothing had come in yet."""

    reads_before = 0
    scope: anyio.CancelScope | None = None

    def recvmsg(self, *arguments: Any) -> Any:
        if self.scope and not self.reads_before:
            self.scope.cancel()
            self.scope = None
            raise BlockingIOError
        self.reads_before -= 1
        return super().recvmsg(*arguments)

    async def cut(self, request: Awaitable[object], *, reads_before: int) -> None:
        """Cancel a request that has sent its message and read that many datagrams."""
        with anyio.CancelScope() as self.scope:
            self.reads_before = reads_before
            await request
        assert self.scope is None


async def open_interrupted() -> Interrupted:
    raw = await anyio.to_thread.run_sync(open_socket)
    return Interrupted(fileno=raw.detach())


async def test_after_a_cancelled_request_the_next_gets_its_own_answer(veth: None) -> None:
    raw = await open_interrupted()
    async with NetlinkSocket(raw, listens=False) as sock:
        await raw.cut(sock.request(GETLINK, 0, HEAD + pack_text(IFNAME, "one")), reads_before=0)
        (answer,) = await sock.request(GETLINK, 0, HEAD + pack_text(IFNAME, "two"))
        assert name_of(answer) == "two"


@pytest.mark.parametrize("reads_before", range(3))
async def test_a_dump_that_was_left_halfway_does_not_block_the_next(
    many_links: int, reads_before: int
) -> None:
    raw = await open_interrupted()
    async with NetlinkSocket(raw, listens=False) as sock:
        await raw.cut(sock.request(GETLINK, Flag.DUMP, HEAD), reads_before=reads_before)
        assert len(await dump_links(sock)) == many_links


@pytest.fixture
def many_links() -> int:
    """Enough links to fill several datagrams, and their number."""
    for number in range(40):
        add_veth(f"left{number}", f"right{number}")
    return len(links())


async def test_another_process_cannot_answer_for_the_kernel() -> None:
    async with await NetlinkSocket.open() as sock:
        forged = pack_message(GETLINK, Flag.MULTI, 1, b"forged", sock.port)
        end = pack_message(Control.DONE, Flag.MULTI, 1, bytes(4), sock.port)
        with closing(open_socket()) as forger:
            assert forger.sendto(forged + end, (sock.port, 0))
        assert "lo" in await dump_links(sock)


class Cutting(socket.socket):
    """A netlink socket on which no datagram fits."""

    def recvmsg(self, *arguments: Any) -> Any:
        return super().recvmsg(16)


async def test_a_notification_that_does_not_fit_counts_as_lost() -> None:
    raw = await anyio.to_thread.run_sync(open_socket, NETLINK_ROUTE, [LINK_GROUP])
    async with NetlinkSocket(Cutting(fileno=raw.detach()), listens=True) as sock:
        await in_thread(set_mtu, "lo", 1400)
        with pytest.raises(EventsLost, match="cut off"):
            await sock.receive()


async def test_an_answer_that_does_not_fit_is_an_error_and_not_a_part_of_it() -> None:
    raw = await anyio.to_thread.run_sync(open_socket)
    async with NetlinkSocket(Cutting(fileno=raw.detach()), listens=False) as sock:
        with pytest.raises(SourceError, match="links: no whole answer"):
            await dump_links(sock)


async def test_the_socket_belongs_to_the_namespace_it_was_opened_in(box: Namespaces) -> None:
    target = await anyio.to_thread.run_sync(NetworkNamespace.of_pid(box.pid).open)
    try:
        async with await NetlinkSocket.open(opener=target.call) as sock:
            await in_thread(add_veth, "one", "two")
            assert await dump_links(sock) == {"lo"}
    finally:
        target.close()


async def test_a_socket_that_listens_takes_no_requests() -> None:
    async with await NetlinkSocket.open(groups=[LINK_GROUP]) as sock:
        with pytest.raises(ValueError, match="groups"):
            await sock.request(GETLINK)


async def test_closing_wakes_who_waits() -> None:
    sock = await NetlinkSocket.open(groups=[LINK_GROUP])

    async def listen() -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await sock.receive()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        await sock.aclose()
    await sock.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await sock.receive()


async def test_what_cannot_be_opened_says_why() -> None:
    with pytest.raises(SourceError, match=r"protocol 31.*EPROTONOSUPPORT"):
        await NetlinkSocket.open(31)
    with pytest.raises(SourceError, match="join group 100000"):
        await NetlinkSocket.open(groups=[100_000])


async def test_a_request_beyond_the_send_buffer_says_so() -> None:
    async with await NetlinkSocket.open() as sock:
        with pytest.raises(SourceError, match=r"EMSGSIZE.*smaller"):
            await sock.request(NEWLINK, 0, bytes(1 << 20))
        assert "lo" in await dump_links(sock)


async def test_a_socket_nobody_waits_for_any_more_is_closed() -> None:
    started, go_on = threading.Event(), threading.Event()
    made: list[socket.socket] = []

    def slow(make: Callable[[], socket.socket]) -> socket.socket:
        started.set()
        go_on.wait()
        made.append(make())
        return made[0]

    opening = Opening(lambda: slow(open_socket))
    thread = threading.Thread(target=opening.run)
    thread.start()
    await anyio.to_thread.run_sync(started.wait)
    opening.abandon()
    go_on.set()
    await anyio.to_thread.run_sync(thread.join)
    assert made[0].fileno() == -1
