"""Where the routes that are there differ from those that should be: pure, whole or by changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

from attrs import field, frozen

from .desired.forwarding import Forwarding, NextHop
from .desired.route import Prefix
from .desired.routes import Routes
from .reading import Found, RouteKey

__all__ = ["Deviations", "agree", "compared", "judged_again", "same_hop"]


@frozen
class Deviations:
    """Where routes differ from the desired ones.

    Attributes:
        missing: Desired, and not there.
        different: Desired and there, with another way: the desired one, and what is there.
        extra: There, and not desired; of several with one key, those after the first.
        twins: The keys that several routes have.
    """

    missing: Routes = field(factory=dict)
    different: Mapping[RouteKey, tuple[Forwarding, Forwarding]] = field(factory=dict)
    extra: Mapping[Prefix, Mapping[bytes, tuple[Forwarding, ...]]] = field(factory=dict)
    twins: frozenset[RouteKey] = frozenset()

    @property
    def lacking(self) -> frozenset[tuple[int, int]]:
        """The tables, each with its family, in which something is missing."""
        return frozenset((p.family, p.table) for p in self.missing)

    @property
    def size(self) -> int:
        """How many keys differ."""
        groups = chain(self.missing.values(), self.extra.values())
        return len(self.different) + sum(map(len, groups))


_NONE: Final = Deviations()
"""No deviation at all."""


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
    observed: dict[Prefix, Mapping[bytes, Forwarding]] = {}
    twins: dict[RouteKey, list[Forwarding]] = {}
    for part in found:
        observed.update(part.groups)
        twins.update(part.twins)
    verdict = _Judgement()
    for prefix in dict.fromkeys(chain(desired, observed)):
        verdict.compare(prefix, desired.get(prefix, {}), observed.get(prefix, {}))
    for (prefix, packed), others in twins.items():
        wanted = desired.get(prefix, {}).get(packed)
        verdict.judge(prefix, packed, wanted, (observed[prefix][packed], *others))
    return verdict.deviations(frozenset(twins))


def judged_again(
    desired: Routes, before: Deviations, touched: Mapping[RouteKey, Forwarding | None]
) -> Deviations:
    """Where routes differ after some changed.

    Args:
        desired: The desired ones.
        before: Where they differed before.
        touched: What is there now under the keys that changed; None where nothing is.
    """
    verdict = _Judgement(before)
    for (prefix, packed), there in touched.items():
        wanted = desired.get(prefix, {}).get(packed)
        verdict.judge(prefix, packed, wanted, () if there is None else (there,))
    return verdict.deviations(before.twins)


class _Judgement:
    """Deviations in the making."""

    def __init__(self, before: Deviations = _NONE) -> None:
        self._missing = {prefix: dict(group) for prefix, group in before.missing.items()}
        self._different = dict(before.different)
        self._extra = {prefix: dict(group) for prefix, group in before.extra.items()}
        # Many routes share few ways, on both sides: each pair is compared once.
        self._agree: dict[tuple[int, int], bool] = {}
        self._alone: dict[int, tuple[Forwarding]] = {}

    def deviations(self, twins: frozenset[RouteKey]) -> Deviations:
        """What came out."""
        return Deviations(self._missing, self._different, self._extra, twins)

    def compare(
        self, prefix: Prefix, want: Mapping[bytes, Forwarding], have: Mapping[bytes, Forwarding]
    ) -> None:
        """Note how all routes of a prefix differ, none of which is a twin."""
        if not have:
            if want:
                self._missing[prefix] = dict(want)
            return
        matched = 0
        missing: dict[bytes, Forwarding] = {}
        pairs = self._agree
        for packed, wanted in want.items():
            there = have.get(packed)
            if there is None:
                missing[packed] = wanted
                continue
            matched += 1
            pair = (id(wanted), id(there))
            same = pairs.get(pair)
            if same is None:
                same = pairs[pair] = agree(wanted, there)
            if not same:
                self._different[prefix, packed] = wanted, there
        if missing:
            self._missing[prefix] = missing
        if matched < len(have):
            alone = self._alone
            self._extra[prefix] = {
                packed: alone.get(id(there)) or alone.setdefault(id(there), (there,))
                for packed, there in have.items()
                if packed not in want
            }

    def judge(
        self,
        prefix: Prefix,
        packed: bytes,
        wanted: Forwarding | None,
        there: tuple[Forwarding, ...],
    ) -> None:
        """Note anew how the routes of one key differ from the desired one."""
        _take(self._missing, prefix, packed)
        _take(self._extra, prefix, packed)
        self._different.pop((prefix, packed), None)
        others = there
        if wanted is not None and not there:
            self._missing.setdefault(prefix, {})[packed] = wanted
        elif wanted is not None:
            good = next((each for each in there if agree(wanted, each)), None)
            kept = there[0] if good is None else good
            if good is None:
                self._different[prefix, packed] = wanted, kept
            others = tuple(each for each in there if each is not kept)
        if others:
            self._extra.setdefault(prefix, {})[packed] = others


def _take(groups: dict[Prefix, dict[bytes, Any]], prefix: Prefix, packed: bytes) -> None:
    group = groups.get(prefix, {})
    if group.pop(packed, None) is not None and not group:
        del groups[prefix]
