"""A network namespace of a test's own with nf_tables in it: what others write, and what we do."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import anyio.to_thread
import pytest

from linx_async import NetworkNamespace, Ownership, Report, netfilter
from linx_async._core.memory import MemoryStore
from linx_async._core.reconcile import Ledger, run_pass
from linx_async._kernel.netlink import pack_text
from linx_async._kernel.nfnetlink import NfnetlinkSocket
from linx_async._kernel.nsfs import enter
from linx_async.netfilter import NetfilterOp, ObservedTable, Source, Table
from linx_async.netfilter.codec.abi import Message
from linx_async.netfilter.desired.families import FAMILIES
from linx_async.testing.namespaces import Namespaces, can_make_links, throwaway
from tests.netfilter_corpus import LINKS
from tests.netfilter_raw import Netfilter

__all__ = [
    "INDICES",
    "NO_NFT",
    "Entered",
    "Place",
    "Raw",
    "needs_links",
    "needs_nft",
    "place",
    "place_in",
    "said",
]

T = TypeVar("T")

SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"
NFT = shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
NO_NFT = None if NFT else "nft (nftables) is not installed"
needs_links = pytest.mark.skipif(
    not can_make_links(), reason="iproute2 is not here, or makes no links"
)
needs_nft = pytest.mark.skipif(NO_NFT is not None, reason=NO_NFT or "")

INDICES: Final = {name: index for index, name in enumerate(LINKS, 101)}
"""The links that are there, by name."""

Raw = Mapping[str, Sequence[bytes]]
"""All that the kernel tells of a table, but for the generation of the rule set."""


class Place:
    """A network namespace of a test's own.

    Args:
        box: The process that holds it.
    """

    def __init__(self, box: Namespaces) -> None:
        self.box = box
        self.scope = NetworkNamespace.at_path(box.path("net"))
        self._raw = Netfilter(box)

    def close(self) -> None:
        self._raw.sock.close()

    # Somebody else; all of it blocks for some milliseconds.

    def nft_now(self, text: str) -> str:
        """Somebody runs `nft -f`; gives what nft has to say against the text."""
        done = self.box.run(["nft", "-f", "-"], input=text, check=False)
        return done.stderr.strip() or (f"exit code {done.returncode}" if done.returncode else "")

    def load_now(self, text: str) -> None:
        wrong = self.nft_now(text)
        assert not wrong, f"{wrong}\nof\n{text}"

    async def nft(self, text: str) -> str:
        return await anyio.to_thread.run_sync(self.nft_now, text)

    async def load(self, text: str) -> None:
        await anyio.to_thread.run_sync(self.load_now, text)

    async def ip(self, *words: str) -> None:
        """Somebody does something with `ip`."""
        await anyio.to_thread.run_sync(self.box.run, ["ip", *words])

    async def shown(self, *words: str) -> str:
        """What `nft` lists."""
        done = await anyio.to_thread.run_sync(partial(self.box.run, ["nft", "-a", "list", *words]))
        return done.stdout

    def raw(self, family: str = "inet", name: str = "theirs") -> Raw:
        """A table byte for byte, with handles and counters; of one that is not there, nothing."""
        number, dump = FAMILIES[family], self._raw.dump
        head = pack_text(1, name)

        def of_table(kind: int) -> list[bytes]:
            return [each for each in dump(kind, number, head) if each.startswith(head)]

        tables = of_table(Message.GETTABLE)
        if not tables:
            return {}
        sets = of_table(Message.GETSET)
        names = [_second(each) for each in sets]
        return {
            "table": tables,
            "chains": of_table(Message.GETCHAIN),
            "rules": dump(Message.GETRULE, number, head),
            "objects": dump(Message.GETOBJ, number, head),
            "flowtables": dump(Message.GETFLOWTABLE, number, head),
            "sets": sets,
            **{
                f"elements of {each!r}": dump(Message.GETSETELEM, number, head + each)
                for each in names
            },
        }

    def sends(self, port: int, count: int = 1, *, address: str = "127.0.0.1") -> None:
        """Datagrams to a port; those that the rule set drops are gone."""
        with self.udp() as sock:
            for _ in range(count):
                try:
                    sock.sendto(b"x", (address, port))
                except PermissionError:
                    continue

    def udp(self, address: str = "", port: int = 0) -> socket.socket:
        """A socket in the namespace, bound to an address where one is given."""
        return inside(self.box, lambda: udp_socket(address, port))

    # We

    async def reconcile(self, table: Table, **options: Any) -> Report[NetfilterOp]:
        given = {"lifetime": "shared", **options}
        return await netfilter.reconcile(table, scope=self.scope, **given)

    async def converges(self, table: Table, **options: Any) -> Report[NetfilterOp]:
        """A pass does all that there is to do."""
        report = await self.reconcile(table, **options)
        assert report.converged, said(report)
        return report

    async def pull(self, table: Table) -> ObservedTable:
        """The table as it is in the kernel."""
        found = await netfilter.pull(table.family, table.name, scope=self.scope)
        assert found is not None, f"{table.key} is not there"
        return found

    async def pulled(self, table: Table) -> Table | None:
        found = await netfilter.pull(table.family, table.name, scope=self.scope)
        return None if found is None else found.table

    @asynccontextmanager
    async def entered(
        self, *, last_applied: Ownership | None = None, **options: Any
    ) -> AsyncIterator[Entered]:
        """A source that stays entered, as in a loop, and what it owns."""
        given: dict[str, Any] = {"lifetime": "shared", **options}
        store = MemoryStore()
        async with (
            Source(self.scope, **given) as source,
            store.open("test", source.identity) as record,
        ):
            ledger = await Ledger.of(record)
            if last_applied is not None:
                await ledger.put(last_applied)
            yield Entered(source, ledger)


class Entered:
    """A source that is entered, with its record."""

    def __init__(self, source: Source, ledger: Ledger) -> None:
        self.source = source
        self.ledger = ledger

    @property
    def _socket(self) -> NfnetlinkSocket:
        assert self.source._socket is not None
        return self.source._socket

    @property
    def port(self) -> int:
        """The port id of our socket."""
        return self._socket.port

    async def generation(self) -> int:
        """Which generation of the rule set this is."""
        return (await self._socket.generation()).id

    async def reconcile(self, table: Table) -> Report[NetfilterOp]:
        return await run_pass(self.source, table, self.ledger)

    async def converges(self, table: Table) -> Report[NetfilterOp]:
        """A pass does all there is to do, and the next finds nothing."""
        report = await self.reconcile(table)
        assert report.converged, said(report)
        again = await self.reconcile(table)
        assert (again.converged, again.applied) == (True, ()), said(again)
        return report


def said(report: Report[NetfilterOp]) -> str:
    """A report for people."""
    parts = {
        "applied": report.applied,
        "failed": report.failed,
        "pending": report.pending,
        "conflicts": report.conflicts,
    }
    return "\n".join(f"{what}: {each}" for what, those in parts.items() for each in those)


def inside(box: Namespaces, function: Callable[[], T]) -> T:
    """Call something in the namespace: in a thread, which enters it and ends."""
    namespace = os.open(box.path("net"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _in_thread(lambda: _entered(namespace, function))
    finally:
        os.close(namespace)


def _entered(namespace: int, function: Callable[[], T]) -> T:
    enter(namespace, "net")
    return function()


def _in_thread(function: Callable[[], T]) -> T:
    found: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            found.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for error in errors:
        raise error
    return found[0]


def udp_socket(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        if address:
            sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _second(payload: bytes) -> bytes:
    """The second attribute of a set, which is its name, as it is."""
    first = int.from_bytes(payload[:2], sys.byteorder)
    start = (first + 3) & ~3
    length = int.from_bytes(payload[start : start + 2], sys.byteorder)
    return payload[start : start + ((length + 3) & ~3)]


def place_in(box: Namespaces, *, links: bool = False) -> Place:
    """nf_tables in a namespace.

    Args:
        box: Who holds it.
        links: Whether the links are wanted that the corpus names.
    """
    if NO_NFT:
        pytest.skip(NO_NFT)
    if links:
        if not can_make_links():
            pytest.skip("iproute2 is not here, or makes no links")
        (one, first), (other, second) = INDICES.items()
        peer = ["peer", "name", other, "index", str(second)]
        box.run(["ip", "link", "add", one, "index", str(first), "type", "veth", *peer])
    return Place(box)


@pytest.fixture
def place() -> Iterator[Place]:
    """A network namespace of a test's own."""
    with throwaway("net") as box:
        found = place_in(box)
        yield found
        found.close()
