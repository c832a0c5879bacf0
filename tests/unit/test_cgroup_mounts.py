"""Where cgroup v2 is mounted, from the text of mountinfo: proc_pid_mountinfo(5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from linx_async import SourceError
from linx_async._kernel import cgroupfs
from linx_async._kernel.cgroupfs import CgroupMount, cgroup2_mounts, mount_of

UNIFIED = (
    "25 23 0:22 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw"
)
HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def points(text: str) -> list[str]:
    return [mount.point for mount in cgroup2_mounts(text)]


def test_the_unified_hierarchy_is_found() -> None:
    assert list(cgroup2_mounts(UNIFIED)) == [
        CgroupMount("/sys/fs/cgroup", root="/", device=os.makedev(0, 22))
    ]


def test_the_unified_half_of_a_hybrid_hierarchy_is_found() -> None:
    assert points(HYBRID) == ["/sys/fs/cgroup/unified"]


def test_a_machine_with_cgroup_v1_alone_has_none() -> None:
    assert points(HYBRID.replace("cgroup2", "cgroup")) == []
    assert points("") == []


@pytest.mark.parametrize(
    "optional", ["", "shared:9 ", "master:1 propagate_from:2 ", "unbindable ", "a b c d "]
)
def test_any_number_of_optional_fields_is_passed_over(optional: str) -> None:
    assert points(f"25 23 0:22 / /cg rw {optional}- cgroup2 none rw") == ["/cg"]


def test_escaped_characters_are_those_they_stand_for() -> None:
    line = r"25 23 0:22 / /a\040b\011c\012d\134e\043 rw - cgroup2 none rw"
    assert points(line) == ["/a b\tc\nd\\e#"]


def test_a_mount_point_may_hold_what_python_takes_for_the_end_of_a_line() -> None:
    line = "25 23 0:22 / /a\x0cb\x1c\x85\u2028c rw - cgroup2 none rw"
    assert points(f"{line}\n{UNIFIED}\n") == ["/a\x0cb\x1c\x85\u2028c", "/sys/fs/cgroup"]


def test_a_mount_point_need_not_be_utf_8() -> None:
    assert points("25 23 0:22 / /a\udcff rw - cgroup2 none rw") == ["/a\udcff"]


def test_several_mounts_are_found_in_order() -> None:
    assert points(f"{UNIFIED}\n{UNIFIED.replace('/sys/fs', '/mnt')}") == [
        "/sys/fs/cgroup",
        "/mnt/cgroup",
    ]


def test_a_bind_mount_tells_which_cgroup_it_shows() -> None:
    (mount,) = cgroup2_mounts("25 23 0:22 /my\\040org /srv/cg rw - cgroup2 cgroup2 rw")
    assert (mount.root, mount.point) == ("/my org", "/srv/cg")


@pytest.mark.parametrize(
    "line",
    [
        " - cgroup2",
        "- cgroup2",
        "25 23 0:22 / - cgroup2 none rw",
        "25 23 0:22 / /cg rw",
        "25 23 0:22 / /cg rw - ",
        "25 23 0:22 / /cg rw cgroup2 none rw",
        "25 23 nonsense / /cg rw - cgroup2 none rw",
        "25 23 0: / /cg rw - cgroup2 none rw",
        "25 23 0:99999999999999999999 / /cg rw - cgroup2 none rw",
        "25 23 -1:-1 / /cg rw - cgroup2 none rw",
    ],
)
def test_a_line_that_is_none_is_passed_over(line: str) -> None:
    assert points(f"{line}\n{UNIFIED}") == ["/sys/fs/cgroup"]


def line_for(point: Path, root: str = "/", device: int | None = None) -> str:
    number = os.stat(point).st_dev if device is None else device
    return f"1 2 {os.major(number)}:{os.minor(number)} {root} {point} rw - cgroup2 none rw\n"


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mountinfo of our own to write to, and directories to name in it."""
    for name in ("one", "other"):
        (tmp_path / name / "inner").mkdir(parents=True)
    mountinfo = tmp_path / "mountinfo"
    mountinfo.touch()
    monkeypatch.setattr(cgroupfs, "_MOUNTINFO", str(mountinfo))
    return mountinfo


def test_a_relative_path_lies_in_the_first_mount(mounts: Path, tmp_path: Path) -> None:
    mounts.write_text(line_for(tmp_path / "one") + line_for(tmp_path / "other"))
    assert mount_of("web").point == str(tmp_path / "one")


def test_a_relative_path_lies_in_a_mount_of_the_whole_before_one_of_a_part(
    mounts: Path, tmp_path: Path
) -> None:
    mounts.write_text(line_for(tmp_path / "one", "/myorg") + line_for(tmp_path / "other"))
    assert mount_of("web").point == str(tmp_path / "other")


def test_where_there_is_a_mount_of_a_part_alone_a_relative_path_lies_in_that(
    mounts: Path, tmp_path: Path
) -> None:
    mounts.write_text(line_for(tmp_path / "one", "/../../myorg"))
    assert mount_of("web").point == str(tmp_path / "one")


def test_an_absolute_path_lies_in_the_innermost_mount_that_holds_it(
    mounts: Path, tmp_path: Path
) -> None:
    mounts.write_text(line_for(tmp_path / "one") + line_for(tmp_path / "one" / "inner", "/myorg"))
    assert mount_of(f"{tmp_path}/one/inner/web").point == f"{tmp_path}/one/inner"
    assert mount_of(f"{tmp_path}/one/inner").point == f"{tmp_path}/one/inner"
    assert mount_of(f"{tmp_path}/one/innermost").point == f"{tmp_path}/one"


def test_a_name_that_begins_like_the_mount_point_is_not_in_the_mount(
    mounts: Path, tmp_path: Path
) -> None:
    mounts.write_text(line_for(tmp_path / "one"))
    with pytest.raises(SourceError, match="is not in a cgroup2 file system") as refusal:
        mount_of(f"{tmp_path}/one-more/web")
    assert "without the leading slash" in str(refusal.value)


def test_one_scope_has_one_identity_and_another_mount_another(mounts: Path, tmp_path: Path) -> None:
    mounts.write_text(line_for(tmp_path / "one") + line_for(tmp_path / "other"))
    assert mount_of("a").identity == mount_of("b").identity
    assert mount_of("a").identity != mount_of(f"{tmp_path}/other/a").identity


def test_without_cgroup_v2_the_error_says_what_to_do(mounts: Path) -> None:
    mounts.write_text(HYBRID.replace("cgroup2", "cgroup"))
    with pytest.raises(SourceError) as refusal:
        mount_of("web")
    assert "no cgroup2 file system is mounted" in str(refusal.value)
    assert "mount -t cgroup2 none DIRECTORY" in str(refusal.value)


def test_a_mount_that_another_one_hides_is_passed_over(mounts: Path, tmp_path: Path) -> None:
    hidden = line_for(tmp_path / "one", device=os.makedev(0, 9999))
    mounts.write_text(hidden + line_for(tmp_path / "other"))
    assert mount_of("web").point == str(tmp_path / "other")


def test_a_mount_that_cannot_be_reached_is_passed_over(mounts: Path, tmp_path: Path) -> None:
    unreachable = line_for(tmp_path / "none", device=0)
    mounts.write_text(unreachable + line_for(tmp_path / "other"))
    assert mount_of("web").point == str(tmp_path / "other")


def test_where_all_mounts_are_hidden_there_is_none(mounts: Path, tmp_path: Path) -> None:
    mounts.write_text(line_for(tmp_path / "one", device=os.makedev(0, 9999)))
    with pytest.raises(SourceError, match="no cgroup2 file system is mounted"):
        mount_of("web")
