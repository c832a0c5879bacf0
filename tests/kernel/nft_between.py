"""What somebody does between a look of ours and the transaction that it leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import anyio.to_thread
import pytest

from linx_async._kernel.nfnetlink import Commit, NfnetlinkSocket

__all__ = ["BeforeCommits", "Write", "before_commits"]

Write: TypeAlias = Callable[[], None]
BeforeCommits: TypeAlias = Callable[[Sequence[Write]], list[Write]]


@pytest.fixture
def before_commits(monkeypatch: pytest.MonkeyPatch) -> BeforeCommits:
    """Has somebody do something right before each of our transactions, one after the other."""
    original = NfnetlinkSocket.commit
    left: list[Write] = []

    async def commit(*arguments: Any, **options: Any) -> Commit:
        if left:
            await anyio.to_thread.run_sync(left.pop(0))
        return await original(*arguments, **options)

    monkeypatch.setattr(NfnetlinkSocket, "commit", commit)

    def begin(writes: Sequence[Write]) -> list[Write]:
        left.extend(writes)
        return left

    return begin
