"""Names and comments as nf_tables takes them."""

from __future__ import annotations

import re
from typing import Any, Final

from ..._core.checks import check_text, wrong

__all__ = ["LONGEST_NAME", "check_comment", "check_name"]

LONGEST_NAME: Final = 255
"""Bytes of the name of anything in a table, or of a table (NFT_NAME_MAXLEN with its NUL)."""
_LONGEST_COMMENT: Final = 128  # NFTNL_UDATA_COMMENT_MAXLEN in libnftnl
_ANONYMOUS: Final = re.compile(r"\A__(?:set|map|chain)\d+\Z")


def check_name(value: Any, what: str) -> str:
    """The name of a table, chain, set, object or flowtable.

    Raises:
        DesiredStateError: It is none, or one that the kernel gives to what has none.
    """
    name = check_text(value, what, LONGEST_NAME)
    if not name:
        raise wrong(what, "is empty")
    if _ANONYMOUS.match(name):
        raise wrong(what, f"{name!r} is a name that the kernel gives to what has none")
    return name


def check_comment(value: Any, what: str) -> str:
    """A comment.

    Raises:
        DesiredStateError: It is none, or longer than nft takes.
    """
    comment = check_text(value, what, _LONGEST_COMMENT - 1)
    if not comment:
        raise wrong(what, "is empty; leave it out")
    return comment
