"""Interfaces of user space, tun and tap: made by ioctl, since netlink makes none."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final, Literal

__all__ = ["make_tun"]

# include/uapi/linux/if_tun.h
_SETIFF: Final = 0x400454CA
_SETPERSIST: Final = 0x400454CB
_SETOWNER: Final = 0x400454CC
_SETGROUP: Final = 0x400454CE
_SETIFINDEX: Final = 0x400454DA
_MODES: Final = {"tun": 0x0001, "tap": 0x0002}
_MULTI_QUEUE: Final = 0x0100
_NO_PI: Final = 0x1000
_VNET_HDR: Final = 0x4000
_EXCL: Final = 0x8000
_DEVICE: Final = "/dev/net/tun"
_LONGEST_NAME: Final = 15

_IFREQ: Final = struct.Struct("=16sH22x")


def make_tun(
    name: str,
    mode: Literal["tun", "tap"] = "tun",
    *,
    index: int = 0,
    owner: int | None = None,
    group: int | None = None,
    packet_information: bool = False,
    vnet_header: bool = False,
    multi_queue: bool = False,
) -> None:
    """Make an interface that stays (TUNSETIFF, TUNSETPERSIST in drivers/net/tun.c).

    It belongs to the network namespace of the calling thread. RTM_NEWLINK makes none: the kernel
    answers EINVAL (tun_validate()).

    Args:
        name: Its name, 1 to 15 bytes.
        mode: `tun` for packets of layer 3, `tap` for frames of layer 2.
        index: The index that it gets; 0 for the kernel's choice.
        owner: The uid that may attach to it; None for whoever has CAP_NET_ADMIN.
        group: The gid that may attach to it.
        packet_information: Whether four bytes come before each packet (without IFF_NO_PI).
        vnet_header: Whether a virtio_net_hdr comes before each packet (IFF_VNET_HDR).
        multi_queue: Whether it has several queues (IFF_MULTI_QUEUE).

    Raises:
        OSError: The kernel refused: EBUSY where the name or the index is taken, EPERM without
            CAP_NET_ADMIN, ENOENT or ENODEV where the kernel has no tun, EINVAL for a name that is
            none.
        ValueError: The name does not fit, or is a pattern that the kernel would fill in.
    """
    encoded = name.encode()
    if not 0 < len(encoded) <= _LONGEST_NAME or b"\0" in encoded or b"%" in encoded:
        raise ValueError(f"name: {name!r} is not 1 to {_LONGEST_NAME} bytes without NUL and '%'")
    # Without IFF_TUN_EXCL it would attach to another's of that name.
    flags = _MODES[mode] | _EXCL
    flags |= 0 if packet_information else _NO_PI
    flags |= _VNET_HDR if vnet_header else 0
    flags |= _MULTI_QUEUE if multi_queue else 0
    fd = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        if index:
            fcntl.ioctl(fd, _SETIFINDEX, struct.pack("=i", index))  # before there is any
        fcntl.ioctl(fd, _SETIFF, _IFREQ.pack(encoded, flags))
        if owner is not None:
            fcntl.ioctl(fd, _SETOWNER, owner)
        if group is not None:
            fcntl.ioctl(fd, _SETGROUP, group)
        fcntl.ioctl(fd, _SETPERSIST, 1)
    finally:
        os.close(fd)
