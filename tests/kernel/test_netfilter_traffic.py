"""Packets all the time: what is to be dropped never gets past, whatever is done to the table."""

from __future__ import annotations

import platform
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

import anyio
import pytest
from attrs import evolve

from linx_async import Loop, netfilter
from linx_async.netfilter import Source, Table
from tests.kernel.nft_families import needs_inet, needs_persist
from tests.kernel.nft_place import Place, place, said
from tests.kernel.sysctls import running

__all__ = ["place"]

pytestmark = [pytest.mark.anyio, needs_inet]

SHUT, OPEN = 9, 10
"""A port the packets to which have to be dropped, and one where none may be."""

PACKETS: Final = 40
"""Sent at least while one thing is done, to either port."""
TURNS: Final = 6
"""How often each thing is done."""
PATIENCE: Final = 50
"""How often it is looked whether all packets have come that are on their way."""

COUNTERS: Final = f"""
table inet counting {{
    counter past {{ }}
    counter come {{ }}
    chain input {{
        type filter hook input priority 500;
        udp dport {SHUT} counter name "past"
        udp dport {OPEN} counter name "come"
    }}
}}
"""


def table(
    rules: str, *, hook: str = "input", priority: int = 0, policy: str = "accept", more: str = ""
) -> Table:
    return netfilter.parse(
        f"""
        table inet ours {{
            {more}
            chain main {{
                type filter hook {hook} priority {priority}; policy {policy};
                {rules}
            }}
        }}
        """
    )


def renamed(table: Table, chain: str) -> Table:
    """The same with another name of its one chain."""
    return evolve(table, chains=[evolve(table.chains[0], name=chain)])


DROPS = f"udp dport {SHUT} drop"
ACCEPTS = f"udp dport {OPEN} accept"
MANY = "\n".join(f"udp dport {port} counter" for port in range(1000, 1100))

PAIRS: Final[dict[str, Callable[[], tuple[Table, Table]]]] = {
    "a rule that drops is moved": lambda: (
        table(f"{DROPS}\n{MANY}"),
        table(f"{MANY}\n{DROPS}"),
    ),
    "the rules are reversed": lambda: (
        table(f"{ACCEPTS}\n{MANY}\n{DROPS}"),
        table("\n".join(reversed(f"{ACCEPTS}\n{MANY}\n{DROPS}".splitlines()))),
    ),
    "a rule that drops is changed": lambda: (
        table(f'{DROPS} comment "it"'),
        table(f'udp dport {{ {SHUT}, 99 }} counter drop comment "it"'),
    ),
    "all rules are others": lambda: (
        table(f"{DROPS}\n{MANY}"),
        table(f"meta l4proto udp udp dport 1-{SHUT} drop"),
    ),
    "the elements are others": lambda: (
        table(
            "udp dport @shut drop",
            more=f"set shut {{ type inet_service; elements = {{ {SHUT}, 11, 12 }}; }}",
        ),
        table(
            "udp dport @shut drop",
            more=f"set shut {{ type inet_service; elements = {{ {SHUT}, 13 }}; }}",
        ),
    ),
    "a range around it is another": lambda: (
        table(
            "udp dport @shut drop",
            more="set shut { type inet_service; flags interval; elements = { 5-9 }; }",
        ),
        table(
            "udp dport @shut drop",
            more="set shut { type inet_service; flags interval; elements = { 8-9, 20-30 }; }",
        ),
    ),
    "the set is made anew": lambda: (
        table(
            "udp dport @shut drop",
            more=f"set shut {{ type inet_service; elements = {{ {SHUT} }}; }}",
        ),
        table(
            "udp dport @shut drop",
            more=f"set shut {{ type inet_service; flags timeout; elements = {{ {SHUT} }}; }}",
        ),
    ),
    "a verdict map has another value": lambda: (
        table(
            "udp dport vmap @ways",
            more=f"""
            chain away {{
                drop
            }}
            map ways {{ type inet_service : verdict; elements = {{ {SHUT} : drop }}; }}
            """,
        ),
        table(
            "udp dport vmap @ways",
            more=f"""
            chain away {{
                drop
            }}
            map ways {{ type inet_service : verdict; elements = {{ {SHUT} : jump away }}; }}
            """,
        ),
    ),
    "a verdict map comes to name a new chain": lambda: (
        table(
            f"udp dport vmap @ways\n{ACCEPTS}",
            policy="drop",
            more=f"map ways {{ type inet_service : verdict; elements = {{ {SHUT} : drop }}; }}",
        ),
        table(
            f"udp dport vmap @ways\n{ACCEPTS}",
            more=f"""
            chain away {{
                {MANY}
                drop
            }}
            map ways {{ type inet_service : verdict; elements = {{ {SHUT} : goto away }}; }}
            """,
        ),
    ),
    "a new set has its own ranges": lambda: (
        table("udp dport { 5-9, 20 } drop"),
        table(
            "udp dport @shut drop",
            more="set shut { type inet_service; flags interval; elements = { 5-9, 20-30 }; }",
        ),
    ),
    "a set with ranges is made anew": lambda: (
        table(
            "udp dport @shut drop",
            more="set shut { type inet_service; flags interval; elements = { 5-9, 20 }; }",
        ),
        table(
            "udp dport @shut drop",
            more="set shut { type inet_service; flags interval, timeout; elements = { 8-9 }; }",
        ),
    ),
    "a rule with ranges comes before one that accepts": lambda: (
        table(f"{DROPS}\n{ACCEPTS}", policy="drop"),
        table("udp dport { 5-9, 20 } drop\nudp dport 1-20 accept", policy="drop"),
    ),
    "a chain whose rules have ranges has another priority": lambda: (
        table(f"udp dport {{ 5-9, 20 }} drop\n{MANY}"),
        table(f"udp dport {{ 5-9, 20 }} drop\n{MANY}", priority=-10),
    ),
    "a chain whose rules have ranges has another name": lambda: (
        table(f"udp dport {{ 5-9, 20 }} drop\n{MANY}"),
        renamed(table(f"udp dport {{ 5-9, 20 }} drop\n{MANY}"), "other"),
    ),
    "a table with ranges has another comment": lambda: (
        evolve(table("udp dport { 5-9, 20 } drop"), comment="one"),
        evolve(table("udp dport { 5-9, 20 } drop"), comment="other"),
    ),
    "a table with ranges has another name": lambda: (
        table("udp dport { 5-9, 20 } drop"),
        evolve(table("udp dport { 5-9, 20 } drop"), name="others"),
    ),
    "the policy is another": lambda: (
        table(f"{ACCEPTS}\n{DROPS}"),
        table(f"{ACCEPTS}\n{DROPS}", policy="drop"),
    ),
    "the policy drops instead of a rule": lambda: (
        table(f"{ACCEPTS}\n{DROPS}"),
        table(ACCEPTS, policy="drop"),
    ),
    "the chain has another priority": lambda: (
        table(DROPS),
        table(DROPS, priority=-10),
    ),
    "a chain that drops has another priority": lambda: (
        table(ACCEPTS, policy="drop"),
        table(ACCEPTS, policy="drop", priority=-10),
    ),
    "a table that drops has another comment": lambda: (
        evolve(table(ACCEPTS, policy="drop"), comment="one"),
        evolve(table(ACCEPTS, policy="drop"), comment="other"),
    ),
    "the chain has another hook": lambda: (
        table(f"{DROPS}\n{MANY}"),
        table(f"{MANY}\n{DROPS}", hook="prerouting"),
    ),
    "the table has another comment": lambda: (
        evolve(table(DROPS), comment="one"),
        evolve(table(DROPS), comment="other"),
    ),
    "the table has another name": lambda: (
        table(DROPS),
        evolve(table(DROPS), name="others"),
    ),
    "a table that drops has another name": lambda: (
        table(ACCEPTS, policy="drop"),
        evolve(table(ACCEPTS, policy="drop"), name="others"),
    ),
}  # fmt: skip


class Flood:
    """Somebody who sends to both ports for as long as he can.

    Attributes:
        sent: Rounds of packets, one to each port, that were sent.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._socket = place.udp()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = 0

    def _send(self) -> None:
        while not self._over.is_set():
            self._socket.sendto(b"x", ("127.0.0.1", SHUT))
            self._socket.sendto(b"x", ("127.0.0.1", OPEN))
            self.sent += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    async def more(self) -> None:
        """Some more were sent, all of which are after this was asked."""
        enough = self.sent + PACKETS
        while self.sent < enough:
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def flooded(place: Place) -> AsyncIterator[Flood]:
    """What is done within lets nothing past, and stops nothing else."""
    await place.load(COUNTERS)
    with Flood(place) as flood:
        await flood.more()
        yield flood
        await flood.more()
    for _ in range(PATIENCE):
        if await count(place, "come") == flood.sent:
            break
    assert await count(place, "past") == 0
    assert await count(place, "come") == flood.sent


async def count(place: Place, name: str) -> int:
    """What a counter of somebody else has counted."""
    said = await place.shown("counter", "inet", "counting", name)
    return int(said.partition("packets ")[2].split()[0])


Pair = tuple[Table, Table]


@pytest.fixture(scope="module")
def pairs() -> dict[str, Pair]:
    return {name: make() for name, make in PAIRS.items()}


@pytest.fixture
def pair(pairs: dict[str, Pair], what: str) -> Pair:
    return pairs[what]


@pytest.fixture
def firewall(pairs: dict[str, Pair]) -> Table:
    return pairs["all rules are others"][0]


def skip_where_ranges_leak(what: str) -> None:
    # A race that no probe tells; cured by "netfilter: nft_set_rbtree: continue traversal if
    # element is inactive", which some older kernels have too.
    if "range" in what and tuple(map(int, platform.release().split(".")[:2])) < (6, 17):
        pytest.skip("a look-up of ranges may miss while one is replaced (before Linux 6.17)")


@pytest.mark.parametrize("what", PAIRS)
async def test_nothing_gets_past_or_is_lost_while(place: Place, pair: Pair, what: str) -> None:
    skip_where_ranges_leak(what)
    async with place.entered(lifetime="persist", recreate=True) as ours:
        await ours.converges(pair[0])
        async with flooded(place) as flood:
            for turn in range(1, TURNS + 1):
                report = await ours.reconcile(pair[turn % 2])
                assert (report.converged, report.changed) == (True, True), said(report)
                await flood.more()


async def test_nothing_gets_past_while_we_come_and_go(place: Place, firewall: Table) -> None:
    await place.converges(firewall, lifetime="persist")
    async with flooded(place) as flood:
        for _ in range(TURNS):
            async with place.entered(lifetime="persist") as ours:
                await flood.more()
                await ours.converges(firewall)
                await flood.more()
            await flood.more()


async def test_nothing_gets_past_while_a_loop_starts_again_and_again(
    place: Place, pairs: dict[str, Pair]
) -> None:
    wishes = pairs["all rules are others"]
    source = Source(place.scope)
    await place.converges(wishes[0], lifetime="persist")
    async with flooded(place) as flood:
        for turn in range(1, TURNS + 1):
            loop = Loop[Table | None, Any, Any](source, wishes[turn % 2], debounce=0)
            async with running(loop):
                await flood.more()
                await loop.wait_converged(loop.put_desired(wishes[(turn + 1) % 2]))
            await flood.more()


async def test_nothing_gets_past_while_the_table_is_made_anew(
    place: Place, firewall: Table
) -> None:
    await place.converges(firewall, lifetime="persist")
    async with flooded(place) as flood:
        for _ in range(TURNS):
            report = await netfilter.push(firewall, mode="replace", scope=place.scope)
            assert report.changed
            await flood.more()


async def test_nothing_gets_past_while_one_of_somebody_else_is_replaced(
    place: Place, firewall: Table
) -> None:
    theirs = (
        f"table inet ours {{ chain theirs {{ type filter hook input priority 5; {DROPS}; }}; }}"
    )
    await place.load(theirs)
    async with flooded(place) as flood:
        for _ in range(TURNS):
            report = await place.converges(firewall, lifetime="persist", on_conflict="replace")
            assert report.changed
            await flood.more()
            await place.load(f"delete table inet ours; {theirs}")
            await flood.more()


@needs_persist
async def test_nothing_gets_past_where_others_write_to_what_is_owned(
    place: Place, firewall: Table
) -> None:
    async with place.entered(lifetime="persist") as ours:
        await ours.converges(firewall)
        async with flooded(place) as flood:
            for command in ("flush chain inet ours main", "delete table inet ours") * (TURNS // 2):
                assert "Operation not permitted" in await place.nft(command)
                await flood.more()
