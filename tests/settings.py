"""The sysctls of a network namespace: as they were, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["put_back", "settings"]

NET = Path("/proc/sys/net")
PLACES = ("ipv4", *(f"ipv{n}/conf/{name}" for n in (4, 6) for name in ("all", "default", "lo")))
FIRST = NET / "ipv4/ip_forward"
"""It rewrites others, and is put back before they are."""


def settings() -> dict[Path, str]:
    """Those of IPv4, and of IPv4 and IPv6 on lo, on all interfaces and on new ones."""
    return dict(_readable())


def _readable() -> Iterator[tuple[Path, str]]:
    files = (file for place in PLACES for file in (NET / place).iterdir() if file.is_file())
    for file in sorted(files, key=lambda file: (file != FIRST, file)):
        with suppress(OSError):
            yield file, file.read_text(encoding="ascii")


def put_back(before: Mapping[Path, str]) -> None:
    """Write what is not as it was."""
    for file, text in before.items():
        with suppress(OSError):
            if file.read_text(encoding="ascii") != text:
                file.write_text(text, encoding="ascii")
