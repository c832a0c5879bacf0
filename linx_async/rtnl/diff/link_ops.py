"""The diff of links: pure, three-way by record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from ..._core.model import Plan
from ..._core.ownership import Claim, Ownership
from ..codec.kinds import FIXED, decode_parameters
from ..desired import Link
from ..desired.link import Parameter
from ..observed_link import ObservedLink
from ..ops import AddLink, DeleteLink, MoveLink, Release, RtnlOp, SetLink
from .draft import Draft, Ground

__all__ = ["Rounded", "draft_links", "ground_of", "links"]

_PREFIX = "link "
_AFTERWARDS = frozenset({"alias", "altnames", "mtu", "up"})
"""What the kernel takes only of a link that is there (rtnl_newlink_create()); up with a master."""
_MADE_BARE = frozenset({"tun"})
"""What is made with no more than its parameters."""
_LEVELS_A_LINK = 3

Rounded: TypeAlias = Mapping[tuple[int, str], tuple[Parameter, Parameter | None]]
"""Parameters that the kernel made something else of, by index and name: what was set, and what
became of it."""


def links(
    desired: Iterable[Link],
    observed: Mapping[str, ObservedLink],
    owned: Ownership | None = None,
    *,
    replace: bool = False,
    moved: AbstractSet[str] = frozenset(),
) -> Plan[RtnlOp]:
    """The ops that lead from the links that are there to those that should be.

    Three-way, by record: a link has no tag. The key is the name (__dev_get_by_name() in
    net/core/dev.c). A link is ours once we made it, as long as it has the index that it had then:
    a foreign link that comes by the name later is not. What is declared of a link that is not ours
    is set nevertheless, and it is never deleted; what it is (kind, parameters, parent) is a
    conflict where it is not as declared.

    Args:
        desired: The links that should be.
        observed: Those that are there, by name.
        owned: Our record.
        replace: Whether a foreign link under a desired name is taken over.
        moved: Keys of desired links that are where they are to be moved to.
    """
    wanted = list(desired)
    ground = ground_of(wanted, observed, moved)
    return draft_links(
        wanted, observed, owned or Ownership(), ground, replace=replace, moved=moved, rounded={}
    ).plan()


def ground_of(
    desired: Iterable[Link], observed: Mapping[str, ObservedLink], moved: AbstractSet[str]
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
    return Ground(observed, coming, up)


def draft_links(
    desired: Iterable[Link],
    observed: Mapping[str, ObservedLink],
    owned: Ownership,
    ground: Ground,
    *,
    replace: bool,
    moved: AbstractSet[str],
    rounded: Rounded,
) -> Draft:
    """The ops on links; each comes after what it sits on, and what it belongs to."""
    draft = Draft()
    wanted = {link.name: link for link in desired}
    levels = _Levels(wanted, ground)
    for name, link in wanted.items():
        found = observed.get(name)
        if found is not None:
            claim = _claim_on(found, owned)
            _judge(draft, link, found, claim, ground, levels, rounded, replace=replace)
        elif link.key in moved:
            continue
        elif link.kind is None and name not in ground.coming:
            draft.wait(link.key, f"the interface {name} is not there")
        elif blocked := ground.missing(link.parent) or ground.missing(link.master):
            draft.wait(link.key, blocked)
        else:
            _create(draft, link, ground, levels)
    _release(draft, wanted, observed, owned)
    return draft


def _claim_on(found: ObservedLink, owned: Ownership) -> Claim | None:
    """Our claim on a link that is there; None where it is another's."""
    claim = owned.get(f"{_PREFIX}{found.name}")
    if claim is None or claim.value != found.kind:
        return None
    # Not settled: nobody has seen what became of it, and it may well be ours.
    return claim if claim.settled in {None, str(found.index)} else None


def _create(
    draft: Draft,
    link: Link,
    ground: Ground,
    levels: _Levels,
    needs: frozenset[str] = frozenset(),
) -> None:
    level = levels.of(link.name)
    requires = ground.requires(link.parent, link.master) | needs
    twin = ground.coming.get(link.name, link.key)
    if link.kind is None or twin != link.key:
        # The other end of a veth comes with the one that names it.
        draft.steps.build(SetLink(link, None, _declared(link), requires | {twin}), level)
    else:
        draft.steps.build(AddLink(link, requires), level)
        left = _declared(link)
        if link.kind not in _MADE_BARE:
            left = {name: value for name, value in left.items() if name in _AFTERWARDS}
            if left.get("up") and not link.master:
                del left["up"]
        if left:
            draft.steps.build(SetLink(link, None, left, frozenset({link.key})), level + 1)
    if link.netns is not None:
        draft.steps.build(MoveLink(link, frozenset({link.key})), level + 2)


def _declared(link: Link) -> dict[str, Any]:
    """All attributes that a link was given."""
    changes: dict[str, Any] = {}
    for name in ("mtu", "address", "master", "alias", "group", "up"):
        value = getattr(link, name)
        if value is not None:
            changes[name] = value
    if link.altnames:
        changes["altnames"] = link.altnames
    return changes


def _judge(
    draft: Draft,
    link: Link,
    found: ObservedLink,
    claim: Claim | None,
    ground: Ground,
    levels: _Levels,
    rounded: Rounded,
    *,
    replace: bool,
) -> None:
    names = {each.index: name for name, each in (ground.links or {}).items()}
    other = _another(link, found, names)
    parameters = {} if other else _parameters(link, found, rounded)
    if parameters.keys() & FIXED.get(str(link.kind), frozenset()) or other:
        other = other or _unlike(parameters)
        if claim is None and not replace:
            draft.conflict(link.key, f"a foreign one is there: {other}")
        else:
            draft.steps.first.append(DeleteLink(found))
            _create(draft, link, ground, levels, frozenset({link.key}))
            draft.wait(
                link.key, f"{other}: made anew, and what it carries comes with the next pass"
            )
        return
    if parameters and claim is None and not replace:
        draft.conflict(link.key, f"a foreign one is there: {_unlike(parameters)}")
        return
    level = levels.of(link.name)
    if blocked := ground.missing(link.master or None):
        draft.wait(link.key, blocked)
    changes = _changes(link, found, names, ground)
    if parameters:
        changes["parameters"] = parameters
    if changes:
        requires = ground.requires(link.master or None) - {link.key}
        own = replace and claim is None and link.kind is not None
        draft.steps.build(SetLink(link, found, changes, requires, own), level)
    if link.netns is not None:
        requires = frozenset({link.key}) if changes else frozenset()
        draft.steps.build(MoveLink(link, requires), level + 2)


def _another(link: Link, found: ObservedLink, names: Mapping[int, str]) -> str:
    """Why the link of that name is another one; empty where it is the one declared."""
    if link.kind is not None and found.kind != link.kind:
        return f"{found.name} is {found.kind or 'hardware'}, not {link.kind}"
    parent = names.get(found.parent)
    if link.parent is not None and found.link_netnsid is None and parent != link.parent:
        return f"{found.name} sits on {parent or 'nothing'}, not on {link.parent}"
    return ""


def _unlike(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"its {name} is not {value}" for name, value in parameters.items())


def _parameters(link: Link, found: ObservedLink, rounded: Rounded) -> dict[str, Any]:
    """The declared parameters that it does not have."""
    if link.kind is None or not link.parameters:
        return {}
    has = decode_parameters(link.kind, found.data)
    return {
        name: value
        for name, value in link.parameters.items()
        if has.get(name) != value and rounded.get((found.index, name)) != (value, has.get(name))
    }


def _changes(
    link: Link, found: ObservedLink, names: Mapping[int, str], ground: Ground
) -> dict[str, Any]:
    """The declared attributes that it does not have."""
    changes = {
        name: value
        for name, value in _declared(link).items()
        if name not in {"master", "altnames"} and getattr(found, name) != value
    }
    master = link.master
    belongs = master is None or names.get(found.master, "") == master
    if not belongs and not ground.missing(master or None):
        changes["master"] = master
    if link.altnames - found.altnames:
        changes["altnames"] = link.altnames - found.altnames
    return changes


def _release(
    draft: Draft,
    wanted: Mapping[str, Link],
    observed: Mapping[str, ObservedLink],
    owned: Ownership,
) -> None:
    for key in owned:
        if not key.startswith(_PREFIX):
            continue
        name = key.removeprefix(_PREFIX)
        found = observed.get(name)
        if found is None or _claim_on(found, owned) is None:
            # Gone, moved away, or another by the same name.
            draft.stale.add(key)
        elif name not in wanted:
            draft.steps.last.append(DeleteLink(found))
        elif wanted[name].kind is None:
            draft.steps.build(Release(key, "declared as somebody else's"))


class _Levels:
    """How many links have to be there before each."""

    def __init__(self, wanted: Mapping[str, Link], ground: Ground) -> None:
        self._wanted = wanted
        self._ground = ground
        self._known: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The level of a link: 0 where it needs none of this plan."""
        return self._find(name, frozenset())

    def _find(self, name: str, below: frozenset[str]) -> int:
        if name in self._known or name in below:
            return self._known.get(name, 0)
        link = self._wanted.get(name)
        needed: list[str] = []
        if link is not None:
            needed = [each for each in (link.parent, link.master) if each]
        bringer = self._ground.coming.get(name, "").removeprefix(_PREFIX)
        if bringer != name and bringer:
            needed.append(bringer)
        levels = [self._find(each, below | {name}) for each in needed if each in self._wanted]
        level = max(levels, default=-_LEVELS_A_LINK) + _LEVELS_A_LINK
        self._known[name] = level
        return level
