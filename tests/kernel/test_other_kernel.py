"""What tests/other_kernel/run offers, and the kernel behaviour that the cgroup limits rely on."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    "LINX_OTHER_KERNEL" not in os.environ,
    reason="needs another kernel: run tests/other_kernel/run",
)

CGROUPS = Path("/sys/fs/cgroup")
PAGE = 4096
PATIENCE = 10.0  # seconds, for what the kernel tells later
IN_MODIFY, IN_CREATE, IN_DELETE = 0x2, 0x100, 0x200
INOTIFY_HEADER = struct.Struct("iIII")
LIBC = ctypes.CDLL(None, use_errno=True)

numbers = count()


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """An empty cgroup whose parent gives it all controllers."""
    path = CGROUPS / f"linx-{os.getpid()}-{next(numbers)}"
    path.mkdir()
    yield path
    path.rmdir()


@pytest.fixture
def child(cgroup: Path) -> Iterator[Path]:
    """A cgroup below a cgroup, given the pids controller."""
    write(cgroup / "cgroup.subtree_control", "+pids")
    path = cgroup / "child"
    path.mkdir()
    yield path
    path.rmdir()


@pytest.fixture
def watch() -> Iterator[Callable[[Path], int]]:
    """Watches a file or a folder; what is read from the descriptor are its inotify records."""
    descriptors: list[int] = []

    def start(path: Path) -> int:
        descriptor = checked(LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        descriptors.append(descriptor)
        mask = IN_MODIFY | IN_CREATE | IN_DELETE
        checked(LIBC.inotify_add_watch(descriptor, os.fsencode(path), mask))
        return descriptor

    yield start
    for descriptor in descriptors:
        os.close(descriptor)


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def write(file: Path, value: str) -> None:
    # One write(2), as the kernel takes it.
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def read(file: Path) -> str:
    return file.read_text().rstrip("\n")


def seen(descriptor: int, patience: float = 0.0) -> list[tuple[int, str]]:
    """The mask and the file name of each inotify record that is there, or comes in time."""
    ready, _, _ = select.select([descriptor], [], [], patience)
    records: list[tuple[int, str]] = []
    if not ready:
        return records
    data = os.read(descriptor, 65536)
    while data:
        _, mask, _, length = INOTIFY_HEADER.unpack_from(data)
        name = data[INOTIFY_HEADER.size : INOTIFY_HEADER.size + length].rstrip(b"\0")
        records.append((mask, os.fsdecode(name)))
        data = data[INOTIFY_HEADER.size + length :]
    return records


def run_in(cgroup: Path, script: str) -> int:
    """Runs a shell script inside the cgroup, which is empty again afterwards."""
    enter = 'echo 0 >"$0"/cgroup.procs; '
    command = ["sh", "-c", enter + script, str(cgroup)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode


def scratch_disk() -> str:
    """The scratch disk's major:minor."""
    number = os.stat(os.environ["LINX_OTHER_KERNEL_DISK"]).st_rdev
    return f"{os.major(number)}:{os.minor(number)}"


def test_memory_cpu_pids_and_io_are_given_to_the_cgroups_below_the_root() -> None:
    needed = {"memory", "cpu", "pids", "io"}
    assert needed <= set(read(CGROUPS / "cgroup.subtree_control").split())


def test_a_module_can_be_loaded() -> None:
    subprocess.run(["modprobe", "dummy"], check=True)
    assert Path("/sys/module/dummy").is_dir()


def test_namespaces_can_be_made_by_an_ordinary_user() -> None:
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [*become, "unshare", "--user", "--map-root-user", "--net", "--mount", "id", "-u"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "0\n"


def test_files_are_left_for_the_host_in_the_out_folder() -> None:
    file = Path(os.environ["LINX_OTHER_KERNEL_OUT"]) / "greeting"
    file.write_text("hello")
    assert read(file) == "hello"
    file.unlink()


def test_memory_max_is_rounded_down_to_pages(cgroup: Path) -> None:
    write(cgroup / "memory.max", "1000001")
    assert read(cgroup / "memory.max") == str(1000001 // PAGE * PAGE) == "999424"


def test_cpu_max_without_a_period_takes_the_default_one(cgroup: Path) -> None:
    write(cgroup / "cpu.max", "50000")
    assert read(cgroup / "cpu.max") == "50000 100000"


def test_cpu_max_keeps_the_period_when_the_limit_goes(cgroup: Path) -> None:
    write(cgroup / "cpu.max", "20000 50000")
    write(cgroup / "cpu.max", "max")
    assert read(cgroup / "cpu.max") == "max 50000"


def test_pids_max_reads_back_as_written(cgroup: Path) -> None:
    write(cgroup / "pids.max", "100")
    assert read(cgroup / "pids.max") == "100"
    write(cgroup / "pids.max", "max")
    assert read(cgroup / "pids.max") == "max"


def test_io_weight_reads_back_as_the_default_weight(cgroup: Path) -> None:
    if not (cgroup / "io.weight").exists():
        pytest.skip("this kernel has no io.weight")
    write(cgroup / "io.weight", "200")
    assert read(cgroup / "io.weight") == "default 200"


def test_io_max_is_completed_with_what_was_not_said(cgroup: Path) -> None:
    write(cgroup / "io.max", f"{scratch_disk()} rbps=1048576")
    assert read(cgroup / "io.max") == f"{scratch_disk()} rbps=1048576 wbps=max riops=max wiops=max"


def test_io_max_keeps_what_was_said_before(cgroup: Path) -> None:
    write(cgroup / "io.max", f"{scratch_disk()} rbps=1048576")
    write(cgroup / "io.max", f"{scratch_disk()} wiops=120")
    assert read(cgroup / "io.max") == f"{scratch_disk()} rbps=1048576 wbps=max riops=max wiops=120"


def test_io_max_does_not_list_a_disk_without_limits(cgroup: Path) -> None:
    write(cgroup / "io.max", f"{scratch_disk()} rbps=1048576")
    write(cgroup / "io.max", f"{scratch_disk()} rbps=max")
    assert read(cgroup / "io.max") == ""


def test_cpuset_cpus_reads_back_as_ranges(cgroup: Path) -> None:
    if not (cgroup / "cpuset.cpus").exists():
        pytest.skip("this kernel has no cpuset controller")
    write(cgroup / "cpuset.cpus", "0,1")
    assert read(cgroup / "cpuset.cpus") == "0-1"


def test_memory_events_tells_inotify_of_an_oom_kill(
    cgroup: Path, watch: Callable[[Path], int]
) -> None:
    write(cgroup / "memory.max", "16M")
    watched = watch(cgroup / "memory.events")
    # A line without an end has to be held in memory.
    assert run_in(cgroup, "exec tail /dev/zero") != 0
    assert (IN_MODIFY, "") in seen(watched, PATIENCE)
    assert "\noom_kill 1\n" in (cgroup / "memory.events").read_text()


def test_pids_events_tells_inotify_of_a_refused_fork(
    cgroup: Path, watch: Callable[[Path], int]
) -> None:
    write(cgroup / "pids.max", "1")
    watched = watch(cgroup / "pids.events")
    assert run_in(cgroup, "(true); exit 0") != 0
    assert seen(watched, PATIENCE) == [(IN_MODIFY, "")]
    assert read(cgroup / "pids.events") == "max 1"


def test_a_controller_taken_away_and_given_back_resets_the_limits(child: Path) -> None:
    write(child / "pids.max", "100")
    write(child.parent / "cgroup.subtree_control", "-pids")
    assert not (child / "pids.max").exists()
    write(child.parent / "cgroup.subtree_control", "+pids")
    assert read(child / "pids.max") == "max"


def test_only_the_parents_subtree_control_tells_that_limits_were_reset(
    child: Path, watch: Callable[[Path], int]
) -> None:
    write(child / "pids.max", "100")
    parent, folder, file = watch(child.parent), watch(child), watch(child / "pids.max")
    write(child.parent / "cgroup.subtree_control", "-pids")
    write(child.parent / "cgroup.subtree_control", "+pids")
    assert seen(parent) == [(IN_MODIFY, "cgroup.subtree_control")]
    assert seen(folder) == []
    assert seen(file) == []


def test_a_files_watch_goes_silent_with_its_controller_and_the_folders_does_not(
    child: Path, watch: Callable[[Path], int]
) -> None:
    folder, file = watch(child), watch(child / "pids.max")
    write(child.parent / "cgroup.subtree_control", "-pids")
    write(child.parent / "cgroup.subtree_control", "+pids")
    write(child / "pids.max", "100")
    assert seen(folder) == [(IN_MODIFY, "pids.max")]
    assert seen(file) == []
