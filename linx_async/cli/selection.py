"""What of the kernel's state is asked for."""

from __future__ import annotations

from collections.abc import Collection

from attrs import define, field

from .._kernel.netns import NetworkNamespace

__all__ = ["Selection"]


@define
class Selection:
    """What is asked for.

    Attributes:
        names: Names of interfaces, tables, sysctls and cgroups; none is all of them.
        kinds: The subsystems.
        ours: Whether only what linx put there.
        netns: The network namespace; None is here.
        met: The names that something is called by.
    """

    names: Collection[str]
    kinds: Collection[str]
    ours: bool = False
    netns: NetworkNamespace | None = None
    met: set[str] = field(factory=set)

    def wants(self, *called: str | None) -> bool:
        """Whether something that is called so is asked for."""
        if not self.names:
            return True
        found = {name for name in called if name} & set(self.names)
        self.met |= found
        return bool(found)

    @property
    def unmet(self) -> list[str]:
        """The names that nothing is called by."""
        return [name for name in self.names if name not in self.met]
