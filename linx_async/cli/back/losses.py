"""What an apply has changed and the way back could not restore."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Loss"]


@frozen
class Loss:
    """Something that is not as it was.

    Attributes:
        key: What: `net.ipv4.ip_forward`, `route 10.0.0.0/8`, or the part as a whole.
        message: How it differs, and why where that is known.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"
