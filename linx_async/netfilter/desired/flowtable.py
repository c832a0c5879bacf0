"""A flowtable: where connections take a short way past the rules."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from ..._core.checks import U32, Checked, between, wrong
from .chain import to_devices
from .families import to_priority
from .names import check_name

__all__ = ["Flowtable"]


@frozen(init=False)
class Flowtable(Checked):
    """A flowtable: where connections take a short way past the rules (Linux 4.16).

    Args:
        name: Its name in the table.
        devices: The interfaces whose ingress it is at.
        priority: When among what is there, by number or name.
        flags: 1 for hardware offload, 2 for counters (NFT_FLOWTABLE_*).

    Raises:
        DesiredStateError: A field is wrong.
    """

    name: str
    devices: tuple[str, ...]
    priority: int | str
    flags: int

    def __init__(
        self,
        name: str,
        devices: Iterable[str] = (),
        priority: int | str = "filter",
        flags: int = 0,
    ) -> None:
        self.__attrs_init__(
            check_name(name, "name"),
            to_devices(devices, "devices"),
            priority,
            between(flags, "flags", 0, U32),
        )

    @property
    def key(self) -> str:
        """What the flowtables of a table are told apart by."""
        return f"flowtable {self.name}"

    def within(self, family: str, what: str) -> Flowtable:
        """This flowtable in a table of that family: its priority is a number.

        Raises:
            DesiredStateError: The family has no flowtables, or no such priority.
        """
        if family not in {"ip", "ip6", "inet"}:
            raise wrong(what, f"a table of family {family} has no flowtables")
        return evolve(self, priority=to_priority(self.priority, f"{what}.priority", family))
