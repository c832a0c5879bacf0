"""How connections are accepted where not every one can be."""

from __future__ import annotations

from typing import Final

import anyio
from anyio.abc import SocketListener, SocketStream

__all__ = ["accepted"]

_LULL: Final = 0.1
"""Seconds until the next is accepted, where one could not be."""


async def accepted(listener: SocketListener) -> SocketStream:
    """The next connection; one that is gone again, or that no descriptor is left for, is none.

    See accept(2): it gives the errors of a connection that waits, too.
    """
    while True:
        try:
            return await listener.accept()
        except (OSError, anyio.BrokenResourceError):
            await anyio.sleep(_LULL)
