"""What the kernel does with sysctls that nobody would think, and that the library lives with."""

from __future__ import annotations

import errno
import math
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from linx_async import Loop, sysctl
from linx_async._kernel.inotify_abi import add_watch, open_inotify
from linx_async.testing.links import add_veth, delete_link, links, rename_link
from linx_async.testing.namespaces import Namespaces
from tests.kernel.sysctls import (
    CONF,
    PATIENCE,
    Inside,
    changes,
    fresh,
    in_thread,
    kept,
    listing,
    put,
    running,
    until,
    value,
)

__all__ = ["fresh"]

pytestmark = pytest.mark.anyio

FORWARD = "net.ipv4.ip_forward"
LO = "net.ipv4.conf.lo.arp_filter"
ANNOUNCED = "net.ipv4.conf.lo.rp_filter"
DROP_CACHES = "/proc/sys/vm/drop_caches"
IN_MODIFY = 0x2

may_drop_caches = pytest.mark.skipif(
    not os.access(DROP_CACHES, os.W_OK), reason="dropping caches takes the machine's root"
)
has_unshare = pytest.mark.skipif(
    shutil.which("unshare") is None, reason="unshare(1) of util-linux is not installed"
)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    with kept("net.ipv4.conf.all.accept_redirects", LO, ANNOUNCED), kept(FORWARD):
        yield
        for name in {"va", "vb", "vc"}.intersection(links()):
            if name in links():
                delete_link(name)


def events(inotify: int) -> int:
    """How many bytes of events there are."""
    try:
        return len(os.read(inotify, 65536))
    except BlockingIOError:
        return 0


def write_through_another_procfs(foreigner: Namespaces, key: str, text: str) -> None:
    """As a container does, whose /proc is its own; the network namespace is ours."""
    path = f"/proc/sys/{key.replace('.', '/')}"
    command = f"echo {text} > {path}"
    foreigner.run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", command])


def test_forwarding_sets_that_of_every_interface_and_flips_another_key() -> None:
    add_veth("va", "vb")
    put(FORWARD, "0")
    before = listing(*CONF)
    put(FORWARD, "1")
    assert changes(before, listing(*CONF)) == {
        f"net/ipv4/conf/{name}/forwarding": "1" for name in ("all", "default", "lo", "va", "vb")
    } | {"net/ipv4/conf/all/accept_redirects": "0"}


def test_an_interface_follows_its_default_until_its_own_key_was_written(fresh: Inside) -> None:
    def story() -> list[str]:
        add_veth("va", "vb")
        put("net.ipv4.conf.vb.arp_filter", "0")
        put("net.ipv4.conf.default.arp_filter", "1")
        put("net.ipv4.conf.default.arp_filter", "2")
        return [value(f"net.ipv4.conf.{name}.arp_filter") for name in ("va", "vb")]

    assert fresh(story) == ["2", "0"]


def test_an_interface_that_comes_after_its_default_was_written_does_not_follow_it(
    fresh: Inside,
) -> None:
    """It gets a copy of the default, with the mark of what was written: inetdev_init()."""

    def story() -> list[str]:
        put("net.ipv4.conf.default.arp_filter", "1")
        add_veth("va", "vb")
        first = value("net.ipv4.conf.va.arp_filter")
        put("net.ipv4.conf.default.arp_filter", "2")
        return [first, value("net.ipv4.conf.va.arp_filter")]

    assert fresh(story) == ["1", "1"]


def test_ipv6_that_is_enabled_again_has_the_links_mtu(fresh: Inside) -> None:
    def story() -> str:
        put("net.ipv6.conf.lo.mtu", "1300")
        put("net.ipv6.conf.lo.disable_ipv6", "1")
        put("net.ipv6.conf.lo.disable_ipv6", "0")
        return value("net.ipv6.conf.lo.mtu")

    assert fresh(story) == "65536"


def test_a_stable_secret_sets_the_mode_of_addresses(fresh: Inside) -> None:
    def story() -> str:
        put("net.ipv6.conf.lo.stable_secret", "2001:db8::1")
        return value("net.ipv6.conf.lo.addr_gen_mode")

    assert fresh(story) == "2"


def test_neighbour_defaults_are_the_first_network_namespaces_alone() -> None:
    assert sorted(os.listdir("/proc/sys/net/ipv4/neigh")) == links()


def test_a_time_is_one_knob_in_two_units_and_is_rounded() -> None:
    seconds, millis = (f"net.ipv4.neigh.lo.base_reachable_time{unit}" for unit in ("", "_ms"))
    with kept(millis):
        put(seconds, "40")
        assert value(millis) == "40000"
        put(millis, "50500")
        assert value(seconds) == "50"
        put(millis, "40001")
        assert int(value(millis)) in range(40001, 40011)


def test_a_partial_write_succeeds() -> None:
    fd = os.open(f"/proc/sys/{LO.replace('.', '/')}", os.O_WRONLY | os.O_CLOEXEC)
    assert os.write(fd, b"1 2") == 2
    os.close(fd)
    assert value(LO) == "1"


def test_an_empty_write_does_nothing() -> None:
    put(LO, "1")
    put(LO, "")
    assert value(LO) == "1"


def test_a_descriptor_of_proc_sys_net_shows_the_namespace_of_the_reader(box: Namespaces) -> None:
    """Look-ups in it follow the thread; what lies deeper is bound to where it was opened."""
    put(FORWARD, "0")
    box.write(FORWARD, "1")
    top = os.open("/proc/sys/net", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    deeper = os.open("/proc/sys/net/ipv4", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def forward_at(directory: int, name: str) -> str:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            return os.read(fd, 16).decode().strip()
        finally:
            os.close(fd)

    try:
        from_here = [forward_at(top, "ipv4/ip_forward"), forward_at(deeper, "ip_forward")]
        from_there: list[str] = []

        def visit() -> None:
            from_there.append(forward_at(top, "ipv4/ip_forward"))
            from_there.append(forward_at(deeper, "ip_forward"))

        scope = sysctl.Source(box.pid).scope.open()
        scope.call(visit)
        scope.close()
    finally:
        os.close(top)
        os.close(deeper)
    assert from_here == ["0", "0"]
    assert from_there == ["1", "0"]


def test_the_directory_of_an_interface_that_went_is_dead_and_never_comes_back() -> None:
    add_veth("va", "vb")
    held = os.open("/proc/sys/net/ipv4/conf/va", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        delete_link("va")
        add_veth("va", "vb")
        for attempt in (
            lambda: os.open("rp_filter", os.O_RDONLY, dir_fd=held),
            lambda: os.fstat(held),
        ):
            with pytest.raises(FileNotFoundError):
                attempt()
    finally:
        os.close(held)


def test_a_renamed_interface_has_a_new_directory_too() -> None:
    add_veth("va", "vb")
    held = os.open("/proc/sys/net/ipv4/conf/va", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        put("net.ipv4.conf.va.arp_filter", "1")
        rename_link("va", "vc")
        with pytest.raises(FileNotFoundError):
            os.open("rp_filter", os.O_RDONLY, dir_fd=held)
        assert value("net.ipv4.conf.vc.arp_filter") == "1"
    finally:
        os.close(held)


@may_drop_caches
def test_a_watch_goes_blind_when_its_inode_leaves_memory() -> None:
    directory = Path("/proc/sys/net/ipv4/conf/lo")
    blind, seeing = open_inotify(), open_inotify()
    pins = [os.open(directory, os.O_PATH | os.O_CLOEXEC) for _ in range(2)]
    try:
        file = os.open(directory / "arp_filter", os.O_PATH | os.O_CLOEXEC)
        add_watch(blind, file, IN_MODIFY, "file")
        os.close(file)
        add_watch(seeing, pins[0], IN_MODIFY, "directory")
        put(LO, "1")
        assert events(blind)
        assert events(seeing)
        for _ in range(3):  # the first round only takes the mark of recent use away
            put(DROP_CACHES, "2")
        put(LO, "0")
        assert events(seeing)
        if events(blind):
            pytest.skip("the kernel had another reason to keep the inode in memory")
    finally:
        for fd in (blind, seeing, *pins):
            os.close(fd)


@may_drop_caches
async def test_a_loop_sees_on_when_memory_was_short(foreigner: Namespaces) -> None:
    loop = Loop(sysctl.Source(), {LO: 1}, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        for text in ("5", "6"):
            await in_thread(put, DROP_CACHES, "2")
            await in_thread(foreigner.write, LO, text)
            await until(reports, lambda report: report.changed)
            assert value(LO) == "1"


@has_unshare
def test_inotify_is_deaf_to_a_write_through_another_procfs(foreigner: Namespaces) -> None:
    inotify = open_inotify()
    pin = os.open("/proc/sys/net/ipv4/conf/lo", os.O_PATH | os.O_CLOEXEC)
    try:
        add_watch(inotify, pin, IN_MODIFY, "lo")
        write_through_another_procfs(foreigner, LO, "1")
        assert value(LO) == "1"
        assert events(inotify) == 0
        foreigner.write(LO, "2")
        assert events(inotify) > 0
    finally:
        os.close(pin)
        os.close(inotify)


@has_unshare
@pytest.mark.parametrize(
    "key",
    [
        FORWARD,
        *(
            f"net.ipv4.conf.lo.{leaf}"
            for leaf in ("forwarding", "rp_filter", "proxy_arp", "ignore_routes_with_linkdown")
        ),
        *(
            f"net.ipv6.conf.lo.{leaf}"
            for leaf in ("forwarding", "proxy_ndp", "ignore_routes_with_linkdown")
        ),
    ],
)
async def test_but_what_netconf_announces_is_healed_all_the_same(
    foreigner: Namespaces, key: str
) -> None:
    with kept(key):
        put(FORWARD, "0")
        loop = Loop(sysctl.Source(), {key: 0}, interval=math.inf, debounce=0)
        async with running(loop) as reports:
            await in_thread(write_through_another_procfs, foreigner, key, "1")
            await until(reports, lambda report: report.changed)
            assert value(key) == "0"


@has_unshare
async def test_and_the_rest_by_the_resync(foreigner: Namespaces) -> None:
    loop = Loop(sysctl.Source(), {LO: 0}, interval=0.05, debounce=0)
    async with running(loop) as reports:
        await in_thread(write_through_another_procfs, foreigner, LO, "1")
        await until(reports, lambda report: report.changed)
        assert value(LO) == "0"


async def test_sethostname_is_seen_by_poll(foreigner: Namespaces) -> None:
    before = value("kernel.hostname")
    with anyio.fail_after(PATIENCE):
        async with sysctl.subscribe(["kernel.hostname"]) as hints:
            await in_thread(foreigner.call, "socket.sethostname", "somewhere")
            hint = await anext(hints)
    foreigner.call("socket.sethostname", before)
    assert hint.keys == frozenset({"kernel.hostname"})


async def test_a_refused_write_is_heard_where_the_file_was_opened_as_a_shell_does(
    foreigner: Namespaces,
) -> None:
    """It is O_TRUNC that is heard; a write is only when it succeeds (fs/read_write.c)."""
    shell = ["sh", "-c", f"echo x > /proc/sys/{LO.replace('.', '/')}"]
    with anyio.fail_after(PATIENCE):
        async with sysctl.subscribe([LO, ANNOUNCED]) as hints:
            with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
                await in_thread(put, LO, "x")
            await in_thread(put, ANNOUNCED, value(ANNOUNCED))
            assert (await anext(hints)).keys == frozenset({ANNOUNCED})
            await in_thread(lambda: foreigner.run(shell, check=False))
            assert (await anext(hints)).keys == frozenset({LO})


async def test_a_refused_write_wakes_no_loop_before_its_retry() -> None:
    loop = Loop(sysctl.Source(), {LO: "x"}, interval=math.inf, debounce=0.05)
    triggers = []
    async with running(loop) as reports:
        for _ in range(3):
            report = await until(reports, lambda report: bool(report.failed))
            triggers.append(report.trigger.value)
    assert triggers == ["retry"] * 3


def test_reads_and_writes_may_come_from_any_thread() -> None:
    """What is bound to a namespace is the directory, not the thread that reads it."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(value(LO)))
    thread.start()
    thread.join()
    assert found == [value(LO)]
