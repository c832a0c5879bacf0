"""The diff of links: pure, three-way by record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet

from ..._core.errors import OpError
from ..._core.model import Plan
from ..._core.ownership import Claim, Ownership
from ..away import Elsewhere, is_away
from ..codec.kinds import FIXED
from ..desired import Link
from ..observed_link import ObservedLink
from ..ops import AddLink, DeleteLink, MoveLink, Release, RtnlOp, SetLink
from .bearing import bears, claim_on, is_doubtful
from .draft import Draft, Ground
from .levels import Levels, founded
from .link_changes import another, changes_of, declared, parameters_of, unlike
from .moving import identify, release_moved

__all__ = ["draft_links", "ground_of", "links"]

_PREFIX = "link "
_AFTERWARDS = frozenset({"alias", "altnames", "mtu", "up"})
"""What the kernel takes only of a link that is there (rtnl_newlink_create()); up with a master."""
_DOUBT = (
    "whether it is ours is not known: the record says that one was to be made, and not that it is"
    " this one: delete it by hand, or declare it with on_conflict='replace'"
)
_MADE_BARE = frozenset({"tun"})
"""What is made with no more than its parameters."""


def links(
    desired: Iterable[Link],
    observed: Mapping[str, ObservedLink],
    owned: Ownership | None = None,
    *,
    replace: bool = False,
    moved: AbstractSet[str] = frozenset(),
    first_index: int = 0,
) -> Plan[RtnlOp]:
    """The ops that lead from the links that are there to those that should be.

    Three-way, by record: a link has no tag. The key is the name (__dev_get_by_name() in
    net/core/dev.c). A link is ours once we made it, as long as it has the index that it had then:
    a foreign link that comes by the name later is not. What is declared of a link that is not ours
    is set nevertheless, and it is never deleted; what it is (kind, parameters, parent) is a
    conflict where it is not as declared. So is the end of one of ours that a foreign vlan, macvlan
    or the like sits on: that would go with it. A claim that does not say which link it is on owns
    none, and where one is to be deleted by it, that is a conflict.

    Args:
        desired: The links that should be.
        observed: Those that are there, by name.
        owned: Our record.
        replace: Whether a foreign link under a desired name is taken over.
        moved: Keys of desired links that are where they are to be moved to.
        first_index: From where on the links that are made are numbered, so that our record can say
            which they are before they are there; 0 leaves it to the kernel.
    """
    wanted = list(desired)
    record = owned or Ownership()
    ground = ground_of(wanted, observed, record)
    elsewhere = Elsewhere(frozenset(moved))
    return draft_links(
        wanted,
        observed,
        record,
        ground,
        replace=replace,
        elsewhere=elsewhere,
        first_index=first_index,
    ).plan()


def ground_of(
    desired: Collection[Link], observed: Mapping[str, ObservedLink], owned: Ownership
) -> Ground:
    """Which interfaces there will be once the desired links are."""
    coming: dict[str, str] = {}
    up: dict[str, bool] = {}
    for link in desired:
        found = observed.get(link.name)
        if link.netns is not None:
            # It may be here for a moment: nothing is to be built on it.
            up[link.name] = False
            continue
        if found is None and link.kind is not None:
            coming.setdefault(link.name, link.key)
            if link.peer is not None and link.peer_netns is None and link.peer not in observed:
                coming.setdefault(link.peer, link.key)
        if link.up is not None and (found is None or found.up != link.up):
            up[link.name] = link.up
    kinds = {name: found.kind for name, found in observed.items()}
    kinds |= {link.name: link.kind for link in desired if link.kind is not None}
    bonds = frozenset(name for name, kind in kinds.items() if kind == "bond")
    going = _going(desired, observed, owned)
    can_come = founded(coming, desired, observed.keys() - going)
    return Ground(observed, can_come, up, going, bonds)


def _going(
    desired: Collection[Link], observed: Mapping[str, ObservedLink], owned: Ownership
) -> frozenset[str]:
    """The interfaces that will be deleted, the other ends of veths among them."""
    wanted = {link.name for link in desired}
    names = {each.index: name for name, each in observed.items()}
    going = set()
    for name, found in observed.items():
        is_ours = claim_on(found, owned) is not None
        if name not in wanted and is_ours and not bears(found, observed, owned):
            going.add(name)
            if found.kind == "veth" and found.link_netnsid is None:
                going.add(names.get(found.parent, name))
    return frozenset(going)


def draft_links(
    desired: Iterable[Link],
    observed: Mapping[str, ObservedLink],
    owned: Ownership,
    ground: Ground,
    *,
    replace: bool,
    elsewhere: Elsewhere,
    first_index: int,
) -> Draft:
    """The ops on links; each comes after what it sits on, and what it belongs to."""
    draft = Draft()
    wanted = {link.name: link for link in desired}
    levels = Levels(wanted, ground)
    names = {each.index: name for name, each in observed.items()}
    for name, link in wanted.items():
        found = observed.get(name)
        if found is not None and name in ground.going:
            # It is the other end of a veth that goes: the next pass makes it.
            draft.wait(link.key, ground.missing(name))
        elif found is not None:
            claim = claim_on(found, owned)
            _judge(draft, link, found, claim, ground, levels, owned, names, replace=replace)
        elif link.key in elsewhere.there:
            continue
        elif link.key in elsewhere.out_of_reach:
            draft.failed.append(OpError(link.key, None, elsewhere.out_of_reach[link.key]))
        elif link.kind is None and name not in ground.coming:
            draft.wait(link.key, f"the interface {name} is not there")
        elif blocked := _unfounded(link, ground):
            draft.wait(link.key, blocked)
        else:
            _create(draft, link, ground, levels)
    _release(draft, wanted, observed, owned)
    release_moved(draft, wanted, owned, elsewhere)
    identify(draft, observed, owned, elsewhere.identities, first_index)
    return draft


def _unfounded(link: Link, ground: Ground) -> str:
    """Why a link cannot be made; empty where it can."""
    return ground.missing(link.parent) or ground.missing(link.master or None)


def _create(
    draft: Draft,
    link: Link,
    ground: Ground,
    levels: Levels,
    needs: frozenset[str] = frozenset(),
) -> None:
    level = levels.of(link.name)
    requires = ground.requires(link.parent, link.master) | needs
    twin = ground.coming.get(link.name, link.key)
    if link.kind is None or twin != link.key:
        # The other end of a veth comes with the one that names it.
        draft.steps.build(SetLink(link, None, declared(link), requires | {twin}), level)
    else:
        draft.steps.build(AddLink(link, requires), level)
        left = declared(link)
        if link.kind not in _MADE_BARE:
            left = {name: value for name, value in left.items() if name in _AFTERWARDS}
            if left.get("up") and not link.master:
                del left["up"]
        if left:
            draft.steps.build(SetLink(link, None, left, frozenset({link.key})), level + 1)
    if link.netns is not None:
        draft.steps.build(MoveLink(link, frozenset({link.key})), level + 2)


def _judge(
    draft: Draft,
    link: Link,
    found: ObservedLink,
    claim: Claim | None,
    ground: Ground,
    levels: Levels,
    owned: Ownership,
    names: Mapping[int, str],
    *,
    replace: bool,
) -> None:
    other = another(link, found, names)
    parameters = {} if other else parameters_of(link, found, claim)
    if parameters.keys() & FIXED.get(str(link.kind), frozenset()) or other:
        other = other or unlike(parameters)
        if claim is None and not replace:
            draft.conflict(link.key, f"a foreign one is there: {other}")
        elif why := bears(found, ground.links or {}, owned):
            draft.conflict(link.key, f"{other}, and {why}")
        elif blocked := _unfounded(link, ground):
            draft.wait(link.key, blocked)
        else:
            draft.steps.first.append(DeleteLink(found))
            _create(draft, link, ground, levels, frozenset({link.key}))
            draft.wait(
                link.key, f"{other}: made anew, and what it carries comes with the next pass"
            )
        return
    if parameters and claim is None and not replace:
        draft.conflict(link.key, f"a foreign one is there: {unlike(parameters)}")
        return
    end = names.get(found.parent) if found.link_netnsid is None else None
    if link.peer and end not in {None, link.peer}:
        draft.conflict(link.key, f"its other end is {end}, not {link.peer}: rename or delete it")
    level = levels.of(link.name)
    if blocked := ground.missing(link.master or None):
        draft.wait(link.key, blocked)
    changes = changes_of(link, found, names, ground)
    if parameters:
        changes["parameters"] = parameters
    taken = replace and claim is None and link.kind is not None
    if changes or (taken and is_doubtful(found, owned)):
        requires = ground.requires(link.master or None) - {link.key}
        own = taken or (claim is not None and bool(parameters))
        lowered = found.up and changes.get("master") in ground.bonds
        draft.steps.build(SetLink(link, found, changes, requires, own, lowered), level)
    if link.netns is not None:
        requires = frozenset({link.key}) if changes else frozenset()
        draft.steps.build(MoveLink(link, requires), level + 2)


def _release(
    draft: Draft,
    wanted: Mapping[str, Link],
    observed: Mapping[str, ObservedLink],
    owned: Ownership,
) -> None:
    for key in owned:
        if not key.startswith(_PREFIX) or is_away(key):
            continue
        name = key.removeprefix(_PREFIX)
        found = observed.get(name)
        doubtful = found is not None and is_doubtful(found, owned)
        if found is None or not (doubtful or claim_on(found, owned)):
            # Gone, moved away, or another by the same name.
            draft.stale.add(key)
        elif name in wanted:
            if wanted[name].kind is None:
                draft.steps.build(Release(key, "declared as somebody else's"))
        elif why := _DOUBT if doubtful else bears(found, observed, owned):
            draft.conflict(key, why)
        else:
            draft.steps.last.append(DeleteLink(found))
