"""Which kernel this is."""

from __future__ import annotations

import os
import re

__all__ = ["kernel_release"]


def kernel_release() -> tuple[int, int]:
    """The first two numbers of uname(2)'s release; zeros where it has none."""
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(match[1]), int(match[2])) if match else (0, 0)
