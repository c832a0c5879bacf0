"""A neighbour, as it is declared and as the kernel shows it."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from .checks import (
    IP,
    Checked,
    IPLike,
    Unknown,
    check_flag,
    check_interface,
    hardware_address,
    one_of,
    or_none,
    to_address,
    to_protocol,
    wrong,
)

__all__ = ["STATES", "Neighbour"]

STATES: Final = {
    "none": 0x00,
    "incomplete": 0x01,
    "reachable": 0x02,
    "stale": 0x04,
    "delay": 0x08,
    "probe": 0x10,
    "failed": 0x20,
    "noarp": 0x40,
    "permanent": 0x80,
}
"""Neighbour states by name (NUD_*, include/uapi/linux/neighbour.h)."""

_LASTING = ("permanent", "noarp")


@frozen(init=False)
class Neighbour(Checked):
    """A neighbour entry, or a proxy for one (RTM_NEWNEIGH: rtnetlink(7), ip-neighbour(8)).

    Args:
        interface: The interface's name.
        address: The neighbour's address.
        lladdr: Its link-layer address; None for a proxy.
        proxy: Whether the kernel shall answer for the address (NTF_PROXY).
        router: Whether it is a router, IPv6 alone (NTF_ROUTER).
        state: `permanent` or `noarp` in a desired one; any state of the kernel in an observed one.
            A proxy has always `none`.
        protocol: Who put it there (NDA_PROTOCOL); None in a desired one: the source.
        flags: The kernel's flags (NTF_*); in an observed one.
        unknown: Attributes that are not known here, as they came; in an observed one.

    Raises:
        DesiredStateError: A field is wrong, or does not go with the others.
    """

    interface: str
    address: IP
    lladdr: str | None
    proxy: bool
    router: bool
    state: str
    protocol: int | None
    flags: int = field(eq=False)
    unknown: Unknown = field(eq=False)

    def __init__(
        self,
        interface: str,
        address: IPLike,
        lladdr: str | None = None,
        *,
        proxy: bool = False,
        router: bool = False,
        state: str = "permanent",
        protocol: int | None = None,
        flags: int = 0,
        unknown: Unknown = (),
    ) -> None:
        target = to_address(address, "address")
        if check_flag(proxy, "proxy") != (lladdr is None):
            raise wrong(
                "lladdr",
                f"a proxy for {target} has none"
                if proxy
                else f"{target} needs one, unless it is a proxy",
            )
        if proxy and state not in ("none", "permanent"):
            raise wrong("state", f"{state!r} does not go with a proxy for {target}")
        if check_flag(router, "router") and target.version == 4:
            raise wrong("router", f"does not go with {target}: IPv4")
        self.__attrs_init__(
            check_interface(interface, "interface"),
            target,
            or_none(lladdr, "lladdr", hardware_address),
            proxy,
            router,
            "none" if proxy else one_of(state, "state", _LASTING),
            or_none(protocol, "protocol", to_protocol),
            flags,
            unknown,
        )

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.address.version

    @property
    def key(self) -> str:
        """What the kernel tells neighbours apart by."""
        kind = "proxy neighbour" if self.proxy else "neighbour"
        return f"{kind} {self.address} on {self.interface}"

    def __str__(self) -> str:
        if self.proxy:
            return f"proxy {self.address} on {self.interface}"
        return f"{self.address} lladdr {self.lladdr} on {self.interface} {self.state}"
