"""The ops on addresses."""

from __future__ import annotations

from attrs import frozen

from ..._core.ops import NOTHING, Create, Delete, Update
from ..._core.ownership import Claim
from ..desired import Address

__all__ = ["AddAddress", "DeleteAddress", "ReplaceAddress"]


@frozen
class AddAddress(Create):
    """Give an interface an address (RTM_NEWADDR, NLM_F_EXCL).

    Attributes:
        address: The address.
        requires: Keys of links that must be there first.
        again: It was there, and may be still: the op before it may have taken it along.
        own: Whether our record has to say that it is ours, since the kernel has no tag for it.
    """

    address: Address
    requires: frozenset[str] = NOTHING
    again: bool = False
    own: bool = False

    @property
    def key(self) -> str:
        """The address's key."""
        return self.address.key

    @property
    def claim(self) -> Claim | None:
        """Ours from before it is made, where the kernel has no tag."""
        return Claim(self.key, str(self.address)) if self.own else None

    def __str__(self) -> str:
        return f"add address {self.address}" + (" again" if self.again else "")


@frozen
class ReplaceAddress(Update):
    """Change an address: in place, or by deleting and adding it where the kernel cannot.

    Attributes:
        address: What it should be.
        observed: What it is.
        in_place: Whether the kernel can change it (lifetimes, metric, tag, flags).
        own: Whether our record has to say that it is ours, since the kernel has no tag for it.
    """

    address: Address
    observed: Address
    in_place: bool
    own: bool = False
    requires: frozenset[str] = NOTHING

    @property
    def key(self) -> str:
        """The address's key."""
        return self.address.key

    @property
    def claim(self) -> Claim | None:
        """Ours from before it is changed, where the kernel has no tag."""
        return Claim(self.key, str(self.address)) if self.own else None

    def __str__(self) -> str:
        return f"replace address {self.observed}"


@frozen
class DeleteAddress(Delete):
    """Take an address of ours from its interface (RTM_DELADDR)."""

    observed: Address

    @property
    def key(self) -> str:
        """The address's key."""
        return self.observed.key

    def __str__(self) -> str:
        return f"delete address {self.observed}"
