"""What is shown as a file asks for nothing that is not so already."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from linx_async import NetworkNamespace
from linx_async.cli.passes import Passes
from linx_async.cli.selection import Selection
from linx_async.cli.show_state import ShownState, kinds_of
from linx_async.cli.state import HostStore
from linx_async.config import parse
from linx_async.config.writing import toml
from linx_async.testing.namespaces import throwaway
from tests.kernel.nft_program import nft, nft_or_skip

PARAMETERS = {"stp_state": 1} if find_spec("pyroute2") else {}
BOTH = st.sampled_from(["linx", "others"])


@pytest.fixture(autouse=True)
def programs() -> None:
    nft_or_skip()
    if shutil.which("ip") is None:
        pytest.skip("ip (iproute2) is not installed")


@contextmanager
def records() -> Iterator[HostStore]:
    with tempfile.TemporaryDirectory() as directory:
        yield HostStore(directory)


def ip(*commands: str, check: bool = True) -> None:
    text = "\n".join([*commands, ""])
    done = subprocess.run(
        ["ip", "-force", "-batch", "-"], input=text, text=True, check=False, capture_output=True
    )
    assert done.returncode == 0 or not check, done.stderr


async def passed(text: str, store: HostStore, *, plan: bool = False) -> Passes:
    passes = Passes(parse(text), store)
    await (passes.plan() if plan else passes.apply())
    return passes


async def shown(store: HostStore, *names: str, ours: bool = False) -> ShownState:
    state = ShownState(Selection(names, kinds_of([]), ours), store)
    await state.look()
    await state.settle()
    return state


def keys(state: ShownState, *, ours: bool | None = None) -> set[str]:
    return {
        entry.key
        for present in state.parts
        for entry in present.entries
        if ours is None or entry.ours is ours
    }


@st.composite
def networks(draw: st.DrawFn) -> tuple[dict[str, Any], list[str], set[str], set[str]]:
    """What linx makes, what others make by `ip`, and the keys of both."""
    theirs: list[str] = []
    alias = draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=9))
    links: dict[str, Any] = {
        "shv": {"kind": "veth", "peer": "shw", "up": True, "alias": alias},
        "shw": {"up": True, "mtu": draw(st.integers(1280, 1500))},
        "shb": {"kind": "bridge", "up": draw(st.booleans()), "parameters": PARAMETERS},
    }
    links["shv"]["addresses"] = ["10.61.0.1/24"]
    made = {"linx": {"link shv", "address 10.61.0.1/24 on shv"}, "others": set[str]()}
    if draw(BOTH) == "linx":
        made["linx"].add("link shb")
    else:
        del links["shb"]
        theirs += ["link add shb type bridge", "link set shb alias theirs"]
        made["others"].add("link shb")
    network: dict[str, Any] = {"links": links, "routes": [], "rules": [], "neighbours": []}
    for number in draw(st.sets(st.integers(1, 9), max_size=3)):
        metric, table = draw(st.integers(1, 9)), draw(st.sampled_from([254, 61, 1000]))
        goal, mtu = f"10.62.{number}.0/24", draw(st.integers(1280, 1400))
        who = draw(BOTH)
        made[who].add(f"route {goal}{'' if table == 254 else f' table {table}'} metric {metric}")
        if who == "others":
            way = f"via 10.61.0.9 mtu {mtu}"
            theirs.append(f"route add {goal} {way} table {table} metric {metric} proto static")
        else:
            hops = [{"gateway": "10.61.0.8", "weight": 3}, "10.61.0.7"]
            said = {"destination": goal, "table": table, "metric": metric, "nexthops": hops}
            network["routes"].append(said | {"metrics": {"mtu": mtu}})
    for number in draw(st.sets(st.integers(1, 9), max_size=2)):
        mark, mask = draw(st.integers(1, 2**32 - 1)), draw(st.integers(1, 2**32 - 1))
        if draw(BOTH) == "others":
            theirs.append(
                f"rule add from 10.0.0.0/8 priority {number} fwmark {mark}/{mask} unreachable"
            )
            rule = f"from 10.0.0.0/8 fwmark {mark:#x}/{mask:#x} unreachable"
            made["others"].add(f"IPv4 rule {number}: {rule}")
        else:
            said = {"priority": number, "table": 61, "fwmark": mark, "fwmask": mask}
            network["rules"].append(said | {"destination_ports": [1, 22], "ip_protocol": 6})
    for number in draw(st.sets(st.integers(2, 9), max_size=2)):
        lladdr = f"02:00:00:00:00:0{number}"
        who = draw(BOTH)
        made[who].add(f"neighbour 10.61.0.{number} on shv")
        if who == "others":
            theirs.append(f"neigh add 10.61.0.{number} lladdr {lladdr} dev shv")
        else:
            network["neighbours"].append(["shv", f"10.61.0.{number}", lladdr])
    if draw(st.booleans()):
        theirs.append("addr add fd61::1/64 dev shv nodad noprefixroute")
        made["others"].add("address fd61::1 on shv")
    return network, theirs, made["linx"], made["others"]


firewalls = st.fixed_dictionaries(
    {
        "chains": st.just({"c": {"hook": "input", "rules": ["ip saddr @s counter drop"]}}),
        "sets": st.fixed_dictionaries(
            {
                "s": st.fixed_dictionaries(
                    {
                        "type": st.just("ipv4_addr"),
                        "elements": st.lists(
                            st.ip_addresses(v=4).map(str), min_size=1, max_size=3, unique=True
                        ),
                    }
                )
            }
        ),
    },
    optional={"lifetime": st.just("shared"), "comment": st.text("ab c'", min_size=1, max_size=9)},
)


@settings(
    max_examples=6,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(networks(), firewalls, st.integers(0, 2))
def test_to_apply_what_is_shown_changes_nothing(
    network: tuple[dict[str, Any], list[str], set[str], set[str]],
    firewall: dict[str, Any],
    filtered: int,
) -> None:
    wanted, theirs, our_keys, their_keys = network
    document = {
        "sysctl": {"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.rp_filter": filtered},
        "rtnl": wanted,
        "netfilter": {"inet": {"shown": firewall}},
    }

    async def story(store: HostStore) -> None:
        made = await passed(toml(document), store)
        assert all(result.converged for result in made.results), made.results
        ip(*theirs)
        nft("add", "table", "ip", "theirs")
        state = await shown(store)
        assert [left.what for part in state.parts for left in part.left_out] == ["table ip theirs"]
        assert keys(state, ours=True) >= our_keys | {"table inet shown"}
        assert keys(state, ours=False) >= their_keys
        ours = await shown(store, ours=True)
        assert keys(ours) == keys(state, ours=True)
        for each in (state, ours):
            planned = await passed(each.text(), store, plan=True)
            names = {result.part.name for result in planned.results}
            assert names >= {"rtnl", "netfilter inet shown"}
            assert [result for result in planned.results if not result.converged] == []

    async def undone(store: HostStore) -> None:
        await passed("", store)

    with records() as store:
        try:
            anyio.run(story, store)
        finally:
            nft("delete", "table", "ip", "theirs", check=False)
            anyio.run(undone, store)
            rules = [line.replace(" add ", " del ") for line in theirs if "rule" in line]
            ip("link del shb", *rules, check=False)


pytestmark = pytest.mark.unguarded("it runs loops and programs of its own")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_is_kept_in_other_namespaces_is_told_as_left_out_and_shown_where_asked_for(
    backend: str,
) -> None:
    async def story(store: HostStore) -> None:
        with throwaway("net") as box:
            there = f"[netns.{box.pid}]\npid = {box.pid}\n"
            text = f"""{there}
                [netns.{box.pid}.rtnl.links.kept]
                kind = 'bridge'
                [netns.{box.pid}.netfilter.inet.fw.chains.c]
                rules = ['iif kept counter accept']
            """
            made = await passed(text, store)
            assert all(result.converged for result in made.results), made.results
            names = [f"pid {box.pid}: netfilter inet fw", f"pid {box.pid}: rtnl"]
            state = await shown(store)
            assert [part.name for part in state.elsewhere] == names
            assert not state.is_whole
            assert f"# Left out: pid {box.pid} (netfilter inet fw, rtnl): " in state.text()

            # By a path it is the same as by the pid, and the file says it as it is kept.
            path = NetworkNamespace.at_path(box.path("net"))
            state = ShownState(Selection((), kinds_of([], path), netns=path), store)
            await state.look()
            await state.settle()
            assert state.is_whole
            assert {"link kept", "table inet fw"} <= keys(state, ours=True)
            assert f"[netns.{box.pid}]\npid = {box.pid}\n" in state.text()
            planned = await passed(state.text(), store, plan=True)
            assert sorted(result.part.name for result in planned.results) == names
            assert all(result.converged for result in planned.results), planned.results

    with records() as store:
        anyio.run(story, store, backend=backend)
