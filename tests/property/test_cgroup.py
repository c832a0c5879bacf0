"""What holds for all cgroup paths, names, mounts and statistics, whatever is in them."""

from __future__ import annotations

import os.path
from collections.abc import Mapping

from hypothesis import assume, example, given
from hypothesis import strategies as st

from linx_async import DesiredStateError
from linx_async._kernel.cgroupfs import cgroup2_mounts
from linx_async.cgroup.desired import Desired
from linx_async.cgroup.paths import ancestors, below_mount, checked_name, checked_path
from linx_async.cgroup.statistics import Number, parsed

POINT = "/sys/fs/cgroup"

# Any character there is, lone surrogates among them, and often those that matter.
hostile = st.text(st.sampled_from("/..\0\n a") | st.characters(), max_size=12)
paths = hostile | st.lists(
    st.sampled_from(["..", ".", "", "a", "web", POINT, "/"]), max_size=6
).map("/".join)


def is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


@given(paths)
@example("..")
@example("/sys/fs/cgroup/../../../etc")
def test_no_path_that_is_taken_leaves_the_mount(path: str) -> None:
    try:
        taken = checked_path(path)
    except DesiredStateError:
        return
    if taken.startswith("/"):
        assume(is_below(taken, POINT))
    place = os.path.join(POINT, below_mount(taken, POINT))
    assert is_below(os.path.normpath(place), POINT)
    assert "\0" not in place
    os.fsencode(place)


@given(paths)
def test_a_path_that_is_taken_is_taken_again_as_it_is(path: str) -> None:
    try:
        taken = checked_path(path)
    except DesiredStateError:
        return
    assert checked_path(taken) == taken


@given(st.lists(st.text("abc.-", min_size=1, max_size=3), min_size=1, max_size=6))
def test_each_cgroup_above_lies_right_below_the_one_before(parts: list[str]) -> None:
    path = "/".join(parts)
    chain = [*ancestors(path), path]
    assert chain[0] == ""
    assert [os.path.dirname(lower) for lower in chain[1:]] == chain[:-1]


@given(hostile | st.sampled_from(["memory.max", "../memory.max", "web/memory.max", "..", "a.b"]))
def test_no_name_that_is_taken_leads_out_of_the_cgroup(name: str) -> None:
    try:
        taken = checked_name(name)
    except DesiredStateError:
        return
    assert os.path.normpath(os.path.join(POINT, taken)) == f"{POINT}/{taken}"
    os.fsencode(taken)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | hostile
fields = st.dictionaries(hostile | st.sampled_from(["rbps", "wiops"]), scalars, max_size=3)
anything = (
    scalars
    | st.lists(scalars, max_size=3)
    | st.dictionaries(hostile | st.sampled_from(["8:0", "default"]), scalars | fields, max_size=3)
)


@given(st.dictionaries(st.sampled_from(["io.max", "memory.max", "cpuset.cpus"]), anything))
def test_any_value_is_either_refused_or_text_that_can_be_written(
    desired: Mapping[str, object],
) -> None:
    try:
        settings = Desired(desired).settings  # type: ignore[arg-type]
    except DesiredStateError:
        return
    assert settings.keys() == desired.keys()
    for text in settings.values():
        assert "\0" not in text
        text.encode("utf-8", "surrogateescape")


octets = st.sampled_from([r"\040", r"\011", r"\134", r"\777", r"\000", "\\", r"\12"])
words = st.lists(octets | st.text(st.characters(exclude_characters="\n ")), max_size=3).map("".join)
lines = st.lists(words | st.sampled_from(["-", "cgroup2", "0:22", "1", "/"]), max_size=12).map(
    " ".join
)


@given(st.lists(lines | hostile, max_size=4).map("\n".join))
def test_mountinfo_may_be_anything(text: str) -> None:
    for mount in cgroup2_mounts(text):
        assert " - cgroup2" in text
        assert isinstance(mount.point, str)


def escaped(name: str) -> str:
    """As the kernel's mangle_path does in show_mountinfo (fs/proc_namespace.c)."""
    return "".join(f"\\{ord(char):03o}" if char in " \t\n\\#" else char for char in name)


@given(
    st.text(st.characters(exclude_characters="\0"), max_size=8),
    st.text(st.characters(exclude_characters="\0"), max_size=8),
    st.lists(st.sampled_from(["shared:1", "master:2", "unbindable"]), max_size=3),
)
def test_what_the_kernel_writes_of_a_mount_is_read_back(
    point: str, root: str, optional: list[str]
) -> None:
    head = ["25", "23", "0:22", escaped(f"/{root}"), escaped(f"/{point}"), "rw", *optional]
    (mount,) = cgroup2_mounts(" ".join([*head, "-", "cgroup2", "none", "rw"]) + "\n")
    assert (mount.point, mount.root) == (f"/{point}", f"/{root}")


numbers = st.integers(0, 2**64 - 1)
names = st.text("abcdef_:", min_size=1, max_size=8).filter(lambda name: name != "max")


@given(st.text(st.sampled_from(" \n=.09e-_") | st.characters(), max_size=40))
def test_a_statistic_may_be_any_text(text: str) -> None:
    parsed(text)


@given(st.dictionaries(names, numbers, min_size=1))
def test_flat_statistics_are_read_back(statistic: dict[str, int]) -> None:
    assert parsed("".join(f"{name} {value}\n" for name, value in statistic.items())) == statistic


@given(st.dictionaries(names, st.dictionaries(names, numbers, min_size=1), min_size=1))
def test_nested_statistics_are_read_back(statistic: dict[str, dict[str, Number]]) -> None:
    lines = (
        " ".join([name, *(f"{field}={value}" for field, value in fields.items())])
        for name, fields in statistic.items()
    )
    assert parsed("\n".join(lines)) == statistic
