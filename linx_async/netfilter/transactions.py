"""Announcements of changes to the rule set, gathered to transactions: pure."""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

from .._kernel.netlink import Message, NetlinkDecodeError
from .._kernel.nfnetlink import Generation
from .._kernel.nfnetlink_messages import NFGENMSG
from .announcements import Announcement, Reader
from .codec.abi import Message as Number
from .desired import Elements
from .desired.elements import Rest

__all__ = ["Lost", "Transaction", "Transactions"]

_NEWGEN: Final = int(Number.NEWGEN)
_ALL: Final = 1 << 32
"""Numbers of generations; 0 is none of them."""
_LOWER: Final = 1 << 16


@frozen
class Transaction:
    """What one transaction changed: all of it happened at once.

    Attributes:
        generation: The number of the generation of the rule set that it made.
        pid: The thread that made it, as the initial pid namespace counts, whichever it is in
            (task_pid_nr() in nf_tables_fill_gen_info(), net/netfilter/nf_tables_api.c).
        program: That thread's name (comm): `nft`, `python3`…
        changes: What it changed, in the order in which the kernel tells it.
    """

    generation: int
    pid: int
    program: str
    changes: tuple[Announcement, ...]

    def __str__(self) -> str:
        count = "1 change" if len(self.changes) == 1 else f"{len(self.changes):,} changes"
        return f"[generation {self.generation}] {self.program} (pid {self.pid}): {count}"


@frozen
class Lost:
    """Some announcements were lost, or one could not be read: anything may have happened.

    Attributes:
        reason: What is known of it.
        generation: Up to which generation.
    """

    reason: str
    generation: int

    def __str__(self) -> str:
        return f"[lost] up to generation {self.generation}: {self.reason}"


class Transactions:
    """Gathers announcements to transactions, and leaves out those of the past; pure.

    The kernel tells the objects of a transaction one by one, and then its generation. It has moved
    on to that generation before (nf_tables_commit() in net/netfilter/nf_tables_api.c).
    """

    def __init__(self) -> None:
        self.reader: Reader = Reader()
        self._changes: list[Announcement] = []
        self._elements: dict[bytes, Rest] = {}
        self._wrong = ""
        self._past = 0

    def begin(self, generation: int) -> None:
        """Tell of what comes after a generation, and of nothing before that."""
        self._past = generation

    def forget(self) -> None:
        """Some were lost."""
        self.reader.forget()
        self._changes, self._elements, self._wrong = [], {}, ""

    def feed(self, message: Message) -> Transaction | Lost | None:
        """Take in a notification; gives what there is to tell at the end of a transaction."""
        try:
            if message.type == _NEWGEN:
                return self._end(Generation.decode(message.payload))
            if self._is_past(message.payload):
                return None
            found = self.reader.read(message)
        except NetlinkDecodeError as error:
            self._wrong = self._wrong or f"a notification of type {message.type}: {error}"
            return None
        if found is not None:
            self._add(found)
        return None

    def _is_past(self, payload: bytes) -> bool:
        """Whether it is of a transaction that is not told; each has its generation's lower bits."""
        if len(payload) < NFGENMSG.size:
            raise NetlinkDecodeError("a message without nfgenmsg", 0)
        later = (NFGENMSG.unpack_from(payload)[2] - self._past) % _LOWER
        return not 0 < later < _LOWER // 2

    def _add(self, found: Announcement) -> None:
        """Elements of a set come in many messages, and are told as one."""
        if isinstance(found.value, Elements):
            if self._elements and _continues(found, self._changes[-1]):
                self._elements.update(found.value)
                return
            self._settle()
            self._elements = dict(found.value)
        else:
            self._settle()
        self._changes.append(found)

    def _settle(self) -> None:
        if self._elements:
            self._changes[-1] = evolve(self._changes[-1], value=Elements(self._elements))
            self._elements = {}

    def _end(self, generation: Generation) -> Transaction | Lost | None:
        self._settle()
        changes, self._changes = tuple(self._changes), []
        wrong, self._wrong = self._wrong, ""
        number, past = generation.id, self._past
        if not 0 < (number - past) % _ALL < _ALL // 2:
            return None
        self._past = number
        if wrong:
            return Lost(f"malformed: {wrong}", number)
        if number != past % (_ALL - 1) + 1:
            return Lost(f"nothing was told from generation {past} to {number}", number)
        return Transaction(number, generation.pid, generation.name, changes)


def _continues(found: Announcement, last: Announcement) -> bool:
    mine, other = (
        (each.verb, each.kind, each.family, each.table, each.name) for each in (found, last)
    )
    return mine == other
