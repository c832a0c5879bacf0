"""The `linx` command: plan, apply and run a file of desired state, and a demo."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command with the arguments of this process, and exit.

    Exit codes: 0 converged, 2 changes are due or it did not converge, 1 an error.
    """
    try:
        from .commands import linx
        from .entry import exit_code
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("linx: click is not installed: pip install 'linx-async[cli]'")
    except KeyboardInterrupt:
        sys.stderr.write("linx: interrupted\n")
        sys.exit(130)
    sys.exit(exit_code(linx))
