"""The kernel asked without the library's source: by a plain blocking socket, and by `nft`."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Self

from linx_async._kernel.netlink import Flag, pack_message, pack_text
from linx_async._kernel.netlink_open import NETLINK_NETFILTER, open_socket
from linx_async._kernel.nfnetlink_batch import Change, pack_batch
from linx_async._kernel.nfnetlink_messages import nfgenmsg
from linx_async.netfilter.codec.abi import Message
from linx_async.netfilter.desired.families import FAMILIES
from tests.bench.netfilter_tables import FAMILY, NAME, OTHER

__all__ = ["Plain", "flush", "nft", "nft_file"]

_INET = FAMILIES[FAMILY]
_LAST = 1
_ERROR = (2).to_bytes(2, "little")
# The end of a dump: a length of 20, NLMSG_DONE.
_DONE = bytes((20, 0, 0, 0, 3, 0))
_NFT = "nft"


def nft(*arguments: str) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    subprocess.run([_NFT, *arguments], check=True, env={"PATH": path}, stdout=subprocess.DEVNULL)


def nft_file(file: Path) -> None:
    nft("-f", str(file))


def flush() -> None:
    nft("flush", "ruleset")


class Plain:
    """A blocking client that receives dumps without looking at them, and changes other tables."""

    def __init__(self) -> None:
        self._sock = open_socket(NETLINK_NETFILTER)
        self._sock.settimeout(60)
        self._there = False

    def rules(self) -> int:
        """Receive our table's rules; gives their bytes."""
        return self._receive(Message.GETRULE, pack_text(1, NAME))

    def elements(self) -> int:
        """Receive our set's elements; gives their bytes."""
        return self._receive(Message.GETSETELEM, pack_text(1, NAME) + pack_text(2, "s"))

    def _receive(self, kind: Message, attributes: bytes) -> int:
        request = nfgenmsg(_INET) + attributes
        flags = Flag.REQUEST | Flag.DUMP
        self._sock.send(pack_message(kind, flags, _LAST, request))
        size = 0
        while True:
            data = self._sock.recv(65536)
            size += len(data)
            if data[-20:-14] == _DONE:
                return size

    def disturb(self) -> None:
        """Make or delete another table: the rule set has another generation then."""
        kind = Message.DELTABLE if self._there else Message.NEWTABLE
        self._there = not self._there
        change = Change(kind & 0xFF, Flag.CREATE | Flag.ACK, _INET, pack_text(1, OTHER))
        self._sock.send(pack_batch([change], range(1, 4)))
        answer = self._sock.recv(65536)
        while answer[4:6] != _ERROR:
            answer = self._sock.recv(65536)
        status = int.from_bytes(answer[16:20], "little", signed=True)
        if status:
            raise OSError(-status, f"a table was refused: {os.strerror(-status)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with closing(self._sock):
            pass
