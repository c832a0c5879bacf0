"""What loops have done, counted: passes, ops, drift healed, hints and losses."""

from __future__ import annotations

from .counts import BOUNDS, Counts, LoopCounts, Spread

__all__ = ["BOUNDS", "Counts", "LoopCounts", "Spread"]
