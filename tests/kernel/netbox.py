"""A network namespace of a test's own: what others do in it with `ip`, and what we do."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import pytest

from linx_async import Loop, NetworkNamespace, Report, rtnl
from linx_async._kernel.netns import Target
from linx_async._kernel.socket import NetlinkSocket
from linx_async.rtnl import DesiredLike, Observed, RtnlOp
from linx_async.testing.namespaces import Namespaces, can_make_links, throwaway
from tests.kernel.sysctls import Reports

__all__ = ["MAC", "Net", "has_pyroute2", "live_rename", "net", "other", "settles"]

MAC = "02:00:00:00:00:01"

VETH = """
link add one type veth peer name two
link set one up
link set two up
address add 10.0.0.1/24 dev one
address add fd00::1/64 dev one nodad
"""

T = TypeVar("T")

has_pyroute2 = pytest.mark.skipif(
    importlib.util.find_spec("pyroute2") is None, reason="pyroute2 is not installed"
)


class Net:
    """A network namespace, with a veth pair of its own, one and two."""

    def __init__(self, box: Namespaces) -> None:
        self.box = box
        self.scope = NetworkNamespace.at_path(box.path("net"))

    @property
    def path(self) -> str:
        return str(self.box.path("net"))

    def prepare(self, commands: str) -> None:
        """What `ip` does, a line each; it blocks."""
        self.box.run(["ip", "-batch", "-"], input=commands)

    async def ip(self, *commands: str) -> None:
        """Somebody else does something with `ip`."""
        for command in commands:
            await self.run("ip", *command.split())

    async def without_carrier(self) -> str:
        """A new interface, up: its addresses are tentative until it first gets a carrier.

        Detection waits for the carrier only on an interface that never had one (IF_READY in
        net/ipv6/addrconf.c). It is the other end of `peer`.
        """
        await self.ip("link add new type veth peer name peer", "link set new up")
        return "new"

    async def shown(self, command: str) -> list[dict[str, Any]]:
        """What `ip` shows."""
        text = await self.run("ip", "-j", *command.split())
        found = json.loads(text or "[]")
        return [each for each in found if each]

    async def interfaces(self) -> set[str]:
        """Their names; a new namespace may have some of its own, of tunnels (fb_tunnels)."""
        return {each["ifname"] for each in await self.shown("link show")}

    async def has(self, command: str) -> bool:
        """Whether `ip` shows anything."""
        return bool((await self.run("ip", *command.split(), check=False)).strip())

    async def run(self, *argv: str, check: bool = True) -> str:
        done = await anyio.to_thread.run_sync(partial(self.box.run, argv, check=check))
        return done.stdout

    async def write(self, key: str, text: str) -> None:
        await anyio.to_thread.run_sync(self.box.write, key, text)

    async def reconcile(self, desired: DesiredLike, **options: Any) -> Report[RtnlOp]:
        return await rtnl.reconcile(desired, scope=self.scope, **options)

    async def converges(self, desired: DesiredLike, **options: Any) -> Report[RtnlOp]:
        """A pass does all that there is to do, and the next finds nothing."""
        report = await self.reconcile(desired, **options)
        assert report.converged, report
        again = await self.reconcile(desired, **{**options, "last_applied": report.last_applied})
        assert again.converged, again
        assert again.applied == ()
        return report

    async def observed(self) -> Observed:
        return await rtnl.observe(scope=self.scope)

    def loop(self, desired: DesiredLike, **options: Any) -> Loop[DesiredLike, Observed, RtnlOp]:
        """A loop that relies on hints alone, and does not gather them."""
        source = rtnl.Source(self.scope)
        return Loop(source, desired, interval=math.inf, debounce=0, **options)

    async def inside(self, function: Callable[[], T]) -> T:
        """Call something that blocks in the namespace."""

        def work() -> T:
            target = self.scope.open()
            try:
                return target.call(function)
            finally:
                target.close()

        return await anyio.to_thread.run_sync(work)

    @asynccontextmanager
    async def socket(self, *groups: int) -> AsyncIterator[NetlinkSocket]:
        """A netlink socket in the namespace."""
        target: Target = await anyio.to_thread.run_sync(self.scope.open)
        try:
            async with await NetlinkSocket.open(groups=groups, opener=target.call) as sock:
                yield sock
        finally:
            target.close()


@pytest.fixture
def net(box: Namespaces) -> Net:
    """A namespace with two ends of a veth pair that are up: 10.0.0.1 and fd00::1 are on one."""
    if not can_make_links():
        pytest.skip("iproute2 is not here, or makes no links")
    found = Net(box)
    # No addresses but those that a test asks for.
    box.write("net.ipv6.conf.default.addr_gen_mode", "1")
    found.prepare(VETH)
    return found


@pytest.fixture
def live_rename() -> None:
    """Skips where the kernel renames no interface that is up (dev_change_name() before 6.2)."""
    with throwaway("net") as box:
        try:
            box.run(["ip", "link", "set", "lo", "name", "probe"])
        except subprocess.CalledProcessError:
            pytest.skip("this kernel renames no interface that is up")


@pytest.fixture
def other() -> Iterator[Net]:
    """Another namespace."""
    with throwaway("net") as box:
        yield Net(box)


async def settles(reports: Reports, holds: Callable[[], Awaitable[bool]]) -> Report[Any]:
    """The first report that says converged when something holds as well."""
    async for report in reports:
        if isinstance(report, Report) and report.converged and await holds():
            return report
    raise AssertionError("the loop ended")
