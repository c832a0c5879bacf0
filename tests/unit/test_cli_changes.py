"""What differs between the parts that are kept and those of the file."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from linx_async.cli.changes import Changes
from linx_async.config import Part

SYSCTL = Part("sysctl", desired={"net.a": 1})
CGROUP = Part("cgroup", "a", {"pids.max": 1})
FIREWALL = Part("netfilter", "inet fw", desired="a table")

parts = st.lists(
    st.builds(
        Part,
        st.sampled_from(["sysctl", "rtnl"]),
        st.sampled_from(["", "protocol 80"]),
        st.dictionaries(st.sampled_from("ab"), st.integers(0, 1)),
        st.dictionaries(st.just("on_conflict"), st.sampled_from(["report", "replace"])),
    ),
    unique_by=lambda part: part.name,
).map(tuple)


def test_each_part_has_its_own_fate_and_it_is_told_in_words() -> None:
    kept = {part.name: part for part in (SYSCTL, CGROUP, FIREWALL)}
    rtnl = Part("rtnl")
    changed = evolve(CGROUP, desired={"pids.max": 2})
    changes = Changes.between(kept, (SYSCTL, changed, rtnl))
    assert changes == Changes(
        same=("sysctl",),
        changed=(changed,),
        added=(rtnl,),
        left=(evolve(FIREWALL, desired=None),),
    )
    assert str(changes) == ("changed cgroup a; new rtnl; left netfilter inet fw; 1 part as before")
    assert changes.to_json() == {
        "changed": ["cgroup a"],
        "added": ["rtnl"],
        "left": ["netfilter inet fw"],
        "same": ["sysctl"],
    }


def test_nothing_that_changes_is_told_so() -> None:
    changes = Changes.between({"sysctl": SYSCTL}, (evolve(SYSCTL),))
    assert not changes
    assert str(changes) == "nothing has changed"


def test_other_options_and_another_pace_begin_a_loop_anew() -> None:
    for other in (
        evolve(SYSCTL, options={"revert_on_release": True}),
        evolve(SYSCTL, pacing={"interval": 1.0}),
    ):
        assert Changes.between({"sysctl": SYSCTL}, (other,)).renewed == (other,)


def test_where_a_part_stands_in_the_file_makes_no_difference() -> None:
    moved = evolve(SYSCTL, file="another.toml")
    assert not Changes.between({"sysctl": SYSCTL}, (moved,))


def test_a_part_that_left_and_is_kept_stays_so_with_its_options() -> None:
    leaving = evolve(SYSCTL, desired={}, options={"revert_on_release": True})
    found = Part("sysctl")
    kept = {"sysctl": evolve(leaving, desired={"net.a": 1})}
    assert Changes.between(kept, (found,), {"sysctl"}) == Changes(left=(leaving,))
    assert not Changes.between({"sysctl": leaving}, (found,), {"sysctl"})
    assert Changes.between({"sysctl": leaving}, (SYSCTL,)).renewed == (SYSCTL,)
    assert Changes.between({}, (found,), {"sysctl"}).added == (found,)


@given(parts, parts)
def test_every_part_has_one_fate(before: tuple[Part, ...], now: tuple[Part, ...]) -> None:
    changes = Changes.between({part.name: part for part in before}, now)
    fates = changes.to_json()
    told = [name for names in fates.values() for name in names]
    assert len(told) == len(set(told))
    assert set(told) == {part.name for part in (*before, *now)}
    kept, there = ({part.name: part for part in each} for each in (before, now))
    untouched = all(kept.get(name) == part for name, part in there.items())
    assert bool(changes) != (
        untouched and not any(part.desired for name, part in kept.items() if name not in there)
    )
