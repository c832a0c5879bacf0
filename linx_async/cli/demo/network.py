"""The demo's scene of a network: a link, an address, routes and a rule are broken, and heal."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address
from typing import Any, Final

import anyio
from anyio import to_thread
from attrs import frozen

from ... import rtnl
from ..._core.loop import Loop
from ..._kernel.netlink import Flag, pack_attribute, pack_message, pack_u32
from ...rtnl.codec import address, link, route_encode, rule
from ...rtnl.codec.wire import Type
from .acts import look_again, tell_first
from .stage import Break, Scene, Stage

__all__ = ["NETWORK"]

_LINK, _OTHER_END = "wan0", "wan1"
_TABLE: Final = 76
_IPV4: Final = 4

_ADDRESS = rtnl.Address(_LINK, "10.76.0.1", 24)
_GATEWAY = "10.76.0.2"
_ROUTE = rtnl.Route("10.77.0.0/16", _GATEWAY, protocol=rtnl.PROTOCOL)
_DEFAULT = rtnl.Route("default", _GATEWAY, table=_TABLE, protocol=rtnl.PROTOCOL)
_RULE = rtnl.Rule(_TABLE, _TABLE, source="10.78.0.0/16", protocol=rtnl.PROTOCOL)
_DESIRED = rtnl.Desired(
    links=[
        rtnl.Link(_LINK, "veth", peer=_OTHER_END, up=True),
        rtnl.Link(_OTHER_END, up=True),
    ],
    addresses=[_ADDRESS],
    routes=[_ROUTE, _DEFAULT],
    rules=[_RULE],
)
_TEXT = "2 links, 1 address, 2 routes and 1 rule"

# What each is called, by its key, and what it is to be.
_CALLED: dict[str, tuple[str, str]] = {
    f"link {_LINK}": (f"link {_LINK}", "up"),
    f"link {_OTHER_END}": (f"link {_OTHER_END}", "up"),
    _ADDRESS.key: (f"address of {_LINK}", f"{_ADDRESS.address}/{_ADDRESS.prefix_length}"),
    _ROUTE.key: (f"route {_ROUTE.destination}", f"via {_GATEWAY}"),
    _DEFAULT.key: (f"default route of table {_TABLE}", f"via {_GATEWAY}"),
    _RULE.key: (f"rule to table {_TABLE}", f"from {_RULE.source}"),
}


@frozen
class _Look:
    """How the second process sees whether something is there.

    Attributes:
        type: What it asks for.
        payload: How.
        needle: What the answer has in it then.
    """

    type: int
    payload: bytes
    needle: bytes


# Attributes of include/uapi/linux/if_addr.h, rtnetlink.h and fib_rules.h.
_IFA_LOCAL, _RTA_DST, _RTA_TABLE, _FRA_PRIORITY = 2, 1, 15, 6

_SEES_ADDRESS = _Look(
    Type.GETADDR, address.DUMP, pack_attribute(_IFA_LOCAL, _ADDRESS.address.packed)
)
_SEES_ROUTE = _Look(
    Type.GETROUTE,
    route_encode.dump_request(_IPV4),
    pack_attribute(_RTA_DST, IPv4Address("10.77.0.0").packed),
)
_SEES_DEFAULT = _Look(Type.GETROUTE, route_encode.dump_request(_IPV4), pack_u32(_RTA_TABLE, _TABLE))
_SEES_RULE = _Look(Type.GETRULE, rule.DUMP, pack_u32(_FRA_PRIORITY, _TABLE))


async def _play(stage: Stage) -> None:
    loop = Loop(rtnl.Source(), _DESIRED, debounce=0)
    await stage.tell("desired", keys=dict(_CALLED.values()), text=_TEXT)
    async with anyio.create_task_group() as tasks:
        async with loop.reports() as reports:
            await tasks.start(loop.run)
            await tell_first(stage, await anext(reports), lambda key: _CALLED[key][0])
        await anyio.sleep(3 * stage.pause)
        await look_again(stage, loop)
        await anyio.sleep(3 * stage.pause)
        for number in range(1, stage.rounds + 1):
            for place in range(len(_BREAKS)):
                await stage.outlast(number, await to_thread.run_sync(_break, place))
                await anyio.sleep(stage.pause)
        await look_again(stage, loop)
        loop.stop()


# What is broken, how, and how that is seen: with a link its routes go.
_BREAKS: Final = (
    (f"link {_LINK}", "set down", _SEES_ROUTE),
    (_ADDRESS.key, "deleted", _SEES_ADDRESS),
    (_ROUTE.key, "deleted", _SEES_ROUTE),
    (_DEFAULT.key, "deleted", _SEES_DEFAULT),
    (_RULE.key, "deleted", _SEES_RULE),
    (f"link {_LINK}", "deleted", _SEES_ROUTE),
)


def _break(place: int) -> Break:
    """What breaks a thing; the link may have another index each time."""
    key, how, look = _BREAKS[place]
    label, value = _CALLED[key]
    messages = {"wrong": _wrong(key, how), "look": _message(look.type, Flag.DUMP, look.payload)}
    about: dict[str, Any] = {name: each.hex() for name, each in messages.items()}
    return Break(label, how, how, value, "entry", {**about, "needle": look.needle.hex()})


def _wrong(key: str, how: str) -> bytes:
    indices = {_LINK: socket.if_nametoindex(_LINK)}
    match key:
        case _ADDRESS.key:
            kind, payload = Type.DELADDR, address.encode_delete(_ADDRESS, indices)
        case _ROUTE.key:
            kind, payload = Type.DELROUTE, route_encode.encode_delete(_ROUTE, indices)
        case _DEFAULT.key:
            kind, payload = Type.DELROUTE, route_encode.encode_delete(_DEFAULT, indices)
        case _RULE.key:
            kind, payload = Type.DELRULE, rule.encode_delete(_RULE, indices)
        case _ if how == "deleted":
            kind, payload = Type.DELLINK, link.encode_delete(indices[_LINK])
        case _:
            kind, payload = Type.NEWLINK, link.encode_set(indices[_LINK], up=False)
    return _message(kind, Flag.ACK, payload)


def _message(kind: int, flags: int, payload: bytes) -> bytes:
    return pack_message(kind, Flag.REQUEST | flags, 1, payload)


NETWORK = Scene("links, addresses, routes and rules", (), _play)
