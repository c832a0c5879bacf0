"""Why a limit cannot be had, and what the message says to do about it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from linx_async.cgroup.refusals import missing_file, refused_write, words_in


def cgroup(place: Path, controllers: str, given: str, *, is_root: bool = False) -> None:
    """A directory that looks like a cgroup."""
    place.mkdir(exist_ok=True)
    (place / "cgroup.controllers").write_text(f"{controllers}\n")
    (place / "cgroup.subtree_control").write_text(f"{given}\n")
    if not is_root:
        (place / "cgroup.type").write_text("domain\n")


def why(mount: Path, path: str, key: str) -> str:
    error = missing_file(str(mount), path, key)
    assert error.key == key
    assert error.errno == errno.ENOENT
    return error.message


def test_the_first_cgroup_from_above_that_does_not_give_the_controller_is_named(
    tmp_path: Path,
) -> None:
    cgroup(tmp_path, "cpu memory", "memory", is_root=True)
    cgroup(tmp_path / "a", "memory", "")
    cgroup(tmp_path / "a" / "b", "", "")
    assert why(tmp_path, "a/b", "memory.max") == (
        "the controller 'memory' is not delegated to /a/b: write +memory to "
        f"{tmp_path}/a/cgroup.subtree_control, then to those below it"
    )
    assert f"write +cpu to {tmp_path}/cgroup.subtree_control" in why(tmp_path, "a/b", "cpu.max")


def test_a_controller_that_nobody_has_is_lacking_held_by_v1_or_misspelt(tmp_path: Path) -> None:
    cgroup(tmp_path, "cpu", "", is_root=True)
    cgroup(tmp_path / "a", "", "")
    message = why(tmp_path, "a", "memroy.max")
    assert message.startswith("there is no controller 'memroy' on cgroup v2 here")
    assert "/proc/cgroups" in message


def test_in_a_container_a_controller_may_stop_above_what_is_seen(tmp_path: Path) -> None:
    cgroup(tmp_path, "pids", "pids")
    cgroup(tmp_path / "a", "pids", "")
    message = why(tmp_path, "a", "memory.max")
    assert "is not delegated to what is the root cgroup here" in message
    assert "whoever runs this container has to" in message


def test_a_file_that_the_controller_does_not_have_is_not_to_be_had(tmp_path: Path) -> None:
    cgroup(tmp_path, "memory", "memory", is_root=True)
    cgroup(tmp_path / "a", "memory", "")
    assert why(tmp_path, "a", "memory.nonsense") == (
        "there is no such interface file in a cgroup of this kernel"
    )
    assert why(tmp_path, "", "memory.max") == "there is no such interface file in the root cgroup"
    assert why(tmp_path, "a", "cgroup.nonsense").startswith("there is no such interface file")


def test_a_cgroup_that_has_gone_meanwhile_is_no_reason_to_fail_otherwise(tmp_path: Path) -> None:
    assert why(tmp_path, "a/b", "memory.max")
    assert words_in(str(tmp_path), "a", "cgroup.controllers") == frozenset()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EINVAL, "the kernel does not take '7', or the file is read-only"),
        (errno.ERANGE, "the kernel does not take '7', or the file is read-only"),
        (errno.EACCES, "the cgroup is not delegated to this user"),
        (errno.EPERM, "the cgroup is not delegated to this user"),
        (errno.EROFS, "is mounted read-only here"),
        (errno.ENOENT, "the cgroup, the file or the device is not there"),
        (errno.ENODEV, "the cgroup, the file or the device is not there"),
        (errno.EBUSY, "in use in a way that forbids it"),
        (errno.EOPNOTSUPP, "not supported in a threaded cgroup, or not for this device"),
        (errno.EIO, "cannot be set to '7'"),
        (None, "cannot be set to '7'"),
    ],
)
def test_a_refused_write_says_why(number: int | None, told: str) -> None:
    error = refused_write("pids.max", "7", number)
    assert (error.key, error.errno) == ("pids.max", number)
    assert told in str(error)
