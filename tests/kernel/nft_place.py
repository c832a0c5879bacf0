"""A network namespace of a test's own with nf_tables in it: what others write, and what we do."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from itertools import zip_longest
from typing import Any, Final, TypeVar

import anyio.to_thread
import pytest
from attrs import evolve, fields, frozen

from linx_async import NetworkNamespace, Ownership, Report, netfilter
from linx_async._core.memory import MemoryStore
from linx_async._core.reconcile import Ledger, run_pass
from linx_async._kernel.netlink import pack_text
from linx_async._kernel.nfnetlink import NfnetlinkSocket
from linx_async._kernel.nsfs import enter
from linx_async.netfilter import Elements, NetfilterOp, ObservedTable, Source, Table
from linx_async.netfilter.codec.abi import Message
from linx_async.netfilter.codec.state import State, states
from linx_async.netfilter.desired.families import FAMILIES
from linx_async.testing.namespaces import Namespaces, can_make_links, throwaway
from tests.netfilter_corpus import LINKS, rulesets, sections
from tests.netfilter_raw import Netfilter

__all__ = [
    "FOREIGN",
    "INDICES",
    "NO_NFT",
    "Corpus",
    "Entered",
    "Place",
    "Raw",
    "corpus",
    "counts",
    "differences",
    "handles",
    "like",
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

FOREIGN: Final = """
table {family} theirs {{
    comment "of somebody else"
    counter hits {{ comment "all of them" packets 17 bytes 1700 }}
    quota most {{ over 10 mbytes used 1000 bytes }}
    limit slow {{ rate 10/second burst 7 packets }}
    set ports {{ type inet_service; flags interval; auto-merge; elements = {{ 22, 80-90 }} }}
    set marks {{ type mark; size 100; elements = {{ 1 counter packets 3 bytes 4, 7 }}; counter; }}
    set slow_ones {{ type mark; flags dynamic,timeout; timeout 1h; size 128; }}
    map ways {{
        type mark : verdict
        elements = {{ 1 : drop, 2 : jump aside, 3 comment "three" : goto other }}
    }}
    map counted {{ type mark : counter; elements = {{ 9 : "hits" }} }}
    chain other {{ counter packets 5 bytes 500 accept comment "kept"; }}
    chain aside {{
        meta mark {{ 5, 6 }} counter packets 9 bytes 99 return
        meta mark vmap {{ 1 : accept, 2 : jump other }}
        counter name "hits" meta mark @marks
        meta mark 33 jump {{ counter packets 1 bytes 1; accept; }}
    }}
    chain unused {{
        meta mark vmap @ways
        meta mark set 0x00000007 limit rate 3/minute counter packets 2 bytes 3
        quota name "most" log prefix "theirs: "
    }}
}}
"""
"""Somebody else's table, of any family. No packet comes by its chains: it stays as it is."""


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


# What a table has


def differences(found: Table | None, wanted: Table) -> list[str]:
    """Where two tables are not the same; empty where they are."""
    if found is None:
        return [f"{wanted.key} is not there"]
    if found == wanted:
        return []
    parts = [
        f"{each.name}: {getattr(found, each.name)!r} is not {getattr(wanted, each.name)!r}"
        for each in fields(Table)
        if each.name != "chains" and getattr(found, each.name) != getattr(wanted, each.name)
    ]
    there = {chain.name: chain for chain in found.chains}
    for chain in wanted.chains:
        old = there.get(chain.name)
        parts += [
            f"{chain.name}: {new!r} is not {was!r}"
            for was, new in zip_longest(() if old is None else old.rules, chain.rules)
            if was != new
        ]
    return parts or [f"chains: {found.chains!r} are not {wanted.chains!r}"]


def handles(table: ObservedTable, chain: str) -> list[int]:
    """The handles of the rules of a chain, in order."""
    return [each.handle for each in table.chains[chain].rules]


def counts(table: ObservedTable, chain: str) -> list[tuple[State, ...]]:
    """What the rules of a chain have counted, in order."""
    return [states(each.raw) for each in table.chains[chain].rules]


def like(found: Table, wanted: Table) -> Table:
    """A table without the elements that packets put into its sets, if they are not wanted."""
    declared = {each.name: each.elements for each in wanted.sets}
    return evolve(
        found,
        sets=[
            evolve(
                each,
                elements=Elements(
                    {
                        key: rest
                        for key, rest in each.elements.items()
                        if key in declared.get(each.name, ())
                    }
                ),
            )
            if each.dynamic
            else each
            for each in found.sets
        ],
    )


# The corpus

_FAMILY: Final = re.compile(r"^table (\w+) ", re.MULTILINE)


@frozen
class Corpus:
    """A table of the corpus; `needs` says what the kernel has to have, where it may have not."""

    name: str
    topic: str
    text: str
    needs: str | None

    @property
    def family(self) -> str:
        """Known without compiling it, which takes a kernel that has the family."""
        found = _FAMILY.search(self.text)
        assert found is not None, self.text
        return found[1]

    @property
    def table(self) -> Table:
        return compiled(self.text)


@cache
def compiled(text: str) -> Table:
    return netfilter.parse(text, links=INDICES)


@cache
def corpus() -> tuple[Corpus, ...]:
    """All tables of the corpus, and one of each section of its rules."""
    return (
        *(Corpus(each.name, "rulesets", each.text, each.needs) for each in rulesets()),
        *(
            Corpus(f"{each.topic}-{each.number}", each.topic, each.table(), each.needs)
            for each in sections()
        ),
    )
