"""The desired state of a whole host, from a TOML file."""

from __future__ import annotations

from .host import HostConfig, Part
from .load import load, parse
from .problems import ConfigError, Problem

__all__ = [
    "ConfigError",
    "HostConfig",
    "Part",
    "Problem",
    "load",
    "parse",
]
