"""Where the routes that are there differ from those that should be: pure, whole or by changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter

from attrs import field, frozen

from .desired.forwarding import Forwarding, NextHop
from .desired.route import Prefix
from .desired.routes import Routes
from .reading import Found, RouteKey

__all__ = ["Deviations", "agree", "compared", "judged", "same_hop"]


@frozen
class Deviations:
    """Where routes differ from the desired ones.

    Attributes:
        missing: Desired, and not there.
        different: Desired and there, with another way: the desired one, and what is there.
        extra: There, and not desired; of several with one key, those after the first.
        twins: The keys that several routes have.
    """

    missing: Mapping[RouteKey, Forwarding] = field(factory=dict)
    different: Mapping[RouteKey, tuple[Forwarding, Forwarding]] = field(factory=dict)
    extra: Mapping[RouteKey, tuple[Forwarding, ...]] = field(factory=dict)
    twins: frozenset[RouteKey] = frozenset()

    @property
    def lacking(self) -> frozenset[tuple[int, int]]:
        """The tables, each with its family, in which something is missing."""
        return frozenset((p.family, p.table) for p in set(map(itemgetter(0), self.missing)))

    @property
    def size(self) -> int:
        """How many keys differ."""
        return len(self.missing) + len(self.different) + len(self.extra)


def agree(desired: Forwarding, observed: Forwarding) -> bool:
    """Whether a route is as desired; what a desired one leaves to the kernel is not compared."""
    if (
        desired.type != observed.type
        or desired.gateway != observed.gateway
        or desired.nexthop_id != observed.nexthop_id
        or desired.source != observed.source
        or desired.scope != observed.scope
        or desired.onlink != observed.onlink
        or desired.metrics != observed.metrics
        or desired.preference != observed.preference
        or desired.encap != observed.encap
        or desired.interface not in {None, observed.interface}
    ):
        return False
    return _same_hops(desired.nexthops, observed.nexthops)


def _same_hops(desired: tuple[NextHop, ...], observed: tuple[NextHop, ...]) -> bool:
    if desired == observed:
        return True
    if len(desired) != len(observed):
        return False
    left = list(observed)
    # Those that name their interface choose first: the others take whichever is left.
    for hop in sorted(desired, key=lambda hop: hop.interface is None):
        match = next((other for other in left if same_hop(hop, other)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def same_hop(desired: NextHop, observed: NextHop) -> bool:
    """Whether a way is as desired."""
    return (
        desired.gateway == observed.gateway
        and desired.interface in {None, observed.interface}
        and desired.weight == observed.weight
        and desired.onlink == observed.onlink
        and desired.encap == observed.encap
    )


def compared(desired: Routes, found: Iterable[Found]) -> Deviations:
    """Where the routes of whole dumps differ from the desired ones."""
    missing: dict[RouteKey, Forwarding] = {}
    different: dict[RouteKey, tuple[Forwarding, Forwarding]] = {}
    extra: dict[RouteKey, tuple[Forwarding, ...]] = {}
    # Many routes share few ways, on both sides: each pair is compared once.
    pairs: dict[tuple[int, int], bool] = {}
    observed: dict[Prefix, Mapping[bytes, Forwarding]] = {}
    twins: dict[RouteKey, list[Forwarding]] = {}
    for part in found:
        observed.update(part.groups)
        twins.update(part.twins)
    for prefix, want in desired.items():
        have = observed.get(prefix, {})
        matched = 0
        for packed, wanted in want.items():
            there = have.get(packed)
            if there is None:
                missing[prefix, packed] = wanted
                continue
            matched += 1
            pair = (id(wanted), id(there))
            same = pairs.get(pair)
            if same is None:
                same = pairs[pair] = agree(wanted, there)
            if not same:
                different[prefix, packed] = wanted, there
        if matched < len(have):
            extra |= {(prefix, dst): (have[dst],) for dst in have.keys() - want.keys()}
    for prefix in observed.keys() - desired.keys():
        extra |= {(prefix, dst): (there,) for dst, there in observed[prefix].items()}
    deviations = Deviations(missing, different, extra, frozenset(twins))
    return _with_twins(desired, deviations, twins, observed) if twins else deviations


def _with_twins(
    desired: Routes,
    deviations: Deviations,
    twins: Mapping[RouteKey, list[Forwarding]],
    observed: Mapping[Prefix, Mapping[bytes, Forwarding]],
) -> Deviations:
    different = dict(deviations.different)
    extra = dict(deviations.extra)
    for key, others in twins.items():
        prefix, packed = key
        different.pop(key, None)
        extra.pop(key, None)
        wanted = desired.get(prefix, {}).get(packed)
        judged(key, wanted, (observed[prefix][packed], *others), {}, different, extra)
    return Deviations(deviations.missing, different, extra, deviations.twins)


def judged(
    key: RouteKey,
    wanted: Forwarding | None,
    there: tuple[Forwarding, ...],
    missing: dict[RouteKey, Forwarding],
    different: dict[RouteKey, tuple[Forwarding, Forwarding]],
    extra: dict[RouteKey, tuple[Forwarding, ...]],
) -> None:
    """Note how the routes of one key differ from the desired one."""
    if wanted is None:
        if there:
            extra[key] = there
        return
    if not there:
        missing[key] = wanted
        return
    good = next((each for each in there if agree(wanted, each)), None)
    kept = there[0] if good is None else good
    if good is None:
        different[key] = wanted, kept
    others = tuple(each for each in there if each is not kept)
    if others:
        extra[key] = others
