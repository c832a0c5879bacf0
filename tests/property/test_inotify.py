from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.inotify_abi import Mask, decode

LOST = (-1, int(Mask.Q_OVERFLOW), "")

wds = st.integers(-1, 0x7FFFFFFF)
masks = st.integers(0, 0xFFFFFFFF)
names = st.binary(max_size=40).filter(lambda name: b"\0" not in name)
records = st.lists(st.tuples(wds, masks, names), max_size=8)


def packed(wd: int, mask: int, name: bytes) -> bytes:
    """A record as copy_event_to_user() in fs/notify/inotify/inotify_user.c writes it."""
    padded = name + bytes(-(len(name) + 1) % 16 + 1) if name else b""
    return struct.pack("=iIII", wd, mask, 0, len(padded)) + padded


def as_text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


@given(records)
def test_records_come_back_as_the_kernel_wrote_them(written: list[tuple[int, int, bytes]]) -> None:
    buffer = b"".join(packed(*record) for record in written)
    assert list(decode(buffer)) == [(wd, mask, as_text(name)) for wd, mask, name in written]


@given(records, st.binary(min_size=1, max_size=15))
def test_a_record_that_is_cut_short_counts_as_lost(
    written: list[tuple[int, int, bytes]], rest: bytes
) -> None:
    buffer = b"".join(packed(*record) for record in written) + rest
    assert list(decode(buffer))[len(written) :] == [LOST]


@given(st.binary(max_size=300))
def test_no_buffer_crashes_or_yields_more_than_it_holds(buffer: bytes) -> None:
    assert len(list(decode(buffer))) <= len(buffer) // 16 + 1
