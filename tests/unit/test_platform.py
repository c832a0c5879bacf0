"""Elsewhere than on Linux, the import says so."""

from __future__ import annotations

import importlib
import sys

import pytest

from linx_async import _linux


def test_another_system_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ImportError, match="Linux kernel; it does not run on darwin"):
        importlib.reload(_linux)
