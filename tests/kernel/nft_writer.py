"""A program that commits to nf_tables all the time, one rule a transaction; stdlib only.

Its arguments are a table of family inet, a chain in it, the least bytes between two commits that
it burns time for, and how many rules it leaves there at most.
"""

from __future__ import annotations

import socket
import struct
import sys

NETLINK_NETFILTER = 12
NEWRULE, DELRULE = 10 << 8 | 6, 10 << 8 | 8
BEGIN, END = 16, 17
REQUEST, ACK, CREATE, APPEND = 1, 4, 0x400, 0x800
INET = 1


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) & 3)


def message(kind: int, flags: int, family: int, resource: int, body: bytes = b"") -> bytes:
    data = struct.pack(">BBH", family, 0, resource) + body
    return struct.pack("=IHHII", len(data) + 16, kind, flags, 0, 0) + data


def a_rule(table: str, chain: str, number: int) -> bytes:
    """A rule without expressions, with a number in its user data."""
    return b"".join(
        (
            attribute(1, table.encode() + b"\0"),
            attribute(2, chain.encode() + b"\0"),
            attribute(4, b""),
            attribute(7, struct.pack("=I", number)),
        )
    )


def write(sock: socket.socket, kind: int, flags: int, body: bytes) -> None:
    """One transaction; it has to go well."""
    change = message(kind, REQUEST | ACK | flags, INET, 0, body)
    begin, end = (message(each, REQUEST, 0, 10) for each in (BEGIN, END))
    sock.send(begin + change + end)
    answer = sock.recv(1 << 16)
    number = struct.unpack_from("=i", answer, 16)[0]
    if number:
        raise SystemExit(f"refused: {number}")


def main(table: str, chain: str, pause: int, most: int) -> None:
    whole = attribute(1, table.encode() + b"\0") + attribute(2, chain.encode() + b"\0")
    number = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
        sock.bind((0, 0))
        while True:
            if number % most == 0:
                write(sock, DELRULE, 0, whole)
            write(sock, NEWRULE, CREATE | APPEND, a_rule(table, chain, number))
            number += 1
            for _ in range(pause):
                bytes(1000)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
