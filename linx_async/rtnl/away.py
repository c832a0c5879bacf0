"""What is known of links in other network namespaces."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from .._kernel.netns import NetworkNamespace
from .observed_link import ObservedLink

__all__ = ["Away", "Elsewhere", "is_away"]


@frozen
class Away:
    """A link of ours in another network namespace, which it is not desired in any more.

    Attributes:
        namespace: Where it is.
        found: The link.
        bears: Why it must not be deleted; empty where it may be.
    """

    namespace: NetworkNamespace
    found: ObservedLink
    bears: str = ""


@frozen
class Elsewhere:
    """What is known of links in other network namespaces.

    Attributes:
        there: Keys of desired links that are in the namespace they are to be moved to.
        out_of_reach: Keys of desired links, and of claims, of which it cannot be told, and why.
        identities: Which namespaces those are that links are to be moved to, by scope.
        left: Links of ours that are there and desired no more, by the key of their claim.
    """

    there: frozenset[str] = frozenset()
    out_of_reach: Mapping[str, str] = field(factory=dict)
    identities: Mapping[str, str] = field(factory=dict)
    left: Mapping[str, Away] = field(factory=dict)


def is_away(key: str) -> bool:
    """Whether a claim's key is of a link that was moved; no name of a link has a space."""
    return key.startswith("link ") and " to " in key
