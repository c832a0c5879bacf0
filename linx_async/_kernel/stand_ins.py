"""Links that stand in, in a scratch namespace, for those of another: by name and index."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Mapping
from typing import Final

from .._core.errors import OpError, SourceError
from .conversation import Conversation
from .netlink import Flag, NetlinkDecodeError, attribute_map, pack_nested, pack_text

__all__ = ["put_stand_ins"]

# include/uapi/linux/rtnetlink.h, if_link.h, veth.h
_NEWLINK: Final = 16
_GETLINK: Final = 18
_HEADER: Final = struct.Struct("=BxHiII")
_IFNAME: Final = 3
_LINKINFO: Final = 18
_INFO_KIND: Final = 1
_INFO_DATA: Final = 2
_VETH_PEER: Final = 1

_KINDS: Final[tuple[str, ...]] = ("dummy", "bridge", "veth")
"""Kinds of links, of which a kernel has at least one; the first that it has is taken."""
_LOOPBACK_INDEX: Final = 1  # LOOPBACK_IFINDEX, include/net/flow.h
_LARGEST_INDEX: Final = 2**31 - 1
_CREATE: Final = int(Flag.CREATE | Flag.EXCL)


def put_stand_ins(route: Conversation, links: Mapping[str, int]) -> None:
    """Make sure that these links are there under these indices, and of others none but lo.

    A new namespace may have links already: lo, and tunnels where their modules are loaded
    (net.core.fb_tunnels_only_for_init_net). They cannot be deleted, but be renamed.

    Args:
        route: A NETLINK_ROUTE socket in the namespace.
        links: Indices by name, none twice.

    Raises:
        SourceError: The kernel has no links that could, or told nothing that could be read.
        OpError: It refused.
        Aborted: Nobody wants the result any more.
        TimeoutError: It is too late.
    """
    there = _links_there(route)
    wanted = {index: name for name, index in links.items()}
    if "lo" not in links:
        wanted.setdefault(_LOOPBACK_INDEX, "lo")
    for index, name in there.items():
        if wanted.get(index) != name:
            _rename(route, index, f"~{index}")
    peers = _free_indices(wanted)
    kinds = list[str](_KINDS)
    for index, name in wanted.items():
        if index not in there:
            _create(route, index, name, kinds, peers)
        elif there[index] != name:
            _rename(route, index, name)


def _links_there(route: Conversation) -> dict[int, str]:
    found: dict[int, str] = {}
    dump = route.request(_GETLINK, Flag.DUMP, _header(0), key="links of the scratch namespace")
    for message in dump:
        try:
            index = _HEADER.unpack_from(message.payload)[2]
            name = attribute_map(message.payload, _HEADER.size)[_IFNAME]
        except (struct.error, KeyError, NetlinkDecodeError) as error:
            raise SourceError(f"links of the scratch namespace: {error}") from error
        found[index] = name.rstrip(b"\0").decode("utf-8", "surrogateescape")
    return found


def _free_indices(taken: Mapping[int, str]) -> Iterator[int]:
    return (index for index in range(_LARGEST_INDEX, 0, -1) if index not in taken)


def _rename(route: Conversation, index: int, name: str) -> None:
    payload = _header(index) + pack_text(_IFNAME, name)
    _ask(route, 0, payload, f"stand-in link {name}")


def _create(
    route: Conversation, index: int, name: str, kinds: list[str], peers: Iterator[int]
) -> None:
    """Make a link of the first kind that the kernel has; forgets those that it has not."""
    while True:
        kind = kinds[0]
        try:
            payload = _header(index) + pack_text(_IFNAME, name) + _info(kind, peers)
            _ask(route, _CREATE, payload, f"stand-in link {name}")
        except OpError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            if len(kinds) == 1:
                raise SourceError(
                    f"{error}: the links that the text names have to be made in a namespace of"
                    f" its own, as one of these kinds: {', '.join(_KINDS)}"
                ) from error
            kinds.pop(0)
        else:
            return


def _ask(route: Conversation, flags: int, payload: bytes, key: str) -> None:
    route.request(_NEWLINK, flags, payload, key=key)


def _info(kind: str, peers: Iterator[int]) -> bytes:
    parts = [pack_text(_INFO_KIND, kind)]
    if kind == "veth":
        # A peer of the kernel's numbering might take an index that is still wanted.
        parts.append(pack_nested(_INFO_DATA, pack_nested(_VETH_PEER, _header(next(peers)))))
    return pack_nested(_LINKINFO, *parts)


def _header(index: int) -> bytes:
    return _HEADER.pack(0, 0, index, 0, 0)
