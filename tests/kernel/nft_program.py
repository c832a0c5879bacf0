"""The real `nft` program, as somebody else uses it beside us."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

import pytest

from tests.kernel.nft_families import lacking

__all__ = ["nft", "nft_or_skip"]

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def nft(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run it in the namespaces of this process."""
    return subprocess.run(
        [shutil.which("nft", path=_PATH) or "nft", *words],
        capture_output=True,
        text=True,
        check=check,
    )


def nft_or_skip() -> None:
    """Skip the test where it is not installed, or the kernel has no nf_tables."""
    if (missing := _missing()) is not None:
        pytest.skip(missing)


@cache
def _missing() -> str | None:
    if shutil.which("nft", path=_PATH) is None:
        return "nft (nftables) is not installed"
    if missing := lacking("inet", "ip"):
        return missing
    tried = nft("list", "tables", check=False)
    return f"nft does not work here: {tried.stderr.strip()}" if tried.returncode else None
