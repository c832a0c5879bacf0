"""A chain of rules, with or without a hook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from attrs import evolve, frozen

from ..._core.checks import Checked, check_flag, check_interface, one_of, or_none, unchecked, wrong
from .families import check_hook, to_priority
from .names import check_comment, check_name
from .rule import Draft, Rule, Text, to_rules

__all__ = ["POLICIES", "TYPES", "Chain", "to_devices", "with_rules"]

POLICIES: Final = ("drop", "accept")
"""Policies, in the order of their verdicts (NF_DROP, NF_ACCEPT)."""
TYPES: Final = ("filter", "nat", "route")

_WITH_DEVICES: Final = {("netdev", "ingress"), ("netdev", "egress"), ("inet", "ingress")}


@frozen(init=False)
class Chain(Checked):
    """A chain of rules. With a hook it is a base chain, through which packets come.

    Args:
        name: Its name in the table.
        rules: Its rules, in order; a string is one in nft's syntax.
        hook: Where packets come from: `input`, `forward`, `prerouting`…; None for a chain that is
            only jumped to. All that follows is for base chains alone, but for the comment.
        type: `filter`, `nat` or `route`; default: `filter`.
        priority: When among the chains of that hook, the lowest first; a number, or a name with or
            without an offset: `filter - 5`. Default: `filter`.
        policy: What becomes of packets at its end: `accept` or `drop`; default: `accept`.
        devices: The interfaces of an ingress or egress hook.
        offload: Whether the interfaces' hardware is to do it.
        comment: What nft shows with it.

    Raises:
        DesiredStateError: A field is wrong, or needs a hook.
    """

    name: str
    rules: tuple[Rule | Text | Draft, ...]
    hook: str | None
    type: str | None
    priority: int | str | None
    policy: str | None
    devices: tuple[str, ...]
    offload: bool
    comment: str | None

    def __init__(
        self,
        name: str,
        rules: Iterable[Rule | Text | Draft | str] = (),
        *,
        hook: str | None = None,
        type: str | None = None,
        priority: int | str | None = None,
        policy: str | None = None,
        devices: Iterable[str] = (),
        offload: bool = False,
        comment: str | None = None,
    ) -> None:
        if hook is None:
            given = {"type": type, "priority": priority, "policy": policy, "devices": devices}
            for field, value in given.items():
                if value not in (None, ()):
                    raise wrong(field, f"chain {name!r} has none without a hook")
        else:
            type = one_of("filter" if type is None else type, "type", TYPES)
            policy = one_of("accept" if policy is None else policy, "policy", POLICIES)
            priority = "filter" if priority is None else priority
        self.__attrs_init__(
            name if name == "" else check_name(name, "name"),
            to_rules(rules, "rules"),
            or_none(hook, "hook", _check_word),
            type,
            priority,
            policy,
            to_devices(devices, "devices"),
            check_flag(offload, "offload"),
            or_none(comment, "comment", check_comment),
        )

    @property
    def key(self) -> str:
        """What the chains of a table are told apart by."""
        return f"chain {self.name}"

    @property
    def is_base(self) -> bool:
        """Whether packets come through it by a hook."""
        return self.hook is not None

    def within(self, family: str, what: str) -> Chain:
        """This chain in a table of that family: its hook is there, its priority a number.

        Raises:
            DesiredStateError: The family has no such hook or priority.
        """
        if self.hook is None:
            return self
        check_hook(self.hook, f"{what}.hook", family)
        takes_devices = (family, self.hook) in _WITH_DEVICES
        if takes_devices and not self.devices and family != "netdev":
            raise wrong(f"{what}.devices", f"hook {self.hook} of family {family} needs some")
        if self.devices and not takes_devices:
            raise wrong(f"{what}.devices", f"hook {self.hook} of family {family} takes none")
        priority = to_priority(self.priority, f"{what}.priority", family)
        return self if priority is self.priority else evolve(self, priority=priority)


def with_rules(chain: Chain, rules: tuple[Rule | Text | Draft, ...]) -> Chain:
    """A chain with other rules, which are known to be right."""
    return unchecked(
        Chain,
        chain.name,
        rules,
        chain.hook,
        chain.type,
        chain.priority,
        chain.policy,
        chain.devices,
        chain.offload,
        chain.comment,
    )


def _check_word(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise wrong(what, f"expected the name of a hook, got {value!r}")
    return value


def to_devices(value: Any, what: str) -> tuple[str, ...]:
    """Names of interfaces, each once, in the order of their names.

    Raises:
        DesiredStateError: One is none, or there twice.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise wrong(what, f"expected a list of interfaces, got {value!r}")
    names = [check_interface(name, what) for name in value]
    if len(set(names)) != len(names):
        raise wrong(what, f"names one twice: {names!r}")
    return tuple(sorted(names))
