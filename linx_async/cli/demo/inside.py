"""The half of the demo that runs inside namespaces of its own, and tells a line an event."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from typing import Any

import anyio

from ..._core.errors import LinxError
from ..._core.groups import ungrouped
from ...testing.namespaces import NamespaceUnavailable, unshare_this_process
from ..signals import until_signal
from .firewall import FIREWALL
from .network import NETWORK
from .stage import Scene, staged
from .sysctls import SYSCTLS

__all__ = ["SCENES", "main"]

SCENES: tuple[Scene, ...] = (SYSCTLS, NETWORK, FIREWALL)


def main(backend: str, rounds: int, pause: float) -> int:
    """Play all scenes; gives the exit code: 0 when all was healed, 2 when something was not."""
    uid = os.getuid()
    try:
        # While there is one thread.
        unshare_this_process()
        user = "root" if uid == 0 else f"uid {uid}, root in a user namespace"
        _tell({"event": "ready", "backend": backend, "kernel": platform.release(), "user": user})
        return anyio.run(_play, rounds, pause, backend=backend)
    except NamespaceUnavailable as error:
        _tell({"event": "unavailable", "reason": error.reason})
    except BrokenPipeError:
        pass  # whoever listened has left
    except (LinxError, OSError) as error:
        _tell({"event": "error", "text": str(error)})
    return 1


async def _play(rounds: int, pause: float) -> int:
    codes: list[int] = []

    async def play() -> None:
        async with staged(rounds, pause, _tell) as stage:
            for scene in SCENES:
                await stage.tell("scene", title=scene.title)
                await scene.play(stage)
            await stage.summary()
            codes.append(2 if stage.unhealed else 0)

    with ungrouped():
        await until_signal(play)
    return codes[0] if codes else 1


def _tell(event: Mapping[str, Any]) -> None:
    os.write(1, f"{json.dumps(event)}\n".encode())
