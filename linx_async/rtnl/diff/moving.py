"""Links that are moved to other network namespaces, and how they stay ours there: pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from attrs import evolve

from ..._core.errors import OpError
from ..._core.ownership import Ownership
from ..away import Elsewhere, is_away
from ..desired import Link
from ..observed_link import ObservedLink
from ..ops import AddLink, DeleteMoved, MoveLink, Release, SetLink
from .bearing import claim_on
from .draft import Draft

__all__ = ["identify", "release_moved"]


def identify(
    draft: Draft,
    observed: Mapping[str, ObservedLink],
    owned: Ownership,
    identities: Mapping[str, str],
    first_index: int,
) -> None:
    """Say of links that are made and moved which they are, so that a claim can say it before.

    Args:
        draft: The ops.
        observed: The links that are there.
        owned: Our record.
        identities: Which namespaces those are that links are moved to, by scope.
        first_index: From where on links are numbered; 0 leaves it to the kernel.
    """
    used = {each.index for each in observed.values()}
    free = (index for index in count(first_index) if index not in used)
    ours = {name: each.index for name, each in observed.items() if claim_on(each, owned)}
    for level in draft.steps.levels:
        for place, op in enumerate(level):
            if isinstance(op, AddLink) and first_index:
                ours[op.link.name] = next(free)
                level[place] = evolve(op, index=ours[op.link.name])
            elif isinstance(op, SetLink) and op.own and op.observed is not None:
                ours[op.link.name] = op.observed.index
            elif isinstance(op, MoveLink) and op.link.kind is not None:
                index = ours.get(op.link.name, 0)
                level[place] = evolve(op, index=index, identity=identities.get(str(op.link.netns)))


def release_moved(
    draft: Draft, wanted: Mapping[str, Link], owned: Ownership, elsewhere: Elsewhere
) -> None:
    """Delete the links of ours that are not desired any more where they were moved to."""
    keys = {MoveLink(link).key: link for link in wanted.values() if link.netns is not None}
    for key in filter(is_away, owned):
        link = keys.get(key)
        left = elsewhere.left.get(key)
        if link is not None:
            if link.kind is None:
                draft.steps.build(Release(key, "declared as somebody else's"))
        elif key in elsewhere.out_of_reach:
            draft.failed.append(OpError(key, None, elsewhere.out_of_reach[key]))
        elif left is None:
            draft.stale.add(key)
        elif left.bears:
            draft.conflict(key, left.bears)
        else:
            op = DeleteMoved(key, left.namespace, left.found, owned[key].incarnation)
            # First where the name is wanted again: a veth's other end may be in the way.
            (draft.steps.first if left.found.name in wanted else draft.steps.last).append(op)
