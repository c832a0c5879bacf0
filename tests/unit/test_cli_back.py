"""What an apply takes along, why an op is due, and what tells plans apart: all that is pure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from linx_async import Claim, LinxError, Ownership, Plan, rtnl
from linx_async.cli.back.links import declared_links, touched_links
from linx_async.cli.back.others import Others, Touched
from linx_async.cli.passes import Passes
from linx_async.cli.results import PartResult
from linx_async.cli.saved_plan import moved, read_saved, save
from linx_async.cli.state import HostStore
from linx_async.cli.waiting import Notes, ask, hold, notes_in, refuse_two
from linx_async.cli.why import created, explained, reason
from linx_async.config.load import parse_texts
from linx_async.rtnl import Address, Link, Nexthop, ObservedLink, Route, Rule
from linx_async.rtnl.observed import Observed
from linx_async.sysctl import SetSysctl

ROOT = Path(__file__).parents[2]
ONE = ObservedLink(
    *(1, "one", "veth", True, 1500, "02:00:00:00:00:01", "", 3, 2, None),
    *("", frozenset(), 0, 1, "up", b"", ()),
)
TWO = evolve(ONE, index=2, name="two", parent=1, address="02:00:00:00:00:02", master=0)
BRIDGE = evolve(ONE, index=3, name="br", kind="bridge", parent=0, master=0)
LINKS = {link.name: link for link in (ONE, TWO, BRIDGE)}
OURS = Ownership({"link br": Claim("link br", "bridge", settled="3")})


def test_a_link_that_is_deleted_touches_its_other_end_its_ports_and_what_sits_on_it() -> None:
    assert touched_links([rtnl.DeleteLink(TWO)], LINKS) == {"one", "two"}
    assert touched_links([rtnl.DeleteLink(BRIDGE)], LINKS) == {"br", "one"}
    added = rtnl.AddLink(Link("new", "veth", peer="other"))
    assert touched_links([added], LINKS) == {"new", "other"}


def test_ours_are_declared_as_they_are_and_others_by_their_attributes_alone() -> None:
    ops = [rtnl.DeleteLink(BRIDGE)]
    port, bridge = declared_links(LINKS, touched_links(ops, LINKS), OURS, ops, ())
    assert (port.name, port.kind, port.master, port.up) == ("one", None, "br", True)
    assert (bridge.name, bridge.kind, bridge.address) == ("br", "bridge", BRIDGE.address)
    assert declared_links(LINKS, frozenset(), Ownership(), [], ()) == ()


def test_what_others_have_is_put_back_with_their_tags_where_it_was_touched() -> None:
    theirs = Address("one", "10.0.0.1/24", protocol=0)
    elsewhere = Address("two", "10.0.1.1/24", protocol=0)
    ours = Address("one", "10.0.0.2/24", protocol=76)
    route = Route("10.9.0.0/16", "10.0.0.9", interface="one", protocol=4)
    rule = Rule(500, 100, protocol=3)
    observed = Observed(LINKS, (theirs, elsewhere, ours), (Nexthop(7, None, "one"),), (), (rule,))
    key = route.prefix, route.destination.network_address.packed

    def is_ours(value: Any) -> bool:
        return bool(value.protocol == 76)

    touched = Touched(frozenset({"one"}), frozenset({rule.key}))
    before = Others.of(observed, [(key, route.forwarding)], is_ours, touched)
    assert [str(op) for op in before.ops.values()] == [
        "add address 10.0.0.1/24 on one",
        "add nexthop 7 dev one",
        "add route 10.9.0.0/16 via 10.0.0.9 dev one",
        "add rule 500: from all lookup 100",
    ]
    after = Others.of(evolve(observed, addresses=(), rules=()), [], is_ours, touched)
    assert len(before.lacking(after)) == 3
    assert before.differing(after) == []
    other = evolve(observed, addresses=(Address("one", "10.0.0.1/24", metric=9, protocol=0),))
    assert before.differing(Others.of(other, [], is_ours, touched)) == [theirs.key]


def test_an_op_says_why_it_is_due() -> None:
    delete, add = rtnl.DeleteLink(TWO), rtnl.AddLink(Link("two", "bridge"))
    assert explained(delete) == "delete link two (veth) (not desired any more)"
    assert reason(delete, created([delete, add])) == "made anew"
    change = rtnl.SetLink(Link("one", mtu=1400), ONE, {"mtu": 1400})
    assert explained(change) == "set link one: mtu 1400 (is mtu 1500)"
    assert explained(SetSysctl("net.a", "1", "0")) == "set net.a = 1 (is 0)"
    because = SetSysctl("net.a", "1", "1", because="but net.b overwrites it")
    assert reason(because) == "net.b overwrites it"


def planned(folder: Path, *ops: Any, owned: Ownership | None = None) -> Passes:
    config = parse_texts("host.toml", {"host.toml": "[sysctl]\nnet.a = 1\n"})
    passes = Passes(config, HostStore(folder / "records"))
    batches = (ops,) if ops else ()
    passes.results.append(PartResult.of_plan(config.parts[0], Plan(batches), "here", owned))
    return passes


@pytest.mark.unguarded("all of it blocks")
def test_a_saved_plan_knows_its_like(tmp_path: Path) -> None:
    path, add = str(tmp_path / "a.plan"), rtnl.AddLink(Link("new", "bridge"), index=12345)
    value = SetSysctl("net.a", "1", "0")
    first = planned(tmp_path, add, value)
    save(path, first, {"host.toml": "[sysctl]\nnet.a = 1\n"})
    passes, plan = read_saved(path, None)
    assert passes.config == first.config
    # Which number a link is going to have says nothing.
    assert moved(path, planned(tmp_path, evolve(add, index=54321), value), plan) is None
    for passes, difference in (
        (planned(tmp_path, value, add), "the order of what is due"),
        (planned(tmp_path, add), "not due any more: set net.a = 1 (is 0)"),
        (planned(tmp_path, add, evolve(value, was="2")), "due now: set net.a = 1 (is 2)"),
        (planned(tmp_path, add, value, owned=OURS), "our record of link br"),
    ):
        error = moved(path, passes, plan)
        assert error is not None
        assert difference in str(error)
    with pytest.raises(LinxError, match="was made with --state-dir"):
        read_saved(path, "elsewhere")


@pytest.mark.unguarded("all of it blocks")
def test_notes_are_read_as_they_were_written_and_damaged_ones_are_named(tmp_path: Path) -> None:
    assert notes_in(tmp_path) is None
    lost = ({"key": "net.a", "message": "is 1, and was 0"},)
    notes = Notes("rolled back", "host.toml", 7, 1.5, "2026-03-01T09:30:00.000+01:00", "no", lost)
    notes.save(tmp_path)
    assert notes_in(tmp_path) == notes
    for damage in ("{", "[]", '{"state": 1}', '{"state": "waiting", "pid": "x"}', '{"more": 1}'):
        (tmp_path / "confirm.json").write_text(damage)
        with pytest.raises(LinxError, match=r"confirm\.json: is damaged"):
            notes_in(tmp_path)


@pytest.mark.unguarded("all of it blocks")
def test_where_the_guard_is_gone_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(LinxError, match="nothing waits for confirmation"):
        ask(tmp_path, "confirm")
    Notes("waiting", "host.toml", 7, 1.5, "2026-03-01T09:30:00.000+01:00").save(tmp_path)
    with pytest.raises(LinxError, match=r"\(process 7\) is gone"):
        ask(tmp_path, "confirm")
    refuse_two(tmp_path)
    hold(tmp_path)
    with pytest.raises(LinxError, match=r"an apply of host\.toml waits for confirmation"):
        refuse_two(tmp_path)
    with pytest.raises(LinxError, match="waits for confirmation"):
        hold(tmp_path)


def test_a_plan_loads_nothing_of_the_way_back() -> None:
    code = """
import sys
sys.argv = ["linx", "plan", "-"]
from linx_async.cli import main
try:
    main()
except SystemExit:
    print(sorted(name for name in sys.modules if name.startswith("linx_async.cli.")))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input="", capture_output=True, text=True, cwd=ROOT, check=True
    )
    loaded = done.stdout.splitlines()[-1]
    for module in ("back", "confirming", "guard", "guarding", "saved_plan", "waiting"):
        assert f"'linx_async.cli.{module}'" not in loaded
