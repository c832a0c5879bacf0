"""Cgroup paths and the names of interface files: what is one, and what is refused."""

from __future__ import annotations

import pytest

from linx_async import DesiredStateError
from linx_async.cgroup import Source, add_process, create, enable_controllers
from linx_async.cgroup.desired import Desired
from linx_async.cgroup.paths import ancestors, below_mount, checked_name, checked_path

POINT = "/sys/fs/cgroup"


@pytest.mark.parametrize(
    "path", ["web", "myorg/web-42", "user.slice/user-1000.slice", "with space", "ünï", "\udcff"]
)
def test_a_relative_path_is_taken_as_it_is(path: str) -> None:
    assert checked_path(path) == path


def test_an_absolute_path_is_taken_as_it_is() -> None:
    assert checked_path("/sys/fs/cgroup/web") == "/sys/fs/cgroup/web"


def test_a_trailing_slash_is_no_part_of_a_path() -> None:
    assert checked_path("myorg/web/") == "myorg/web"
    assert checked_path("/sys/fs/cgroup//") == "/sys/fs/cgroup"


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("..", ".."),
        (".", "."),
        ("../etc", ".."),
        ("web/..", ".."),
        ("web/../..", ".."),
        ("web/./x", "."),
        ("/sys/fs/cgroup/../../../etc", ".."),
        ("web//x", ""),
        ("//web", ""),
        ("/", ""),
        ("//", ""),
        ("web\0", "web\0"),
        ("a/b\nc", "b\nc"),
        ("a/\ud800", "\ud800"),
    ],
)
def test_a_path_with_a_part_that_is_no_name_is_refused(path: str, part: str) -> None:
    with pytest.raises(DesiredStateError) as refusal:
        checked_path(path)
    assert repr(path) in str(refusal.value)
    assert f"the part {part!r}" in str(refusal.value)


@pytest.mark.parametrize("path", ["", None, 1, b"web", ["web"]])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(DesiredStateError, match="expected text like 'myorg/web-42', got"):
        checked_path(path)  # type: ignore[arg-type]


def test_a_source_refuses_a_wrong_path_as_it_is_made() -> None:
    with pytest.raises(DesiredStateError, match=r"'web/\.\./\.\./x'"):
        Source("web/../../x")


def test_below_the_mount_a_relative_path_is_itself() -> None:
    assert below_mount("myorg/web", POINT) == "myorg/web"


def test_below_the_mount_an_absolute_path_loses_the_mount_point() -> None:
    assert below_mount("/sys/fs/cgroup/myorg/web", POINT) == "myorg/web"


def test_below_the_mount_the_mount_point_is_the_root_cgroup() -> None:
    assert below_mount(POINT, POINT) == ""


def test_the_mount_point_may_be_the_root_of_all() -> None:
    assert below_mount("/myorg/web", "/") == "myorg/web"


def test_the_cgroups_above_begin_with_the_root_cgroup() -> None:
    assert ancestors("a/b/c") == ["", "a", "a/b"]
    assert ancestors("a") == [""]
    assert ancestors("") == []


@pytest.mark.parametrize(
    "name", ["memory.max", "cgroup.max.depth", "hugetlb.2MB.rsvd.max", "cpu.weight.nice", "x.y"]
)
def test_the_name_of_an_interface_file_is_taken_as_it_is(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["memory", "", ".", "..", "memory.", ".max", 1, None, b"io.max"])
def test_what_is_no_interface_file_is_refused(name: object) -> None:
    with pytest.raises(DesiredStateError) as refusal:
        checked_name(name)  # type: ignore[arg-type]
    assert f"expected an interface file like memory.max, got {name!r}" in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["../memory.max", "web/memory.max", "memory.max\0", "memory.\nmax", "a.\ud800", "..a.b"]
)
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(DesiredStateError) as refusal:
        checked_name(name)
    assert repr(name) in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("cgroup.procs", "add_process"),
        ("cgroup.threads", "add_process"),
        ("cgroup.subtree_control", "enable_controllers"),
        ("cgroup.kill", "kill"),
        ("cgroup.type", "create"),
        ("memory.reclaim", "a write of your own"),
        ("memory.pressure", "a write of your own"),
        ("cpu.pressure", "a write of your own"),
    ],
)
def test_a_file_that_does_something_is_no_key_and_the_message_says_what_to_use(
    name: str, instead: str
) -> None:
    with pytest.raises(DesiredStateError, match="it does something rather than hold") as refusal:
        Desired({name: 1})
    assert repr(name) in str(refusal.value)
    assert str(refusal.value).endswith(f"use {instead}")


def test_a_pressure_file_that_is_a_switch_is_a_key() -> None:
    assert Desired({"cgroup.pressure": False}).settings == {"cgroup.pressure": "0"}


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["../web", "web/../../..", "", "a\0b"])
async def test_the_verbs_of_a_cgroups_life_refuse_a_wrong_path(path: str) -> None:
    with pytest.raises(DesiredStateError, match="cgroup path"):
        await create(path)


@pytest.mark.anyio
@pytest.mark.parametrize("pid", [-1, True, "1", 1.0, None])
async def test_what_is_no_pid_is_refused(pid: object) -> None:
    with pytest.raises(DesiredStateError, match="pid: expected zero or a positive integer, got"):
        await add_process("web", pid)  # type: ignore[arg-type]


@pytest.mark.anyio
@pytest.mark.parametrize("names", [["memory", "+pids"], ["mem ory"], [""], [1]])
async def test_what_is_no_controllers_name_is_refused(names: list[str]) -> None:
    with pytest.raises(DesiredStateError, match="controller: expected a name like 'memory', got"):
        await enable_controllers("web", names)


@pytest.mark.anyio
async def test_one_name_is_not_taken_for_many() -> None:
    with pytest.raises(DesiredStateError, match="expected several names, got 'memory'"):
        await enable_controllers("web", "memory")
