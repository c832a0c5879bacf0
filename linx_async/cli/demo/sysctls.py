"""The demo's scene of sysctls: they converge, are broken, and heal."""

from __future__ import annotations

import os
import time
from typing import Any

import anyio
from anyio import to_thread

from ... import sysctl
from ..._core.loop import Loop
from ...testing.links import add_veth
from ..output import counted
from .acts import look_again, milliseconds, tell_first
from .stage import Break, Scene, Stage

__all__ = ["SYSCTLS"]

_LINK, _LATE_LINK = "lan0", "uplink0"

# What each is to be, and what the second process makes of it.
_WANTED: dict[str, tuple[str, str]] = {
    "net.ipv4.ip_forward": ("1", "0"),
    "net.ipv4.conf.all.rp_filter": ("1", "0"),
    f"net.ipv4.conf.{_LINK}.arp_ignore": ("1", "0"),
    f"net.ipv4.conf.{_LINK}.log_martians": ("1", "0"),
    "net.ipv4.tcp_keepalive_time": ("600", "7200"),
    "net.ipv4.ip_local_port_range": ("20000 60000", "32768 60999"),
    "net.core.somaxconn": ("1024", "128"),
    "kernel.hostname": ("linx-demo", "broken"),
}
_LATE_VALUES = ("1", "0")
_LATE = f"net.ipv4.conf.{_LATE_LINK}.rp_filter"
_FILES = {key: "/proc/sys/" + key.replace(".", "/") for key in (*_WANTED, _LATE)}


async def _play(stage: Stage) -> None:
    await to_thread.run_sync(add_veth, _LINK, "lan1")
    keys = await to_thread.run_sync(_writable)
    desired = {**{key: _WANTED[key][0] for key in keys}, _LATE: _LATE_VALUES[0]}
    loop = Loop(sysctl.Source(), desired, debounce=0)
    await stage.tell("desired", keys=desired, text=counted(len(desired), "sysctl"))
    async with anyio.create_task_group() as tasks:
        async with loop.reports() as reports:
            await tasks.start(loop.run)
            await tell_first(stage, await anext(reports))
        await anyio.sleep(3 * stage.pause)
        await look_again(stage, loop)
        await anyio.sleep(3 * stage.pause)
        await _bring_link(stage, loop)
        await anyio.sleep(3 * stage.pause)
        for number in range(1, stage.rounds + 1):
            for key in desired:
                right, wrong = _WANTED.get(key, _LATE_VALUES)
                about = {"path": _FILES[key], "wrong": wrong}
                broken = Break(key, wrong, f"set to {wrong}", right, "value", about)
                await stage.outlast(number, broken)
                await anyio.sleep(stage.pause)
        await look_again(stage, loop)
        loop.stop()


def _writable() -> list[str]:
    """What may be written here: kernel.hostname in no user namespace, whoever we are in it."""
    return [key for key in _WANTED if os.access(_FILES[key], os.W_OK)]


async def _bring_link(stage: Stage, loop: Loop[Any, Any, Any]) -> None:
    began = time.monotonic()
    await to_thread.run_sync(add_veth, _LATE_LINK, "uplink1")
    await loop.wait_converged()
    seconds = time.monotonic() - began
    await stage.tell(
        "arrived", link=_LATE_LINK, key=_LATE, value="1", latency_ms=milliseconds(seconds)
    )


SYSCTLS = Scene("sysctls", tuple(_FILES.values()), _play)
