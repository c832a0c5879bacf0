"""Numbers and text as nf_tables has them: big-endian, and ended by a NUL."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from ..._kernel.netlink import NetlinkDecodeError, pack_attribute

__all__ = ["be32", "be64", "pack_be32", "pack_be64", "s32_of", "text_of", "u32_of", "u64_of"]

_U32: Final = struct.Struct(">I")
_S32: Final = struct.Struct(">i")
_U64: Final = struct.Struct(">Q")

be32: Final[Callable[[int], bytes]] = _U32.pack
be64: Final[Callable[[int], bytes]] = _U64.pack


def pack_be32(kind: int, value: int) -> bytes:
    """An attribute of 32 bits."""
    return pack_attribute(kind, _U32.pack(value))


def pack_be64(kind: int, value: int) -> bytes:
    """An attribute of 64 bits."""
    return pack_attribute(kind, _U64.pack(value))


def u32_of(value: bytes) -> int:
    """An unsigned number of 32 bits.

    Raises:
        NetlinkDecodeError: It has another length.
    """
    return int(_unpacked(_U32, value))


def s32_of(value: bytes) -> int:
    """A signed number of 32 bits.

    Raises:
        NetlinkDecodeError: It has another length.
    """
    return int(_unpacked(_S32, value))


def u64_of(value: bytes) -> int:
    """An unsigned number of 64 bits.

    Raises:
        NetlinkDecodeError: It has another length.
    """
    return int(_unpacked(_U64, value))


def text_of(value: bytes) -> str:
    """Text up to its NUL; bytes that are no UTF-8 are kept as surrogates."""
    return value.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _unpacked(form: struct.Struct, value: bytes) -> int:
    if len(value) != form.size:
        raise NetlinkDecodeError(f"a number of {len(value)} bytes, not {form.size}", 0)
    (number,) = form.unpack(value)
    return int(number)
