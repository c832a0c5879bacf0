"""Where `linx run --metrics` listens: an IP address and a TCP port."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from typing import Self, TypeAlias

from attrs import frozen

from .._core.errors import LinxError

__all__ = ["MetricsError", "MetricsPlace"]

_FORM = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", re.ASCII
)
_BACKLOG = 16
_LOCAL = "127.0.0.1"
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class MetricsError(LinxError):
    """Metrics cannot be served."""


@frozen
class MetricsPlace:
    """An address and a port.

    Attributes:
        address: The address.
        port: The port; 0 is any that is free.
    """

    address: _Address
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`127.0.0.1:9100`, `[::1]:9100`, or `:9100` and `localhost:9100` for the former.

        Raises:
            MetricsError: It is no such thing.
        """
        form = _FORM.fullmatch(text)
        expected = "expected an IP address and a port, 127.0.0.1:9100 or [::1]:9100"
        if form is None:
            raise MetricsError(f"{expected}, got {text!r}")
        try:
            if form["v6"] is not None:
                address: _Address = ipaddress.IPv6Address(form["v6"])
            else:
                local = form["host"] in {"", "localhost"}
                address = ipaddress.IPv4Address(_LOCAL if local else form["host"])
        except ValueError:
            raise MetricsError(f"{expected}, got {text!r}") from None
        port = int(form["port"])
        if port > 65535:
            raise MetricsError(f"a port is at most 65535, got {text!r}")
        return cls(address, port)

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"

    def listen(self) -> socket.socket:
        """A socket that listens there.

        Raises:
            MetricsError: Nobody can listen there, or somebody does.
        """
        with contextlib.ExitStack() as failing:
            try:
                family = socket.AF_INET6 if self.address.version == 6 else socket.AF_INET
                listener = failing.enter_context(socket.socket(family, socket.SOCK_STREAM))
                listener.setblocking(False)
                # Connections of whoever listened there before may linger on: tcp(7), TIME_WAIT.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((str(self.address), self.port))
                listener.listen(_BACKLOG)
            except OSError as error:
                raise MetricsError(
                    f"no metrics can be served at {self}: {error.strerror or error}"
                ) from error
            failing.pop_all()
            return listener

    def bound(self, listener: socket.socket) -> MetricsPlace:
        """The place with the port that a socket got."""
        return MetricsPlace(self.address, listener.getsockname()[1])
