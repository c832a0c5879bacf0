"""A supervisor knows its loops by name."""

from __future__ import annotations

import pytest

from linx_async import Loop, Supervisor
from linx_async.testing import FakeKernel, FakeSource


def test_a_loop_is_looked_up_by_its_name() -> None:
    loop = Loop(FakeSource(FakeKernel()), {"a": "1"}, name="ct0-net")
    assert Supervisor(loop)["ct0-net"] is loop


def test_a_name_nobody_has_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="ct1-net"):
        Supervisor(Loop(FakeSource(FakeKernel()), {}))["ct1-net"]
