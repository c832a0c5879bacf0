"""What a program writes to its standard output, run in a network namespace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Final

from .._core.errors import SourceError
from .netns import NetworkNamespace
from .programs import Program

__all__ = ["output_of"]

_LIMIT: Final = 30.0
"""Seconds for a program to come to its end."""


def output_of(program: Program, arguments: Sequence[str], namespace: NetworkNamespace) -> str:
    """Run a program to its end. Blocks: call it in a thread.

    Args:
        program: The program.
        arguments: Its arguments.
        namespace: Where it runs.

    Raises:
        ScopeGone: The namespace is not there.
        SourceError: It could not be run, failed, or took too long; the message has its words.
    """
    what = f"{os.path.basename(program.path)} {' '.join(arguments)}"

    def run() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [program.path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_LIMIT,
            env=os.environ | {"LC_ALL": "C"},
        )

    target = namespace.open()
    try:
        done = target.call(run)
    except (OSError, ValueError) as error:  # ValueError: a NUL among the arguments
        raise SourceError(f"{what}: cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{what}: it takes longer than {_LIMIT:g} seconds") from error
    finally:
        target.close()
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise SourceError(f"{what}: {words or f'it ended with {done.returncode}'}")
    try:
        return done.stdout.decode()
    except UnicodeDecodeError as error:
        raise SourceError(f"{what}: what it says is no UTF-8") from error
