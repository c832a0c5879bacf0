"""A health endpoint, fed by the reports of a loop: 200 as long as all is as desired, else 503.

    python examples/health.py --port 8000 net.ipv4.ip_forward=1

    curl -i http://127.0.0.1:8000/health

It answers 503 too once there was no report for three intervals.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from linx_async import DesiredStateError, Loop, LoopFailed, Report, SourceError, Supervisor, sysctl

PATIENCE = 3
"""After so many intervals without a report, the last one says nothing any more."""


class Health:
    """How a loop is, by its reports."""

    def __init__(self, loop: Loop[Any, Any, Any]) -> None:
        self.loop = loop
        self.outcome: Report[Any] | SourceError | None = None
        self.when = 0.0

    async def listen(self, reports: AsyncIterator[Report[Any] | SourceError]) -> None:
        """Hear what each pass gives, until the loop ends."""
        async for self.outcome in reports:
            self.when = anyio.current_time()

    def state(self) -> dict[str, Any]:
        """What there is to say; `healthy` sums it up."""
        if self.outcome is None:
            return {"healthy": False, "error": "there was no pass yet"}
        age = anyio.current_time() - self.when
        stale = age > PATIENCE * self.loop.interval
        state = {"name": self.loop.name, "age": round(age, 3), "stale": stale}
        if isinstance(self.outcome, SourceError):
            return {"healthy": False, **state, "error": str(self.outcome)}
        kinds = ("failed", "pending", "waiting", "conflicts")
        wrong = {kind: [*map(str, getattr(self.outcome, kind))] for kind in kinds}
        converged = self.outcome.converged
        return {"healthy": converged and not stale, **state, "converged": converged, **wrong}


def application(loop: Loop[Any, Any, Any]) -> Starlette:
    """The loop runs while the application does, and /health says how it is."""
    health = Health(loop)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            async with loop.reports() as reports, anyio.create_task_group() as group:
                group.start_soon(health.listen, reports)
                await group.start(Supervisor(loop).run)
                yield
                group.cancel_scope.cancel()
        except* LoopFailed:
            signal.raise_signal(signal.SIGTERM)  # a server goes on without its lifespan
            raise

    async def answer(request: Request) -> JSONResponse:
        state = health.state()
        return JSONResponse(state, 200 if state["healthy"] else 503)

    return Starlette(routes=[Route("/health", answer)], lifespan=lifespan)


def pair(word: str) -> tuple[str, str]:
    """The two sides of KEY=VALUE."""
    key, equals, value = word.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {word!r}")
    return key, value


def port(word: str) -> int:
    """A TCP port; 0 is any that is free."""
    number = int(word)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got {word}")
    return number


def main() -> None:
    """Read the command line, and serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Keep sysctls, and tell over HTTP how that goes.")
    parser.add_argument("--port", type=port, default=8000, help="on 127.0.0.1; default: 8000")
    parser.add_argument(
        "settings", metavar="KEY=VALUE", type=pair, nargs="+", help="net.ipv4.ip_forward=1"
    )
    given = parser.parse_args()
    try:
        loop = Loop(sysctl.Source(), dict(given.settings))
    except DesiredStateError as error:
        parser.error(str(error))
    uvicorn.run(application(loop), host="127.0.0.1", port=given.port)


if __name__ == "__main__":
    main()
