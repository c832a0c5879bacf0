"""Address translation to the machine itself: masquerade and redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ..._core.checks import wrong
from ..codec.op_abi import NatFlag
from ..codec.statement_abi import Masq, Redir
from ..codec.words import be32
from . import wire
from .keys import Mapped
from .lookups import own_map
from .nat import Ports, check_transport, load_parts, to_nat_flags, to_ports
from .setting import load_mapped
from .terms import Term

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = ["PortTranslation", "masquerade", "redirect"]


@frozen(eq=False)
class PortTranslation(Term):
    """The machine's own address, perhaps with other ports.

    Attributes:
        name: `masq` or `redir`.
        ports: The first and the last port, packed; or what a map has.
        flags: NF_NAT_RANGE_*.
    """

    name: str
    ports: tuple[bytes, ...] | Mapped
    flags: NatFlag

    def ends(self) -> bool:
        """Whether nothing that comes after it would ever be reached."""
        return True

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        numbers = Masq if self.name == "masq" else Redir
        what = "masquerade" if self.name == "masq" else "redirect"
        if drafting.family not in ("inet", "ip", "ip6"):
            raise wrong(what, f"is not for tables of family {drafting.family}")
        found: list[wire.Expression] = []
        values: dict[int, bytes] = {}
        if isinstance(self.ports, Mapped):
            found += load_mapped(self.ports, "inet_service", drafting)
            values[numbers.REG_PROTO_MIN] = wire.register(0)
        elif self.ports:
            places = (numbers.REG_PROTO_MIN, numbers.REG_PROTO_MAX)
            load_parts(self.ports, places, 0, found, values)
        if self.ports:
            check_transport(drafting, what)
        if self.flags:
            values[numbers.FLAGS] = be32(self.flags)
        drafting.act(*found, wire.expression(self.name, values))


def masquerade(
    *,
    port: Ports | None = None,
    random: bool = False,
    fully_random: bool = False,
    persistent: bool = False,
) -> Term:
    """The address of the interface that the packet leaves by as its source.

    The kernel's part of it is net/netfilter/nft_masq.c.

    Args:
        port: The port, or the first and the last of several.
        random: As of `snat`.
        fully_random: As of `snat`.
        persistent: As of `snat`.

    Raises:
        DesiredStateError: A value is wrong.
    """
    flags = to_nat_flags(random, fully_random, persistent)
    return PortTranslation("masq", to_ports(port, "masquerade port"), flags)


def redirect(
    port: Ports | Mapped | None = None,
    *,
    random: bool = False,
    persistent: bool = False,
) -> Term:
    """This machine as the destination (net/netfilter/nft_redir.c).

    Args:
        port: The port, the first and the last of several, or what a map has.
        random: As of `snat`.
        persistent: As of `snat`.

    Raises:
        DesiredStateError: A value is wrong.
    """
    flags = to_nat_flags(random, False, persistent)
    if isinstance(port, Mapped):
        if not isinstance(port.values, str):
            own_map(port.key, port.values, "inet_service")
        return PortTranslation("redir", port, flags)
    return PortTranslation("redir", to_ports(port, "redirect port"), flags)
