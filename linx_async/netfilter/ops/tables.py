"""The ops on a table as a whole."""

from __future__ import annotations

from attrs import frozen

from ..._core.ops import NOTHING, Create, Delete
from ..._core.ownership import Claim

__all__ = ["AddTable", "AdoptTable", "DeleteTable"]


@frozen
class _OnTable:
    """Of which table an op is."""

    family: str
    name: str

    @property
    def key(self) -> str:
        """The table's key."""
        return f"table {self.family} {self.name}"


@frozen
class _Owned(_OnTable):
    """Of which table an op is that claims it."""

    requires = NOTHING

    @property
    def claim(self) -> Claim:
        """That a table of this name is ours."""
        return Claim(self.key)


@frozen
class AddTable(_Owned, Create):
    """Add a table (NFT_MSG_NEWTABLE, NLM_F_EXCL).

    Attributes:
        family: Its family.
        name: Its name.
        flags: Its flags (NFT_TABLE_F_*): whether it is dormant, and who owns it.
        comment: What nft shows with it.
        userdata: What else libnftnl keeps with it.
        handle: The handle of one that is deleted first, in the same transaction; 0 for none.
        because: Why it is.
        unowned: Why it has no owner although it was to have one; empty where that is not so.
    """

    flags: int = 0
    comment: str | None = None
    userdata: bytes = b""
    handle: int = 0
    because: str = ""
    unowned: str = ""

    def __str__(self) -> str:
        again = f" anew ({self.because})" if self.handle else ""
        owner = f", without an owner: {self.unowned}" if self.unowned else ""
        return f"add {self.key}{again}{owner}"


@frozen
class AdoptTable(_Owned, Create):
    """Own a table of ours again that outlived its owner (NFT_TABLE_F_PERSIST, Linux 6.9).

    Attributes:
        family: Its family.
        name: Its name.
        flags: Its flags.
    """

    flags: int

    def __str__(self) -> str:
        return f"own {self.key} again"


@frozen
class DeleteTable(_OnTable, Delete):
    """Delete a table of ours with all that is in it (NFT_MSG_DELTABLE).

    Attributes:
        family: Its family.
        name: Its name.
        handle: Its handle: another one of that name is left alone.
    """

    handle: int

    def __str__(self) -> str:
        return f"delete {self.key}"
