"""The example `tank`: containers in real namespaces, kept, brought back, and gone at the end."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from examples.tank import cgroups
from examples.tank.description import container
from linx_async import MemoryStore, OpError, cgroup
from linx_async._kernel.release import kernel_release
from linx_async.testing.namespaces import cgroup2_writable, scratch_cgroup
from tests.cgroups import NO_PLACE, write
from tests.kernel.program import PATIENCE, pidfds
from tests.kernel.tank import (
    FIREWALL,
    THERE,
    Box,
    have_it_exit,
    inside,
    needs_firewall,
    who_serves,
    workload,
)

pytestmark = [
    pytest.mark.skipif(shutil.which("nsenter") is None, reason="nsenter is not installed"),
    pytest.mark.parametrize("backend", ["asyncio", "trio"]),
]

OWN = {"user", "mnt", "pid", "uts", "ipc", "net"}
LIMITS = {"hugetlb.2MB.max": 2097152, "memory.max": 268435456, "pids.max": 32}
FORWARDING = "net.ipv4.conf.all.forwarding"
FORWARDS = "/proc/sys/net/ipv4/conf/all/forwarding"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    if cgroup2_writable() is None:
        with Box(tmp_path, None) as box:
            yield box
        return
    with (
        scratch_cgroup(enable=map(controller_of, LIMITS)) as cgroup,
        Box(tmp_path, cgroup) as box,
    ):
        yield box


def test_a_workload_serves_in_namespaces_of_its_own_until_sigterm(box: Box, backend: str) -> None:
    box.describe(firewall=FIREWALL)
    with box.start(backend) as tank:
        init = tank.until_served()
        assert who_serves() == "2 0 web"
        ours, its = (
            {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in OWN}
            for pid in (os.getpid(), init)
        )
        assert not ours.items() & its.items()
        tank.process.terminate()
        assert tank.ended() == (0, "tank: SIGTERM: all are asked to end\ntank: web: ended\n")
    assert box.left() == []


def test_what_drifts_inside_is_put_right(box: Box, backend: str) -> None:
    box.describe(sysctl={FORWARDING: 1})
    with box.start(backend) as tank:
        init = tank.until_served()
        inside(
            init,
            f"ip route delete 192.0.2.0/24; ip address delete {THERE}/24 dev eth0; "
            f"ip link set lo down; echo 0 > {FORWARDS}",
        )
        tank.until(
            f"web network: add address {THERE}/24",
            "web network: add route 192.0.2.0/24",
            "web network: set link lo: up",
            f"web sysctl: set {FORWARDING} = 1",
        )
        assert who_serves() == "2 0 web"
        assert inside(init, f"cat {FORWARDS}") == "1\n"


def test_links_that_are_deleted_come_back_with_all_that_was_on_them(box: Box, backend: str) -> None:
    box.describe()
    with box.start(backend) as tank:
        tank.until_served()
        subprocess.run(["ip", "link", "delete", "tank-web"], check=True)
        tank.until("host: add address", "web network: add route 192.0.2.0/24")
        assert who_serves() == "2 0 web"


@needs_firewall
def test_a_firewall_that_is_shared_is_put_right(box: Box, backend: str) -> None:
    box.describe(firewall={**FIREWALL, "lifetime": "shared"})
    with box.start(backend) as tank:
        init = tank.until_served()
        inside(init, "nft delete table inet tank")
        tank.until("web firewall: add table inet tank")
        assert "tcp dport 8080 accept" in inside(init, "nft list ruleset")


@needs_firewall
@pytest.mark.skipif(kernel_release() < (6, 9), reason="before Linux 6.9 such tables have no owner")
def test_any_other_firewall_is_not_even_for_root_inside_to_change(box: Box, backend: str) -> None:
    box.describe(firewall=FIREWALL)
    with box.start(backend) as tank:
        init = tank.until_served()
        with pytest.raises(AssertionError, match="Operation not permitted"):
            inside(init, "nft delete table inet tank")


def test_limits_are_put_right_and_what_cannot_be_had_is_left_out(box: Box, backend: str) -> None:
    if box.cgroup is None:
        pytest.skip(NO_PLACE)
    limits = {key: value for key, value in LIMITS.items() if controller_of(key) in box.given}
    box.describe(limits={**limits, "nonsense.max": 1})
    with box.start(backend) as tank:
        tank.until("web: the limit nonsense.max is left out: ", "it serves")
        for key, value in limits.items():
            file = box.place / key
            write(file, "max")
            tank.until(f"web limits: set {key} = {value}")
            assert file.read_text() == f"{value}\n"
        tank.process.terminate()
        assert tank.ended()[0] == 0
    assert box.left() == []


def controller_of(key: str) -> str:
    return key.partition(".")[0]


def test_a_workload_that_dies_comes_back_with_all_around_it_until_it_ends_well(
    box: Box, backend: str
) -> None:
    box.describe(sysctl={FORWARDING: 1}, firewall=FIREWALL)
    with box.start(backend) as tank:
        first = tank.until_served()
        os.kill(first, signal.SIGKILL)
        tank.until("web: killed by SIGKILL; it starts again in")
        second = tank.until_served()
        assert second != first
        assert who_serves() == "2 0 web"
        assert inside(second, f"cat {FORWARDS}") == "1\n"
        have_it_exit(3)
        tank.until("web: exited with 3; it starts again in")
        tank.until_served()
        have_it_exit(0)
        assert tank.ended() == (0, "tank: web: ended\n")
    assert box.left() == []


def test_ctrl_c_is_for_tank_and_a_second_one_for_workloads_that_do_not_end(
    box: Box, backend: str
) -> None:
    box.describe(command=workload(signal.SIGTERM))
    with box.start(backend, "--grace", "1000") as tank:
        init = tank.until_served()
        os.killpg(tank.process.pid, signal.SIGINT)
        tank.until("SIGINT: all are asked to end")
        assert who_serves() == "2 0 web"
        with pidfds([init]) as poll:
            os.killpg(tank.process.pid, signal.SIGINT)
            assert tank.ended() == (0, "tank: web: ended\n")
            assert poll.poll(0)
    assert box.left() == []


def test_after_kill_9_the_workload_is_gone_and_the_next_tank_removes_the_rest(
    box: Box, backend: str
) -> None:
    box.describe()
    with box.start(backend) as tank, pidfds([init := tank.until_served()]) as poll:
        held = os.open(f"/proc/{init}/ns/net", os.O_RDONLY)  # so that its links stay
        tank.process.kill()
        assert poll.poll(PATIENCE * 1000)
    left = box.left()
    assert "link tank-web" in left
    assert any(each.startswith("claims") for each in left)
    box.file.write_text("another = { command = ['true'], namespaces = ['pid'] }\n")
    done = box.run("--backend", backend)
    os.close(held)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "tank: another: ended")
    assert box.left() == []


def test_a_cgroup_is_removed_where_the_kernel_has_no_way_to_kill_all_in_it(
    box: Box, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if box.cgroup is None:
        pytest.skip(NO_PLACE)

    async def kill(path: str) -> None:
        raise OpError(path, errno.ENOENT, "there is no cgroup.kill before Linux 5.14")

    async def live(parent: str) -> None:
        least = container("web", {"command": ["true"]})
        async with cgroups.opened(parent, MemoryStore()) as places, places.made(least):
            assert box.place.exists()

    monkeypatch.setattr(cgroup, "kill", kill)
    anyio.run(live, str(box.cgroup), backend=backend)
    assert not box.place.exists()
