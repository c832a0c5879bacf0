"""Which interfaces there are, by name."""

from __future__ import annotations

import socket

__all__ = ["interfaces"]


def interfaces() -> dict[str, int]:
    """The indices of the interfaces by name, in the namespace of the calling thread."""
    return {name: index for index, name in socket.if_nameindex()}
