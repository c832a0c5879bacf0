"""What cgroupfs does that one would not expect, and that the limits rely on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from linx_async._kernel.inotify import Change, Mask
from tests.cgroups import (
    PATIENCE,
    Given,
    cgroup_with,
    given_controller,
    listening,
    make,
    read,
    remove,
    told,
    write,
    written,
)

pytestmark = pytest.mark.anyio

DEPTH = "cgroup.max.depth"
CONTROL = "cgroup.subtree_control"
DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@pytest.fixture
def web(scratch: Path) -> Path:
    cgroup = scratch / "web"
    make(cgroup)
    return cgroup


def refusal(act: Callable[[], object]) -> str | None:
    """The errno by name; None where it is taken."""
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None


async def test_a_write_is_seen_on_the_file_and_on_the_directory(scratch: Path) -> None:
    async with listening(scratch, scratch / DEPTH) as watches:
        write(scratch / DEPTH, "5")
        assert set(told(watches)) == {
            (scratch, DEPTH, Mask.MODIFY),
            (scratch / DEPTH, "", Mask.MODIFY),
        }


async def test_a_write_of_the_same_value_is_seen_too(scratch: Path) -> None:
    async with listening(scratch) as watches:
        write(scratch / DEPTH, "max")
        assert written(watches) == [DEPTH]


async def test_a_write_that_is_refused_is_seen_only_as_a_file_that_was_closed(
    scratch: Path,
) -> None:
    async with listening(scratch, mask=Mask.MODIFY | Mask.CLOSE_WRITE) as watches:
        assert refusal(lambda: write(scratch / DEPTH, "nonsense")) == "EINVAL"
        assert told(watches) == [(scratch, DEPTH, Mask.CLOSE_WRITE)]


async def test_a_watch_survives_memory_pressure(scratch: Path) -> None:
    if not os.access(DROP_CACHES, os.W_OK):
        pytest.skip("this user may not write vm.drop_caches")
    async with listening(scratch) as watches:
        write(DROP_CACHES, "2")
        write(scratch / DEPTH, "5")
        assert written(watches) == [DEPTH]


async def test_the_removal_of_a_cgroup_is_not_told_to_who_watches_it_but_to_who_watches_above(
    web: Path,
) -> None:
    async with listening(web) as own, listening(web.parent) as above:
        remove(web)
        assert told(own) == []
        assert told(above) == [(web.parent, "web", Mask.DELETE | Mask.ISDIR)]


async def test_a_new_cgroup_of_the_same_name_is_another_one_and_the_watch_of_the_old_is_dead(
    web: Path,
) -> None:
    before = os.stat(web).st_ino
    async with listening(web) as own, listening(web.parent) as above:
        remove(web)
        make(web)
        write(web / DEPTH, "5")
        assert told(own) == []
        assert [mask for _, _, mask in told(above)] == [
            Mask.DELETE | Mask.ISDIR,
            Mask.CREATE | Mask.ISDIR,
        ]
    assert os.stat(web).st_ino != before


def test_a_file_of_a_cgroup_that_was_removed_reads_enodev(web: Path) -> None:
    with (web / DEPTH).open() as file:
        remove(web)
        assert refusal(file.read) == "ENODEV"


def test_a_look_up_in_a_cgroup_that_was_removed_finds_nothing(web: Path) -> None:
    fd = os.open(web, os.O_PATH | os.O_DIRECTORY)
    try:
        remove(web)
        make(web)
        assert refusal(lambda: os.open(DEPTH, os.O_RDONLY, dir_fd=fd)) == "ENOENT"
    finally:
        os.close(fd)


async def test_a_controller_taken_away_and_given_back_resets_its_limits_without_a_word() -> None:
    with given_controller() as given:
        write(given.file, given.one)
        async with listening(given.cgroup) as own, listening(given.parent) as above:
            given.take()
            assert not given.file.exists()
            given.give()
            assert read(given.file) == given.unset
            assert told(own) == []
            assert written(above) == [CONTROL]


async def test_a_directorys_watch_works_on_after_a_controller_was_given_back() -> None:
    with given_controller() as given:
        async with listening(given.cgroup) as watches:
            given.take()
            given.give()
            write(given.file, given.one)
            assert written(watches) == [given.key]


def test_a_cgroup_cannot_be_renamed(web: Path) -> None:
    assert refusal(lambda: web.rename(web.with_name("other"))) == "EPERM"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("0x10", "16"), ("010", "8"), (" 7 ", "7"), ("7\n", "7"), ("2147483647", "max")],
)
def test_a_number_is_shown_in_decimals_and_the_largest_as_max(
    scratch: Path, text: str, shown: str
) -> None:
    write(scratch / DEPTH, text)
    assert read(scratch / DEPTH) == shown


async def test_an_empty_write_succeeds_and_does_nothing(scratch: Path) -> None:
    write(scratch / DEPTH, "5")
    async with listening(scratch) as watches:
        write(scratch / DEPTH, "")
        assert told(watches) == []
    assert read(scratch / DEPTH) == "5"


@pytest.mark.parametrize(
    ("text", "name"),
    [("-1", "ERANGE"), ("2147483648", "ERANGE"), ("x", "EINVAL"), ("\n", "EINVAL")],
)
def test_what_is_no_depth_is_refused(scratch: Path, text: str, name: str) -> None:
    assert refusal(lambda: write(scratch / DEPTH, text)) == name


def test_a_file_that_is_only_read_refuses_a_write(scratch: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gets past the file's mode")
    assert refusal(lambda: write(scratch / "cgroup.events", "1")) == "EINVAL"


class TestHugePages:
    """The limit that rounds, where there is no memory controller."""

    KEY = "hugetlb.2MB.max"

    @pytest.fixture
    def file(self) -> Iterator[Path]:
        with cgroup_with(self.KEY) as cgroup:
            yield cgroup / self.KEY

    def test_until_it_is_written_it_may_show_a_number_and_max_ever_after(self, file: Path) -> None:
        # The number since some kernel after 6.1.
        assert read(file) in {"9223372036854771712", "max"}
        write(file, "max")
        assert read(file) == "max"

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("3145728", "2097152"),
            ("1", "0"),
            ("4M", "4194304"),
            ("1G", "1073741824"),
            ("9223372036854771712", "max"),
            ("9223372036852678656", "max"),
            ("9223372036852678655", "9223372036850581504"),
            ("18446744073709551616", "0"),
        ],
    )
    def test_it_is_rounded_down_to_huge_pages(self, file: Path, text: str, shown: str) -> None:
        write(file, text)
        assert read(file) == shown


def test_an_unknown_controller_cannot_be_enabled(scratch: Path) -> None:
    assert refusal(lambda: write(scratch / CONTROL, "+nonsense")) == "EINVAL"


def test_a_controller_that_cgroup_v1_holds_cannot_be_enabled(scratch: Path) -> None:
    rows = [row.split() for row in read(Path("/proc/cgroups")).splitlines()[1:]]
    held = [name for name, hierarchy, _, _ in rows if hierarchy != "0" and name != "devices"]
    if "cgroup.controllers" not in os.listdir(scratch) or not held:
        pytest.skip("cgroup v1 holds no controller here")
    assert refusal(lambda: write(scratch / CONTROL, f"+{held[0]}")) == "ENOENT"


def test_a_controller_that_was_not_given_cannot_be_handed_on(given: Given) -> None:
    assert refusal(lambda: write(given.cgroup / CONTROL, f"+{given.controller}")) is None
    assert refusal(given.take) == "EBUSY"
    write(given.cgroup / CONTROL, f"-{given.controller}")
    given.take()
    assert refusal(lambda: write(given.cgroup / CONTROL, f"+{given.controller}")) == "ENOENT"


@pytest.fixture
def given() -> Iterator[Given]:
    with given_controller() as given:
        yield given


def test_without_a_controller_there_are_some_settings_still(web: Path) -> None:
    for name in (DEPTH, "cgroup.max.descendants", "cgroup.freeze"):
        assert (web / name).exists()


def test_more_levels_than_are_allowed_cannot_be_made(scratch: Path) -> None:
    write(scratch / DEPTH, "0")
    assert refusal((scratch / "web").mkdir) == "EAGAIN"


async def test_a_change_that_the_kernel_makes_is_seen_on_the_file_itself(web: Path) -> None:
    async with listening(web / "cgroup.events") as watches:
        write(web / "cgroup.freeze", "1")
        with anyio.fail_after(PATIENCE):
            change = await anext(watches)
        assert change == Change(web / "cgroup.events", "", Mask.MODIFY)
    assert "frozen 1" in read(web / "cgroup.events")


def test_the_root_cgroup_is_never_removed_and_cannot_be_frozen(scratch: Path) -> None:
    root = scratch
    while (root.parent / "cgroup.procs").exists():
        root = root.parent
    if (root / "cgroup.type").exists():
        pytest.skip("this user's mount does not show the root cgroup")
    assert not (root / "cgroup.freeze").exists()
    assert not (root / "cgroup.events").exists()
    assert refusal(root.rmdir) == "EBUSY"
