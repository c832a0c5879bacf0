"""The types of the testing kit, as authors of sources meet them: read by checkers, never run."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, assert_type

import pytest

from linx_async import Loop, Source
from linx_async.testing import (
    Change,
    FakeKernel,
    FakeSource,
    Fault,
    Namespaces,
    run_in_virtual_time,
    throwaway,
    virtual_backend,
)
from linx_async.testing.conformance import SOURCE_LAWS, Law, SourceCase, check_source


def a_fake_source_drives_a_fake_kernel() -> Source[Mapping[str, str], dict[str, str], Change]:
    kernel = FakeKernel({"a": "1"})
    assert_type(kernel.refuse("a", errno.EBUSY, times=2), Fault)
    with kernel.drop_hints():
        kernel.drift("a", None)
    source = FakeSource(kernel, on_release="revert")
    Loop(source, {"a": "2"})
    return source


async def count(upto: int) -> str:
    return str(upto)


def time_may_be_virtual() -> None:
    assert_type(run_in_virtual_time(count, 3, backend="trio"), str)
    assert_type(virtual_backend("asyncio"), tuple[str, dict[str, Any]])


def namespaces_are_thrown_away() -> None:
    with throwaway("net", "uts") as box:
        assert_type(box, Namespaces)
        assert_type(box.pid, int)


async def a_source_is_put_through_the_laws() -> None:
    kernel = FakeKernel()

    async def look() -> dict[str, str]:
        return kernel.look()

    async def meddle() -> None:
        kernel.drift("a", None)

    case = SourceCase[Mapping[str, str], dict[str, str], Change](
        make=lambda: FakeSource(kernel),
        states=({"a": "1"}, {"a": "2", "b": "1"}),
        empty={},
        look=look,
        meddle=meddle,
    )
    assert_type(await check_source(case), dict[str, str])
    assert_type(await SOURCE_LAWS[0].check(case), str)


@pytest.mark.parametrize("law", SOURCE_LAWS, ids=str)
def each_law_may_be_a_test(law: Law) -> None: ...
