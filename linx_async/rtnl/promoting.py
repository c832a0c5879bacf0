"""Whether deleting an address takes others with it, asked only where it matters."""

from __future__ import annotations

from collections.abc import Collection

from anyio import to_thread

from .._kernel.files import read_below
from .._kernel.netns import Target
from .desired import Address

__all__ = ["promoting"]


async def promoting(
    target: Target, desired: Collection[Address], observed: Collection[Address]
) -> frozenset[str]:
    """The interfaces that promote secondary addresses, of those on which one may be deleted."""
    crowded = {each.interface for each in observed if each.is_secondary}
    if not crowded:
        return frozenset()
    wanted = {address.key for address in desired}
    names = sorted({each.interface for each in observed if each.key not in wanted} & crowded)
    if not names:
        return frozenset()

    def work() -> frozenset[str]:
        # IN_DEV_PROMOTE_SECONDARIES, include/linux/inetdevice.h: either of the two.
        if _is_set("all"):
            return frozenset(names)
        return frozenset(name for name in names if _is_set(name))

    return await to_thread.run_sync(lambda: target.call(work))


def _is_set(name: str) -> bool:
    try:
        text = read_below("/proc/sys", (f"net/ipv4/conf/{name}", "promote_secondaries"))
    except OSError:
        return False
    return text.strip() not in {b"0", b""}
