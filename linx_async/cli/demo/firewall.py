"""The demo's scene of a firewall: a rule, an element, a policy and the table are broken."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

import anyio
from attrs import frozen

from ... import netfilter
from ..._core.errors import LinxError, SourceError
from ..._core.loop import Loop
from ..._kernel.netlink import Flag, pack_attribute, pack_message, pack_text
from ..._kernel.netlink_open import NETLINK_NETFILTER
from ..._kernel.nfnetlink_messages import nfgenmsg, nft_type
from ...netfilter.codec.abi import (
    SUBSYSTEM,
    BatchMessage,
    ChainAttribute,
    DataAttribute,
    ElementListAttribute,
    Message,
    RuleAttribute,
    Verdict,
)
from ...netfilter.codec.words import pack_be32
from ...netfilter.desired.families import FAMILIES
from ...netfilter.encoding import changes_of
from .acts import look_again, tell_first
from .stage import Break, Scene, Stage

__all__ = ["FIREWALL"]

_FAMILY, _NAME, _CHAIN, _SET = "inet", "demo", "input", "blocked"
_ADDRESS: Final = "192.0.2.1"
_SSH: Final = "knock here"
_BLOCKED = netfilter.Set(_SET, "ipv4_addr", [_ADDRESS])
_INPUT = netfilter.Chain(
    _CHAIN,
    [
        "ct state established,related accept",
        f"ip saddr @{_SET} drop",
        f'tcp dport 22 accept comment "{_SSH}"',
    ],
    hook="input",
    policy="drop",
)
_TABLE = netfilter.Table(_FAMILY, _NAME, [_INPUT], [_BLOCKED])
_TEXT = "1 table with a chain of 3 rules, and a set"

_POLICY, _ELEMENT, _RULE = _INPUT.key, f"elements of {_BLOCKED.key}", f"rule {_CHAIN}[2]"
# What each is called, by its key, and what it is to be.
_CALLED: dict[str, tuple[str, str]] = {
    _TABLE.key: (_TABLE.key, "as declared"),
    _POLICY: (f"policy of {_CHAIN}", "drop"),
    _BLOCKED.key: (_BLOCKED.key, "as declared"),
    _ELEMENT: (f"element of {_SET}", _ADDRESS),
    f"rule {_CHAIN}[0]": ("rule for replies", "accept"),
    f"rule {_CHAIN}[1]": (f"rule for {_SET}", "drop"),
    _RULE: ("rule for ssh", "accept"),
}


@frozen
class _Look:
    """How the second process sees whether something is there.

    Attributes:
        type: What it asks for.
        attributes: How.
        needle: What the answer has in it then.
    """

    type: Message
    attributes: bytes
    needle: bytes


_OF_TABLE = pack_text(RuleAttribute.TABLE, _NAME)  # the same number for all that is in one
_SEES_RULE = _Look(
    Message.GETRULE, _OF_TABLE + pack_text(RuleAttribute.CHAIN, _CHAIN), _SSH.encode()
)
_SEES_ELEMENT = _Look(
    Message.GETSETELEM,
    _OF_TABLE + pack_text(ElementListAttribute.SET, _SET),
    pack_attribute(DataAttribute.VALUE, IPv4Address(_ADDRESS).packed),
)
_SEES_POLICY = _Look(Message.GETCHAIN, b"", pack_be32(ChainAttribute.POLICY, Verdict.DROP))

# What is broken, how, and how that is seen.
_BREAKS: Final = (
    (_RULE, "deleted", _SEES_RULE),
    (_ELEMENT, "deleted", _SEES_ELEMENT),
    (_POLICY, "set to accept", _SEES_POLICY),
    (_TABLE.key, "deleted", _SEES_RULE),
)


async def _play(stage: Stage) -> None:
    try:
        await netfilter.dry_run(_TABLE)
    except (LinxError, OSError) as error:
        # There is no nft, or no nf_tables in this kernel.
        await stage.tell("skipped", key=FIREWALL.title, reason=str(error))
        return
    # Without an owner: to a table that has one, nobody else may write.
    loop = Loop(netfilter.Source(lifetime="shared"), _TABLE, debounce=0)
    await stage.tell("desired", keys=dict(_CALLED.values()), text=_TEXT)
    async with anyio.create_task_group() as tasks:
        async with loop.reports() as reports:
            await tasks.start(loop.run)
            await tell_first(stage, await anext(reports), lambda key: _CALLED[key][0])
        await anyio.sleep(3 * stage.pause)
        await look_again(stage, loop)
        await anyio.sleep(3 * stage.pause)
        for number in range(1, stage.rounds + 1):
            for key, how, look in _BREAKS:
                await stage.outlast(number, await _break(key, how, look))
                await anyio.sleep(stage.pause)
        await look_again(stage, loop)
        loop.stop()


async def _break(key: str, how: str, look: _Look) -> Break:
    label, value = _CALLED[key]
    about = {
        "wrong": _batch(await _wrong(key)).hex(),
        "look": _message(look.type, Flag.DUMP, FAMILIES[_FAMILY], look.attributes).hex(),
        "needle": look.needle.hex(),
        "protocol": NETLINK_NETFILTER,
    }
    broken = how.removeprefix("set to ")
    return Break(label, broken, how, value, "entry", about)


async def _wrong(key: str) -> netfilter.NetfilterOp:
    """What breaks a thing; rules and tables have another handle each time."""
    there = await netfilter.pull(_FAMILY, _NAME)
    if there is None:
        raise SourceError(f"{_TABLE.key} is not there to be broken")
    match key:
        case _ if key == _RULE:
            rule = there.chains[_CHAIN].rules[-1]
            return netfilter.DeleteRule(_CHAIN, rule.handle, rule.rule)
        case _ if key == _ELEMENT:
            return netfilter.DeleteElements(_BLOCKED, _BLOCKED.elements)
        case _ if key == _POLICY:
            return netfilter.UpdateChain(netfilter.Chain(_CHAIN, hook="input", policy="accept"))
    return netfilter.DeleteTable(_FAMILY, _NAME, there.head.handle)


def _batch(op: netfilter.NetfilterOp) -> bytes:
    """An op as a transaction, of which only the op is acknowledged."""
    (change,), _ = changes_of([op], _FAMILY, _NAME)
    return b"".join(
        (
            pack_message(BatchMessage.BEGIN, Flag.REQUEST, 1, nfgenmsg(0, SUBSYSTEM)),
            _message(
                nft_type(change.kind), change.flags | Flag.ACK, change.family, change.attributes
            ),
            pack_message(BatchMessage.END, Flag.REQUEST, 1, nfgenmsg(0, SUBSYSTEM)),
        )
    )


def _message(kind: int, flags: int, family: int, attributes: bytes) -> bytes:
    return pack_message(kind, Flag.REQUEST | flags, 1, nfgenmsg(family) + attributes)


FIREWALL = Scene("a firewall", (), _play)
