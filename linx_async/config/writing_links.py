"""From links that there are to the fields that declare them in a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from .._core.errors import DesiredStateError, SourceError
from ..rtnl import Link
from ..rtnl.codec.kinds import check_parameters, decode_parameters
from ..rtnl.observed_link import ObservedLink
from .writing_network import Unsayable

__all__ = ["link_fields"]

_LOOPBACK: Final = 0x8  # IFF_LOOPBACK, include/uapi/linux/if.h
_ETHERNET: Final = len("02:00:00:00:00:01")
_SIT_ON_ANOTHER: Final = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"})


def link_fields(
    link: ObservedLink, names: Mapping[int, str], given: Collection[str], *, ours: bool
) -> tuple[dict[str, Any], str]:
    """The fields of a link, without its name; and why it could not be made of them, if so.

    The kind of such a one is not said, unless it is ours: else ours would be somebody else's.

    Args:
        link: The link.
        names: The names of links by index.
        given: The names of links that are not to be made: they come with others.
        ours: Whether it is ours.

    Raises:
        Unsayable: It cannot be said.
    """
    why = "it comes with another" if link.name in given else ""
    fields: dict[str, Any] = {}
    if link.kind is not None and not why:
        try:
            fields = _made_of(link.kind, link, names)
        except Unsayable as error:
            why = str(error)
            fields = {"kind": link.kind} if ours else {}
    fields |= {"up": link.up, "mtu": link.mtu}
    if _has_own_address(link):
        fields["address"] = link.address
    if link.master:
        fields["master"] = names.get(link.master, "")
    fields |= {name: value for name in ("alias", "group") if (value := getattr(link, name))}
    if link.altnames:
        fields["altnames"] = sorted(link.altnames)
    try:
        Link(link.name, **fields)
    except DesiredStateError as error:
        raise Unsayable(str(error)) from None
    return fields, why


def _made_of(kind: str, link: ObservedLink, names: Mapping[int, str]) -> dict[str, Any]:
    """What it is made of.

    Raises:
        Unsayable: It could not be made again of what is known of it.
    """
    fields: dict[str, Any] = {"kind": kind}
    parent = names.get(link.parent) if link.link_netnsid is None else None
    if parent is not None:
        fields["peer" if kind == "veth" else "parent"] = parent
    elif kind == "veth":
        raise Unsayable("its other end is in another network namespace")
    elif kind in _SIT_ON_ANOTHER:
        raise Unsayable("what it sits on is in another network namespace")
    if link.data:
        fields["parameters"] = _parameters(kind, link.data)
    return fields


def _parameters(kind: str, data: bytes) -> dict[str, Any]:
    try:
        found = decode_parameters(kind, data)
    except SourceError as error:  # pyroute2 is not there
        raise Unsayable(str(error)) from None
    if not found:
        raise Unsayable(f"the parameters of a {kind} are not known here")
    said = {}
    for name, value in found.items():
        try:
            if check_parameters(kind, {name: value}) == {name: value}:
                said[name] = value
        except DesiredStateError:
            continue  # what the kernel shows and takes from nobody: an address of zeros, say
    return said


def _has_own_address(link: ObservedLink) -> bool:
    """Whether its address is one to be given: of a tunnel it is that of its other parameters."""
    return (
        len(link.address) == _ETHERNET
        and link.address != link.permanent_address
        and not link.flags & _LOOPBACK
    )
