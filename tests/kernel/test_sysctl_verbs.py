"""The plain verbs: read, write and list sysctls, here and in another namespace."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from linx_async import DesiredStateError, OpError, ScopeGone, sysctl
from linx_async.testing.links import add_veth, delete_link, links
from linx_async.testing.namespaces import Namespaces
from tests.kernel.sysctls import kept, put, value

pytestmark = pytest.mark.anyio

RP_FILTER = "net.ipv4.conf.lo.rp_filter"
HOSTNAME = "kernel.hostname"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    with kept(RP_FILTER, "net.ipv4.ip_local_port_range"):
        yield


async def test_an_integer_several_and_text_are_read_as_such() -> None:
    put(RP_FILTER, "2")
    assert await sysctl.read(RP_FILTER) == 2
    assert await sysctl.read("net/ipv4/conf/lo/rp_filter") == 2
    ports = await sysctl.read("net.ipv4.ip_local_port_range")
    assert isinstance(ports, tuple)
    assert "\t".join(map(str, ports)) == value("net.ipv4.ip_local_port_range")
    assert await sysctl.read("net.ipv4.tcp_congestion_control") == value(
        "net.ipv4.tcp_congestion_control"
    )


async def test_what_was_written_is_read() -> None:
    await sysctl.write(RP_FILTER, 1)
    assert value(RP_FILTER) == "1"
    await sysctl.write(RP_FILTER, False)
    assert value(RP_FILTER) == "0"
    await sysctl.write("net.ipv4.ip_local_port_range", (20000, 30000))
    assert await sysctl.read("net.ipv4.ip_local_port_range") == (20000, 30000)


async def test_another_namespace_has_its_own_values(box: Namespaces) -> None:
    put(RP_FILTER, "0")
    await sysctl.write(RP_FILTER, 2, scope=box.pid)
    assert box.read(RP_FILTER) == "2\n"
    assert await sysctl.read(RP_FILTER, scope=box.pid) == 2
    assert value(RP_FILTER) == "0"


async def test_the_host_name_is_the_processs(box: Namespaces) -> None:
    box.call("socket.sethostname", "007")
    assert await sysctl.read(HOSTNAME, scope=box.pid) == "007"


@pytest.mark.parametrize("key", ["net.ipv4.conf.no-such.rp_filter", "net.no_such"])
async def test_what_is_not_there_is_told(key: str) -> None:
    for refused in (sysctl.read(key), sysctl.write(key, 1)):
        with pytest.raises(OpError) as told:
            await refused
        assert (told.value.key, told.value.errno) == (key, errno.ENOENT)


async def test_what_is_no_file_is_told() -> None:
    with pytest.raises(OpError, match="EISDIR"):
        await sysctl.read("net.ipv4.conf")
    with pytest.raises(OpError, match="EISDIR"):
        await sysctl.write("net.ipv4.conf", 1)
    with pytest.raises(OpError, match="ENOTDIR"):
        await sysctl.read("net.ipv4.ip_forward.x")


async def test_what_cannot_be_read_is_told() -> None:
    with pytest.raises(OpError, match=r"EACCES.*triggers something"):
        await sysctl.read("net.ipv4.route.flush")
    with pytest.raises(OpError, match=r"stable_secret: EIO .*: has no value yet"):
        await sysctl.read("net.ipv6.conf.all.stable_secret")


async def test_what_the_kernel_does_not_take_is_told() -> None:
    with pytest.raises(OpError, match=rf"{RP_FILTER}: EINVAL .*: the kernel does not take 'x'"):
        await sysctl.write(RP_FILTER, "x")
    with pytest.raises(OpError, match=r"ENOENT .*there is no 'no-such' to choose"):
        await sysctl.write("net.ipv4.tcp_congestion_control", "no-such")
    with pytest.raises(OpError, match="EINVAL"):
        await sysctl.write(RP_FILTER, "")


async def test_a_write_that_the_kernel_takes_in_part_is_told() -> None:
    with pytest.raises(OpError, match="the kernel took 2 of 3 bytes"):
        await sysctl.write(RP_FILTER, "1 2")
    assert value(RP_FILTER) == "1"


@pytest.mark.skipif(
    not os.access("/proc/sys/kernel/hostname", os.W_OK),
    reason="kernel.hostname is written by the machine's root alone",
)
async def test_text_may_be_emptied(box: Namespaces) -> None:
    box.call("socket.sethostname", "something")
    await sysctl.write(HOSTNAME, "", scope=box.pid)
    assert await sysctl.read(HOSTNAME, scope=box.pid) == ""


async def test_a_wrong_key_value_or_scope_is_refused_before_anything_is_done() -> None:
    with pytest.raises(DesiredStateError):
        await sysctl.read("net..x")
    with pytest.raises(DesiredStateError):
        await sysctl.write(RP_FILTER, "1\n")
    with pytest.raises(DesiredStateError):
        await sysctl.read(RP_FILTER, scope="a/../b")
    with pytest.raises(ScopeGone):
        await sysctl.read(RP_FILTER, scope="no-such")
    with pytest.raises(DesiredStateError, match=r"vm\.swappiness belongs to the whole machine"):
        await sysctl.read("vm.swappiness", scope=os.getpid())
    with pytest.raises(DesiredStateError, match="belongs to the uts namespace"):
        await sysctl.write(HOSTNAME, "a", scope="blue")


async def test_the_keys_below_a_prefix_are_listed_in_order() -> None:
    keys = await sysctl.list("net.ipv4.conf.lo")
    assert RP_FILTER in keys
    assert keys == tuple(sorted(keys))
    assert await sysctl.list("net/ipv4/conf/lo") == keys
    assert set(keys) < set(await sysctl.list())
    assert HOSTNAME in await sysctl.list("kernel")


async def test_what_is_listed_is_the_namespaces_own(box: Namespaces) -> None:
    add_veth("here0", "here1")
    try:
        here = await sysctl.list("net.ipv4.conf")
        there = await sysctl.list("net.ipv4.conf", scope=box.pid)
    finally:
        delete_link("here0")
    assert "net.ipv4.conf.here0.rp_filter" in here
    assert "net.ipv4.conf.here0.rp_filter" not in there
    assert RP_FILTER in there


async def test_of_another_namespace_only_its_own_keys_are_listed(box: Namespaces) -> None:
    by_pid = await sysctl.list(scope=box.pid)
    assert {key.split(".")[0] for key in by_pid} <= {"net", "kernel", "fs"}
    assert HOSTNAME in by_pid
    assert "kernel.pid_max" not in by_pid
    by_path = await sysctl.list(scope=str(box.path("net")))
    assert {key.split(".")[0].split("/")[0] for key in by_path} == {"net"}


async def test_a_name_that_could_not_be_declared_is_not_listed(box: Namespaces) -> None:
    add_veth("odd*0", "odd*1")
    try:
        here = await sysctl.list("net.ipv4.conf", scope=os.getpid())
    finally:
        delete_link("odd*0")
    assert RP_FILTER in here
    assert not [key for key in here if "*" in key]


async def test_a_name_with_dots_is_listed_in_slash_form() -> None:
    add_veth("dot.0", "dot.1")
    try:
        keys = await sysctl.list("net.ipv4.conf")
        assert await sysctl.read("net/ipv4/conf/dot.0/rp_filter") == 0
    finally:
        delete_link("dot.0")
    assert "net/ipv4/conf/dot.0/rp_filter" in keys
    assert "net/ipv4/conf/dot.1/rp_filter" in keys


async def test_what_is_not_there_is_not_listed() -> None:
    with pytest.raises(OpError, match="no-such: ENOENT"):
        await sysctl.list("no-such")
    with pytest.raises(OpError, match="ENOTDIR"):
        await sysctl.list("net.ipv4.ip_forward")


async def test_an_interface_that_goes_while_keys_are_listed_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scandir = os.scandir

    def late(path: str) -> object:
        if path.endswith("gone0") and "gone0" in links():
            delete_link("gone0")
        return scandir(path)

    add_veth("gone0", "gone1")
    monkeypatch.setattr(os, "scandir", late)
    assert RP_FILTER in await sysctl.list("net.ipv4.conf")


async def test_nothing_is_held_after_a_verb(box: Namespaces) -> None:
    # The guard of every test looks for descriptors and threads that are left.
    await sysctl.read(RP_FILTER, scope=box.pid)
    with pytest.raises(OpError):
        await sysctl.write(RP_FILTER, "x", scope=box.pid)
    observed = await sysctl.observe([RP_FILTER, "net.no_such"], scope=box.pid)
    assert observed.values.keys() == {RP_FILTER}
    assert observed.absent.keys() == {"net.no_such"}
