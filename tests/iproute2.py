"""ip(8), in this process's network namespace."""

from __future__ import annotations

import json
import subprocess
from typing import Any

__all__ = ["ip", "listed"]


def ip(*words: str) -> str:
    """What it prints."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def listed(*words: str) -> list[dict[str, Any]]:
    """What it lists, as values."""
    return json.loads(ip("-json", *words) or "[]")  # type: ignore[no-any-return]
