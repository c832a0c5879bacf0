"""Numbers in the byte order of the machine."""

from __future__ import annotations

import sys

__all__ = ["host32"]


def host32(number: int) -> bytes:
    """A number of 32 bits."""
    return number.to_bytes(4, sys.byteorder)
