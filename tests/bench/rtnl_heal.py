"""How long an address or a route is gone that somebody deletes while a loop runs."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Mapping
from functools import partial

import anyio
import anyio.to_thread

from linx_async import Loop, rtnl
from linx_async.rtnl import Address, Desired, Route
from linx_async.rtnl.codec import address as address_codec
from linx_async.rtnl.codec.route_encode import encode_delete
from linx_async.rtnl.codec.wire import Type
from linx_async.testing.namespaces import Namespaces
from tests.bench.rtnl_wire import OURS
from tests.bench.timing import at_most, row

__all__ = ["measure_heals"]

HEAL_BOUND = 3.0  # milliseconds, on a quiet machine

DELETER = """
import json, random, socket, struct, sys, time

kind, made, group, payload, samples = sys.argv[1:]
payload = bytes.fromhex(payload)
message = struct.pack("=IHHII", 16 + len(payload), int(kind), 1, 0, 0) + payload
sender = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
sender.bind((0, 0))
hearer = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
hearer.bind((0, 0))
hearer.setsockopt(270, 1, int(group))
hearer.settimeout(10)
latencies = []
for _ in range(int(samples)):
    # Far enough apart that no heal counts as part of a fight, and is held back.
    time.sleep(random.uniform(0.06, 0.1))
    began = time.monotonic_ns()
    sender.send(message)
    types = []
    while int(made) not in types:
        data = hearer.recv(65536)
        while data:
            length, type = struct.unpack_from("=IH", data)
            types.append(type)
            data = data[(length + 3) & ~3:]
    latencies.append(time.monotonic_ns() - began)
    assert int(kind) in types
print(json.dumps(latencies))
"""

# RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, include/uapi/linux/rtnetlink.h
_ADDRESSES, _ROUTES = 5, 7

ADDRESS = Address("b1", "198.51.100.1/32")
ROUTE = Route("203.0.113.0/24", "192.168.0.9", "b0", protocol=OURS)


def deletions(indices: Mapping[str, int]) -> dict[str, list[str]]:
    """What the deleter is told, by what it deletes."""
    address = address_codec.encode_delete(ADDRESS, indices).hex()
    route = encode_delete(ROUTE, indices).hex()
    return {
        "address": [str(int(Type.DELADDR)), str(int(Type.NEWADDR)), str(_ADDRESSES), address],
        "route": [str(int(Type.DELROUTE)), str(int(Type.NEWROUTE)), str(_ROUTES), route],
    }


async def measure_heals(
    foreigner: Namespaces, indices: Mapping[str, int], samples: int, backend: str
) -> None:
    """From a deletion by another process to the notification that it is back."""
    desired = Desired(addresses=[ADDRESS], routes=[ROUTE])
    for what, told in deletions(indices).items():
        output = "[]"
        loop = Loop(rtnl.Source(), desired, interval=math.inf, debounce=0)
        command = [sys.executable, "-I", "-c", DELETER, *told, str(samples)]
        async with anyio.create_task_group() as tg:
            await tg.start(loop.run)
            done = await anyio.to_thread.run_sync(partial(foreigner.run, command, timeout=120))
            output = done.stdout
            loop.stop()
        found = sorted(latency / 1e6 for latency in json.loads(output))
        median, p95 = statistics.median(found), found[int(len(found) * 0.95)]
        row(
            f"a deleted {what}, {backend}, median of {len(found)}",
            f"{median:.2f} ms",
            f"95 % within {p95:.2f} ms",
            at_most(median, HEAL_BOUND, " ms"),
        )
