"""The kernel asked without the library's sources: by plain blocking sockets, and by `ip`."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from linx_async._kernel.netlink import Flag, pack_message
from linx_async._kernel.netlink_open import open_socket
from linx_async.rtnl import RouteTable
from linx_async.rtnl.codec.route_encode import dump_request
from linx_async.rtnl.codec.wire import Type
from tests.bench.rtnl_sets import deletions, payloads

__all__ = ["FOREIGN", "OURS", "Plain", "ip", "ip_batch", "ip_show", "testbed"]

OURS, FOREIGN = 76, 186
_MESSAGES_A_SEND = 250
_LAST = 1
_ERROR = (2).to_bytes(2, "little")
# The end of a dump: a length of 20, NLMSG_DONE.
_DONE = bytes((20, 0, 0, 0, 3, 0))


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def ip_show() -> None:
    """Our routes of IPv4, as `ip` prints them."""
    subprocess.run(
        ["ip", "route", "show", "table", "main", "proto", str(OURS)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def ip_batch(file: Path) -> None:
    subprocess.run(["ip", "-batch", str(file)], check=True)


@contextmanager
def testbed() -> Iterator[dict[str, int]]:
    """Interfaces with addresses of IPv4 and IPv6, by name; all routes go with them."""
    ip("link", "add", "b0", "type", "veth", "peer", "name", "b1")
    for name in ("b0", "b1"):
        ip("link", "set", name, "up")
    ip("address", "add", "192.168.0.1/16", "dev", "b0")
    ip("address", "add", "fd00::1/64", "dev", "b0", "nodad")
    try:
        yield {name: socket.if_nametoindex(name) for name in ("b0", "b1")}
    finally:
        ip("link", "delete", "b0")


class Plain:
    """A blocking client that knows how many answers come, and looks at nothing else.

    Args:
        indices: The indices of interfaces by name.
    """

    def __init__(self, indices: dict[str, int]) -> None:
        self.indices = indices
        self._sock = open_socket()
        self._sock.settimeout(60)

    def receive(self, *, table: int = 0) -> int:
        """Receive the dumps of our routes, of one table or of all; gives their bytes."""
        size = 0
        for family in (4, 6):
            payload = dump_request(family, table=table, protocol=OURS)
            flags = Flag.REQUEST | Flag.DUMP
            self._sock.send(pack_message(Type.GETROUTE, flags, _LAST, payload))
            while True:
                data = self._sock.recv(65536)
                size += len(data)
                if data[-20:-14] == _DONE:
                    break
        return size

    def add(self, table: RouteTable, protocol: int, flags: int = Flag.CREATE | Flag.EXCL) -> None:
        self.send(packed(Type.NEWROUTE, flags, payloads(table, self.indices, protocol)))

    def delete(self, table: RouteTable, protocol: int) -> None:
        self.send(packed(Type.DELROUTE, 0, deletions(table, self.indices, protocol)))

    def send(self, parts: Iterable[bytes]) -> None:
        """Send what `packed` gave."""
        for part in parts:
            self._sock.send(part)
            answer = self._sock.recv(65536)
            status = int.from_bytes(answer[16:20], "little", signed=True)
            if answer[4:6] != _ERROR or status:
                raise OSError(-status, f"a route was refused: {os.strerror(-status)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with closing(self._sock):
            pass


def packed(kind: int, flags: int, bodies: Sequence[bytes]) -> list[bytes]:
    """Messages, many a send, of which the last asks for an answer."""
    flags |= Flag.REQUEST
    parts = []
    for start in range(0, len(bodies), _MESSAGES_A_SEND):
        part = bodies[start : start + _MESSAGES_A_SEND]
        messages = [pack_message(kind, flags, 0, body) for body in part[:-1]]
        messages.append(pack_message(kind, flags | Flag.ACK, _LAST, part[-1]))
        parts.append(b"".join(messages))
    return parts
