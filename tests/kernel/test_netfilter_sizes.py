"""Sets with more elements than they have room for, which the kernel refuses as we do.

nft_add_set_elem() (net/netfilter/nf_tables_api.c); of a range older kernels count both ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from linx_async import DesiredStateError
from linx_async.netfilter import Set, Table
from linx_async.netfilter.desired.sets import with_elements
from tests.kernel.nft_families import ANY
from tests.kernel.nft_place import Place, place, said

__all__ = ["place"]

pytestmark = pytest.mark.anyio

LAST: Final = 2**32 - 1
KINDS: Final[dict[str, tuple[str, Callable[[int], Any], bool]]] = {
    "values": ("mark", lambda n: n, False),
    "concatenations": ("mark . mark", lambda n: (n, n), False),
    "ranges": ("mark", lambda n: (10 * n + 10, 10 * n + 14), True),
    "ranges that touch": ("mark", lambda n: (10 * n + 10, 10 * n + 19), True),
    "ranges from the first value": ("mark", lambda n: (10 * n, 10 * n + 4), True),
    "ranges up to the last value": (
        "mark",
        lambda n: (2**32 - 10 * n - 10, 2**32 - 1 - 10 * n),
        True,
    ),
    "ranges of concatenations": ("mark . mark", lambda n: ((10 * n, 10 * n + 4), n), True),
}


def declared(kind: str, count: int, size: int | None, *, all_else: bool) -> Set:
    datatype, make, interval = KINDS[kind]
    entries = [*map(make, range(count)), *["*"] * all_else]
    return Set("s", datatype, entries, interval=interval, size=size)


@pytest.mark.parametrize("all_else", [False, True])
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_refused_as_too_many_any_kernel_refuses(
    place: Place, kind: str, size: int, all_else: bool
) -> None:
    room = declared(kind, size, size, all_else=all_else)
    with pytest.raises(DesiredStateError, match=f"size: {size} is less than the {size + 1} elem"):
        declared(kind, size + 1, size, all_else=all_else)
    more = declared(kind, size + 1, None, all_else=all_else)
    full = Table(ANY, "ours", sets=[with_elements(room, more.elements)])
    assert "the set is full" in said(await place.reconcile(full))
    if not room.interval or " . " in kind:
        await place.converges(Table(ANY, "ours", sets=[room]))
