"""A call from a thread that goes somewhere else first, and dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from .._core.errors import SourceError

__all__ = ["call_elsewhere"]

T = TypeVar("T")


def call_elsewhere(go: Callable[[], None], function: Callable[[], T], place: str) -> T:
    """Call a function in a new thread, once it went there; its error is raised here. Blocks.

    Raises:
        SourceError: No thread could be made.
    """
    outcome = Future[T]()

    def visit() -> None:
        try:
            go()
            outcome.set_result(function())
        except BaseException as error:  # it is raised again in the calling thread
            outcome.set_exception(error)

    thread = threading.Thread(target=visit, name=f"linx-async {place}")
    try:
        thread.start()
    except RuntimeError as error:  # a limit on processes or memory (pthread_create(3))
        raise SourceError(f"{place}: cannot be entered: {error}") from error
    thread.join()
    return outcome.result()
