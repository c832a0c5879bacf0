"""A link, as it is declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from ..._core.errors import DesiredStateError
from ..._kernel.netns import NetworkNamespace
from ..._kernel.scopes import namespace_of
from .checks import (
    IP,
    U32,
    Checked,
    between,
    check_flag,
    check_interface,
    check_text,
    hardware_address,
    or_none,
    wrong,
)

__all__ = ["Link", "Parameter"]

Parameter: TypeAlias = int | str | bool
"""A parameter of a kind of link; addresses are text."""

Scope: TypeAlias = NetworkNamespace | str | int

_LONGEST_ALIAS: Final = 255  # IFALIASZ with its NUL
_LONGEST_ALTNAME: Final = 127  # ALTIFNAMSIZ with its NUL


@frozen(init=False)
class Link(Checked):
    """A link that shall be there, or attributes of one that somebody else makes.

    What is left out is left as it is.

    Args:
        name: The interface's name.
        kind: What it is, where it is ours to make: `veth`, `bridge`, `vlan`, `vxlan`, `dummy`,
            `bond`, `macvlan`, `ipvlan`, `vrf`, `ifb`, `tun` and whatever else the kernel has.
            None is a link that somebody else makes: it is waited for, and never ours.
        parameters: Parameters of the kind, by the kernel's names in lower case without the kind's
            prefix: `{"id": 42}` for a vlan (IFLA_VLAN_ID), in the kernel's units. What has a name
            is given by it (`802.3ad`), or by its number. Those that were not said when it was
            made are the kernel's. They need pyroute2.
        parent: The link it sits on (IFLA_LINK): of a vlan, vxlan, macvlan or ipvlan.
        peer: The name of a veth's other end; default: the kernel makes one up.
        peer_netns: The network namespace that the other end goes to; default: where the link is.
        netns: The network namespace the link shall be moved to, by name, path or pid; default: it
            stays.
        up: Whether it shall be up.
        mtu: Bytes.
        address: Its link-layer address.
        master: The bridge, bond, vrf or team it belongs to; empty for none.
        alias: Its alias; empty for none.
        altnames: Alternative names that it shall have, whatever others it has.
        group: Its group.

    Raises:
        DesiredStateError: A field is wrong, or does not go with the others.
    """

    name: str
    kind: str | None
    parameters: Mapping[str, Parameter] = field(hash=False)
    parent: str | None
    peer: str | None
    peer_netns: NetworkNamespace | None
    netns: NetworkNamespace | None
    up: bool | None
    mtu: int | None
    address: str | None
    master: str | None
    alias: str | None
    altnames: frozenset[str]
    group: int | None

    def __init__(
        self,
        name: str,
        kind: str | None = None,
        *,
        parameters: Mapping[str, Parameter | IP] | None = None,
        parent: str | None = None,
        peer: str | None = None,
        peer_netns: Scope | None = None,
        netns: Scope | None = None,
        up: bool | None = None,
        mtu: int | None = None,
        address: str | None = None,
        master: str | None = None,
        alias: str | None = None,
        altnames: Iterable[str] = (),
        group: int | None = None,
    ) -> None:
        what = f"link {check_interface(name, 'name')}"
        kind = or_none(kind, "kind", _kind)
        if kind != "veth" and (peer is not None or peer_netns is not None):
            raise wrong("peer", f"{what} is no veth")
        if kind is None and parent is not None:
            raise wrong("parent", f"{what} has no kind: say what it is")
        if kind is None and parameters:
            raise wrong("parameters", f"{what} has no kind: say what it is")
        for label, other in (("parent", parent), ("peer", peer), ("master", master)):
            if other == name:
                raise wrong(label, f"{what} cannot be its own")
        self.__attrs_init__(
            name,
            kind,
            _parameters(what, kind, parameters),
            or_none(parent, "parent", check_interface),
            or_none(peer, "peer", check_interface),
            or_none(peer_netns, "peer_netns", _namespace),
            or_none(netns, "netns", _namespace),
            or_none(up, "up", check_flag),
            or_none(mtu, "mtu", lambda v, label: between(v, label, 0, 2**31 - 1)),
            or_none(address, "address", hardware_address),
            or_none(master, "master", _master),
            or_none(alias, "alias", lambda v, label: check_text(v, label, _LONGEST_ALIAS)),
            _altnames(altnames),
            or_none(group, "group", lambda v, label: between(v, label, 0, U32)),
        )

    @property
    def key(self) -> str:
        """What it is called in records and reports."""
        return f"link {self.name}"

    def __str__(self) -> str:
        return f"{self.name}{f' ({self.kind})' if self.kind else ''}"


def _namespace(value: Any, what: str) -> NetworkNamespace:
    try:
        return namespace_of(value)
    except DesiredStateError as error:
        raise wrong(what, str(error)) from None


def _master(value: Any, what: str) -> str:
    return "" if value == "" else check_interface(value, what)


def _kind(value: Any, what: str) -> str:
    text = check_text(value, what, 15)
    if not text.isascii() or not text.replace("_", "").replace("-", "").isalnum():
        raise wrong(what, f"{value!r} is no kind of link")
    return text


def _parameters(what: str, kind: str | None, parameters: Any) -> dict[str, Parameter]:
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise wrong("parameters", f"{what}: expected a mapping, got {parameters!r}")
    for name in parameters:
        if not isinstance(name, str):
            raise wrong("parameters", f"{what}: {name!r} is no name")
    if kind is None or not parameters:
        return {}
    from ..codec.kinds import check_parameters  # which needs this package itself

    return check_parameters(kind, parameters)


def _altnames(names: Any) -> frozenset[str]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise wrong("altnames", f"expected names, got {names!r}")
    found = frozenset(check_text(name, "altnames", _LONGEST_ALTNAME) for name in names)
    if "" in found or any(set(" \t\n/") & set(name) for name in found):
        raise wrong("altnames", f"expected names without whitespace and '/', got {sorted(found)}")
    return found
