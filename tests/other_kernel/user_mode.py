"""User-mode Linux: a kernel that is an ordinary process, from Debian's package."""

from __future__ import annotations

import os
from pathlib import Path

from tests.other_kernel import packages
from tests.other_kernel.guest import MOST_GUESTS, Kernel

MEMORY_MIB = 1024
MODULES = Path("/usr/lib/uml/modules")


def prepare(scratch: Path, disk: Path) -> Kernel:
    """Installs what is missing; raises Unavailable if this machine cannot run it."""
    packages.require(
        ["user-mode-linux", "kmod", "busybox-static", "nftables"],
        ["linux.uml", "modprobe", "busybox", "setpriv", "nft"],
    )
    command = [
        "env",
        f"TMPDIR={memory_folder(scratch)}",
        "linux.uml",
        f"mem={MEMORY_MIB}M",
        f"uml_dir={scratch}",
        "umid=machine",
        f"ubd0={disk}",
        *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
        *("quiet", "loglevel=1", "con=null", "con0=null,fd:1"),
        *("init=/bin/sh", "--", f"{scratch}/start-user-mode.sh", str(scratch)),
    ]
    return Kernel(
        kind="uml",
        command=command,
        modules=MODULES,
        disk="ubda",
        share=f"-t hostfs -o {scratch} scratch",
    )


def memory_folder(scratch: Path) -> Path:
    """Where the file that is the guest's memory goes: it is mapped, and must be executable."""
    shm = Path("/dev/shm")
    if shm.is_dir():
        status = os.statvfs(shm)
        room = status.f_bavail * status.f_frsize
        # Several guests may have theirs there at once.
        if room >= MOST_GUESTS * MEMORY_MIB * 2**20 and not status.f_flag & os.ST_NOEXEC:
            return shm
    return scratch
