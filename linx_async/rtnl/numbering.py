"""The indices of links that we make: chosen by us, so that a claim says which link it is on."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["first_index"]

_LOWEST: Final = 1 << 20
_HIGHEST: Final = (1 << 24) - 1


def first_index() -> int:
    """An index from which on links may be numbered, 1048576 to 16777215: another at each call.

    A link has no tag, and our record of it is written before it is made. With an index of the
    kernel's choice that record could not say which link it is on, and whoever ended in between
    would leave a claim that fits a foreign link which comes by the name later. So a link is made
    with an index of our choice (ifi_index of RTM_NEWLINK, Linux 3.7; TUNSETIFINDEX), and the claim
    fits no other. A mark that the kernel sets with the link, as its group, would have to be taken
    off again, and firewalls see it meanwhile.

    The kernel counts upwards from 1, does not come by these numbers in practice, and leaves out
    one that is taken; its counter stays as it is (dev_index_reserve() in net/core/dev.c). They fit
    the 24 bits that sFlow has for one.
    """
    # Not for secrecy: nobody is to come by the same one.
    return random.randint(_LOWEST, _HIGHEST)  # noqa: S311
