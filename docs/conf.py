"""Sphinx configuration; a warning is an error, and every reference must resolve."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

project = "linx-async"
author = "the linx-async authors"
copyright = author
release = version = importlib.metadata.version("linx-async")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "file_fields",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"linx-async {release}"
default_role = "code"
smartquotes = False  # quotes and dashes are to be copied
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True

manpages_url = "https://man7.org/linux/man-pages/man{section}/{page}.{section}.html"
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [r"http://ADDR/"]  # of the help of a command

nitpicky = True
# Other projects, type variables, aliases, and what public classes are made of have no page here.
OTHERS = (
    "anyio|asyncio|attrs?|collections|contextlib|contextvars|enum|ipaddress|os|pathlib|random"
    "|opentelemetry|prometheus_client|socket|subprocess|types|typing"
)
nitpick_ignore_regex = [
    ("py:.*", rf"({OTHERS})\..*"),
    ("py:.*", r"(.*\.)?(DesiredT|ObservedT|OpT|OpT_co|_Ts?)"),
    ("py:.*", r"(.*\.)?(DesiredLike|FlatOp|LimitOp|SysctlOp|Value)"),
    ("py:.*", r"(.*\.)?(Announced|IP|Kind|RouteKey|Unknown)"),
    ("py:.*", r"linx_async\._(flat|kernel)\..*"),
    # How the routes of a pass are kept is nobody's business; `table()` is.
    ("py:.*", r"linx_async\.rtnl\.(streams|deviations)\..*"),
    # What the rules and ops of a table are made of.
    ("py:.*", r"linx_async\.netfilter\.(build|codec|desired|diff)\..*"),
    ("py:.*", r"(.*\.)?(Anchor|Code|DataType|Drafting|Header|MaybeT|VerdictMap)"),
    ("py:exc", "NetlinkDecodeError"),
]


def show_where_it_is_public(module: ModuleType) -> None:
    """Let what a package re-exports be known by its public name, so that references meet it."""
    for name in module.__all__:
        exported = getattr(module, name)
        if getattr(exported, "__module__", "").startswith(("linx_async._", f"{module.__name__}.")):
            exported.__module__ = module.__name__


for package in (
    "linx_async",
    "linx_async.sysctl",
    "linx_async.metrics",
    "linx_async.cgroup",
    "linx_async.rtnl",
    "linx_async.netfilter",
    "linx_async.netfilter.build",
    "linx_async.testing",
):
    show_where_it_is_public(importlib.import_module(package))


def read_markdown(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """Turn the fenced code of a docstring into what Sphinx reads."""
    if what in {"attribute", "property"}:
        # Napoleon would take `Why: because` in a property's first line for a type.
        lines[:0] = ["..", ""]  # an empty comment
    fenced = False
    for number, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            lines[number] = line.replace("```", ".. code-block:: ") + "\n" if fenced else ""
        elif fenced:
            lines[number] = f"   {line}"
    lines[:] = "\n".join(lines).split("\n")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", read_markdown, priority=400)
