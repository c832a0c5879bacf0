"""Makes tun and tap interfaces, which rtnetlink does not."""

from __future__ import annotations

import errno
from typing import Any, Final, cast

from anyio import to_thread

from .._core.errors import OpError
from .._kernel.netns import Target
from .._kernel.tun import make_tun
from .desired import Link

__all__ = ["made_tun"]

_ARGUMENTS: Final = {
    "type": "mode",
    "owner": "owner",
    "group": "group",
    "pi": "packet_information",
    "vnet_hdr": "vnet_header",
    "multi_queue": "multi_queue",
}
_ADVICE: Final = {
    errno.EBUSY: "somebody else has that name, or that index, since it was looked for",
    errno.ENOENT: "this kernel has no tun, or lacks its module",
    errno.ENODEV: "this kernel has no tun, or lacks its module",
    errno.EPERM: "it takes CAP_NET_ADMIN in the network namespace",
}


async def made_tun(target: Target, link: Link, index: int) -> OpError | None:
    """Make an interface in a namespace, in a thread; gives why it could not be."""
    arguments = {
        _ARGUMENTS[name]: value for name, value in link.parameters.items() if name in _ARGUMENTS
    }

    def work() -> None:
        target.call(lambda: make_tun(link.name, index=index, **cast("Any", arguments)))

    try:
        await to_thread.run_sync(work)
    except OSError as error:
        number = error.errno or errno.EIO
        return OpError(link.key, number, _ADVICE.get(number, ""))
    except ValueError as error:
        return OpError(link.key, None, str(error))
    return None
