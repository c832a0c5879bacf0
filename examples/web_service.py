"""A web service that blocks networks, with a loop in its lifespan that keeps them blocked.

    python examples/web_service.py --port 8000

    curl -X PUT    http://127.0.0.1:8000/blocked/192.0.2.0/24
    curl -X DELETE http://127.0.0.1:8000/blocked/192.0.2.0/24
    curl           http://127.0.0.1:8000/blocked

What is blocked has a blackhole route, which comes back at once when somebody deletes it.
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

from linx_async import DesiredStateError, LinxError, Loop, LoopFailed, Supervisor, rtnl

TAG = 200
"""The protocol of our routes: what else keeps routes here has another one."""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    """The loop runs before the first request is taken, and until the last was answered."""
    # The kernel is our database: what has our tag was blocked before the service was restarted.
    observed = await rtnl.observe(protocol=TAG)
    blocked = {route.key: route for route in observed.routes.table()}
    loop = Loop(rtnl.Source(protocol=TAG), {"routes": blocked.values()}, name="blocked")
    try:
        async with anyio.create_task_group() as group:
            await group.start(Supervisor(loop).run)
            yield {"blocked": blocked, "loop": loop}
            group.cancel_scope.cancel()
    except* LoopFailed:
        # A server goes on without its lifespan; ours shall not serve what nobody keeps.
        signal.raise_signal(signal.SIGTERM)
        raise


async def show(request: Request) -> JSONResponse:
    """What is blocked."""
    return JSONResponse([str(route.destination) for route in request.state.blocked.values()])


async def change(request: Request) -> JSONResponse:
    """Block a network, or do so no more; answered once the kernel has it."""
    blocked, loop = request.state.blocked, request.state.loop
    route = rtnl.Route(request.path_params["network"], type="blackhole")
    if request.method == "PUT":
        blocked[route.key] = route
    else:
        blocked.pop(route.key, None)
    loop.put_desired({"routes": blocked.values()})
    report = await loop.reconcile()
    return await show(request) if report.converged else JSONResponse({"error": str(report)}, 409)


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """What is no network, or what the kernel cannot be told now."""
    return JSONResponse({"error": str(error)}, 400 if isinstance(error, DesiredStateError) else 503)


app = Starlette(
    routes=[
        Route("/blocked", show),
        Route("/blocked/{network:path}", change, methods=["PUT", "DELETE"]),
    ],
    exception_handlers={LinxError: refuse},
    lifespan=lifespan,
)


def port(word: str) -> int:
    """A TCP port; 0 is any that is free."""
    number = int(word)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got {word}")
    return number


def main() -> None:
    """Read the command line, and serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Block networks, as HTTP requests say.")
    parser.add_argument("--port", type=port, default=8000, help="on 127.0.0.1; default: 8000")
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port)


if __name__ == "__main__":
    main()
