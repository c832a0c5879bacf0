"""The example `tank`, where something is wrong: it says what, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.tank import Box, have_it_exit


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Box(tmp_path, None) as box:
        yield box


def test_what_is_wrong_in_the_file_is_told_before_anything_is_done(box: Box) -> None:
    box.describe(host={"addresses": [["tank-web", "10.76.0.256/24"]]})
    done = box.run()
    assert done.returncode == 1
    assert done.stderr.startswith(f"tank: {box.file}: web: host: addresses[0]: ")
    assert not box.records.exists()


def test_a_program_that_is_not_there_is_told_and_given_up(box: Box) -> None:
    box.describe(command=["/no/such/program"], restart={"burst": 0})
    done = box.run()
    assert done.returncode == 1
    assert "web: /no/such/program: No such file or directory (ENOENT); that is too" in done.stderr
    assert box.left() == []


def test_one_that_is_given_up_leaves_the_others_alone_and_is_told_at_the_end(box: Box) -> None:
    box.describe()
    box.describe_another(command=["false"], restart={"burst": 0})
    with box.start("trio") as tank:
        tank.until("another: exited with 1; that is too often, and it is given up", "it serves")
        have_it_exit(0)
        assert tank.ended()[0] == 1
    assert box.left() == []


def test_two_of_one_name_are_refused(box: Box) -> None:
    box.describe()
    done = box.run(str(box.file))
    assert (done.returncode, done.stderr) == (1, "tank: web: there are two of that name\n")


def test_a_mount_that_the_kernel_refuses_is_told(box: Box) -> None:
    box.describe(mounts=[{"kind": "nonsense", "target": "/tmp"}], restart={"burst": 0})
    done = box.run()
    assert done.returncode == 1
    assert "web: mount(nonsense on /tmp): No such device (ENODEV); that is too" in done.stderr
    assert box.left() == []


def test_where_there_can_be_no_cgroup_it_runs_without_limits_and_says_so(box: Box) -> None:
    box.describe(command=["true"], limits={"pids.max": 1})
    done = box.run()
    assert done.returncode == 0
    assert "web: it runs without a cgroup and limits: " in done.stderr
    assert box.left() == []


def test_a_link_of_somebody_else_stays_and_is_named_until_tank_is_to_end(box: Box) -> None:
    box.describe()
    subprocess.run(["ip", "link", "add", "tank-web", "type", "bridge"], check=True)
    try:
        with box.start("asyncio") as tank:
            tank.until("tank: host: link tank-web: ")
            tank.process.terminate()
            assert tank.ended()[0] == 0
        shown = ["ip", "-details", "link", "show", "tank-web"]
        assert "bridge" in subprocess.run(shown, check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run(["ip", "link", "delete", "tank-web"], check=True)
    assert box.left() == []


@pytest.mark.skipif(
    "4294967295" not in Path("/proc/self/uid_map").read_text(),
    reason="this user has one id to give",
)
def test_ids_of_its_own_are_mapped(box: Box) -> None:
    ids = [[0, 100000, 65536]]
    box.describe(command=["sh", "-c", "id; cat /proc/self/uid_map"], uids=ids, gids=ids)
    done = box.run()
    assert done.stdout.split() == [
        "uid=0(root)",
        "gid=0(root)",
        "groups=0(root)",
        *map(str, ids[0]),
    ]


def test_without_a_pid_namespace_orphans_are_killed_too(box: Box) -> None:
    script = "setsid sleep 1000 & echo its pid is $!; exec sleep 1000"
    box.describe(command=["sh", "-c", script], namespaces=["net"])
    with box.start("trio") as tank:
        tank.until("its pid is ", "web: runs")
        (pid,) = re.findall(r"its pid is (\d+)", "".join(tank.written))
        tank.process.terminate()
        assert tank.ended()[0] == 0
        assert not Path(f"/proc/{pid}").exists()
    assert box.left() == []


def test_a_second_tank_with_the_same_records_is_refused(box: Box) -> None:
    box.describe()
    with box.start("asyncio") as tank:
        tank.until_served()
        done = box.run()
        assert done.returncode == 1
        assert "another loop named 'tank cgroups' holds this record" in done.stderr
        tank.process.terminate()
        assert tank.ended()[0] == 0
    assert box.left() == []
