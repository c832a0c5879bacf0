"""What changes the kernel does not do so beside a guard that waits, or a running `linx run`."""

from __future__ import annotations

import os
from pathlib import Path

from .._core.errors import LinxError
from .place import ControlError, ControlPlace
from .waiting import refuse_two

__all__ = ["refuse_beside_others"]


def refuse_beside_others(directory: Path) -> None:
    """Refuse to change anything while somebody else is at it with the same records. Blocks.

    Args:
        directory: The state directory.

    Raises:
        LinxError: An apply waits for confirmation, or a `linx run` of this network namespace runs.
    """
    refuse_two(directory)
    if not os.path.exists(ControlPlace.below(str(directory)).path):
        return
    from .ask import ask
    from .requests import Request

    try:
        answer = ask(str(directory), Request("status"))
    except ControlError:
        return  # the records have locks of their own
    pid, file = answer.get("pid"), answer.get("file")
    raise LinxError(
        f"`linx run` (pid {pid}) keeps {file}, and holds the records in {directory}: change that"
        f" file and have it reloaded (kill -HUP {pid}), or stop it first"
    )
