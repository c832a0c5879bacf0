"""The ops on links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from ..._core.ops import NOTHING, Create, Delete, Update
from ..._core.ownership import Claim
from ..._kernel.netns import NetworkNamespace
from ..desired import Link
from ..observed_link import ObservedLink
from ..records import LinkRecord

__all__ = ["AddLink", "DeleteLink", "DeleteMoved", "MoveLink", "SetLink"]


@frozen
class AddLink(Create):
    """Make a link (RTM_NEWLINK, NLM_F_EXCL).

    Attributes:
        link: The link.
        requires: Keys of links that must be there first.
        index: The index that it is to have; 0 for the kernel's choice.
    """

    link: Link
    requires: frozenset[str] = NOTHING
    index: int = 0

    @property
    def key(self) -> str:
        """The link's key."""
        return self.link.key

    @property
    def claim(self) -> Claim:
        """Ours from before it is made, by the index that it is to have."""
        settled = str(LinkRecord(self.index)) if self.index else None
        return Claim(self.key, self.link.kind, settled=settled)

    def __str__(self) -> str:
        return f"add link {self.link}"


@frozen
class SetLink(Update):
    """Set attributes of a link (RTM_NEWLINK, RTM_NEWLINKPROP).

    Attributes:
        link: What it should be.
        observed: What it is; None where it is yet to come.
        changes: What is set, by field of `Link`.
        requires: Keys of links that must be there first.
        own: Whether it becomes ours by it, or our record has to say more of it.
        lowered: Whether it is set down first: a bond takes none that is up, and sets it up itself
            (bond_enslave() in drivers/net/bonding/bond_main.c).
    """

    link: Link
    observed: ObservedLink | None
    changes: Mapping[str, Any] = field(hash=False)
    requires: frozenset[str] = NOTHING
    own: bool = False
    lowered: bool = False

    @property
    def key(self) -> str:
        """The link's key."""
        return self.link.key

    @property
    def claim(self) -> Claim | None:
        """A link is ours by being made or taken over, not by its attributes."""
        if not self.own or self.observed is None:
            return None
        return Claim(self.key, self.link.kind, settled=str(LinkRecord(self.observed.index)))

    def __str__(self) -> str:
        said = ", ".join(f"{name} {_shown(value)}" for name, value in self.changes.items())
        return f"set link {self.link.name}: {said or 'nothing, it is there and ours'}"


@frozen
class MoveLink(Update):
    """Move a link to another network namespace (IFLA_NET_NS_FD).

    Attributes:
        link: The link.
        requires: Keys of links that must be there first.
        index: The index of a link of ours, which it keeps unless another has it there
            (__dev_change_net_namespace() in net/core/dev.c); 0 for a link that is not.
        identity: Which namespace it goes to; None where that is not known.
    """

    link: Link
    requires: frozenset[str] = NOTHING
    index: int = 0
    identity: str | None = None

    @property
    def key(self) -> str:
        """The link's key, and where it goes."""
        return f"{self.link.key} to {self.link.netns}"

    @property
    def claim(self) -> Claim | None:
        """A link of ours stays ours there."""
        if not self.index or self.identity is None:
            return None
        settled = str(LinkRecord(self.index))
        return Claim(self.key, self.link.kind, settled=settled, incarnation=self.identity)

    def __str__(self) -> str:
        return f"move link {self.link.name} to {self.link.netns}"


@frozen
class DeleteLink(Delete):
    """Delete a link of ours (RTM_DELLINK)."""

    observed: ObservedLink

    @property
    def key(self) -> str:
        """The link's key."""
        return f"link {self.observed.name}"

    def __str__(self) -> str:
        return f"delete link {self.observed.name} ({self.observed.kind})"


@frozen
class DeleteMoved(Delete):
    """Delete a link of ours where it was moved to (RTM_DELLINK).

    Attributes:
        key: The key of the move.
        namespace: Where it is.
        observed: The link.
        identity: Which namespace that is.
    """

    key: str
    namespace: NetworkNamespace
    observed: ObservedLink
    identity: str | None

    def __str__(self) -> str:
        return f"delete link {self.observed.name} ({self.observed.kind}) in {self.namespace}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, frozenset):
        return " ".join(sorted(value))
    return str(value) or "none"
