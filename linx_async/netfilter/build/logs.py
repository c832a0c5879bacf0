"""Telling of packets: in the kernel's log, or to a group of listeners."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..._core.checks import U16, U32, between, check_text, one_of, wrong
from ..codec.op_abi import LogFlag, LogLevel
from ..codec.statement_abi import Log
from ..codec.words import be32
from . import wire
from .statements import Statement
from .terms import Term

__all__ = ["LEVELS", "log"]

LEVELS: Final = {
    "emerg": LogLevel.EMERG,
    "alert": LogLevel.ALERT,
    "crit": LogLevel.CRIT,
    "err": LogLevel.ERR,
    "warn": LogLevel.WARNING,
    "notice": LogLevel.NOTICE,
    "info": LogLevel.INFO,
    "debug": LogLevel.DEBUG,
    "audit": LogLevel.AUDIT,
}
"""Log levels by nft's names."""

_LOG_FLAGS: Final = {
    "tcp sequence": LogFlag.TCPSEQ,
    "tcp options": LogFlag.TCPOPT,
    "ip options": LogFlag.IPOPT,
    "skuid": LogFlag.UID,
    "ether": LogFlag.MACDECODE,
    "all": LogFlag.TCPSEQ | LogFlag.TCPOPT | LogFlag.IPOPT | LogFlag.UID | LogFlag.MACDECODE,
}
_LONGEST_PREFIX: Final = 127  # NF_LOG_PREFIXLEN with its NUL


def log(
    prefix: str | None = None,
    *,
    level: str | None = None,
    flags: Iterable[str] = (),
    group: int | None = None,
    snaplen: int | None = None,
    queue_threshold: int | None = None,
) -> Term:
    """Write a line to the kernel's log, or send the packet to a group of listeners.

    The kernel's part of it is net/netfilter/nft_log.c.

    Args:
        prefix: What the line begins with.
        level: `emerg`, `alert`, `crit`, `err`, `warn`, `notice`, `info`, `debug` or `audit`;
            default: `warn`.
        flags: What the line tells as well: `tcp sequence`, `tcp options`, `ip options`, `skuid`,
            `ether`, or `all`.
        group: The group (NFLOG) that packets are sent to, instead.
        snaplen: How many bytes of a packet are sent there; default: all.
        queue_threshold: How many packets are sent together.

    Raises:
        DesiredStateError: A value is wrong, or does not go with another.
    """
    values: dict[int, bytes] = {}
    if prefix is not None:
        values[Log.PREFIX] = wire.text(check_text(prefix, "log prefix", _LONGEST_PREFIX))
    marks = LogFlag(0)
    for flag in flags:
        marks |= _LOG_FLAGS[one_of(flag, "log flags", _LOG_FLAGS)]
    if group is None:
        if snaplen is not None or queue_threshold is not None:
            raise wrong("log", "snaplen and queue_threshold are for a group")
        number = LogLevel.WARNING if level is None else LEVELS[one_of(level, "log level", LEVELS)]
        if number != LogLevel.WARNING:
            values[Log.LEVEL] = be32(number)
        if marks:
            values[Log.FLAGS] = be32(marks)
        return Statement(wire.expression("log", values))
    if level is not None or marks:
        raise wrong("log", "a group takes no level and no flags")
    values[Log.GROUP] = between(group, "log group", 0, U16).to_bytes(2, "big")
    if snaplen is not None:
        values[Log.SNAPLEN] = be32(between(snaplen, "log snaplen", 0, U32))
    if queue_threshold:
        threshold = between(queue_threshold, "log queue_threshold", 0, U16)
        values[Log.QTHRESHOLD] = threshold.to_bytes(2, "big")
    return Statement(wire.expression("log", values))
