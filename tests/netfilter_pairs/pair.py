"""A rule twice, and the addresses that several have."""

from __future__ import annotations

from typing import Final, TypeAlias

from linx_async.netfilter.build import Built

__all__ = ["MAC", "OTHER_MAC", "Pair"]

Pair: TypeAlias = tuple[Built, str]
"""A rule as the builders have it, and as nft's syntax does."""

MAC: Final = "00:11:22:33:44:55"
OTHER_MAC: Final = "00:11:22:33:44:66"
