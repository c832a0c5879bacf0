"""`python -m linx_async` is the `linx` command."""

from __future__ import annotations

from linx_async.cli import main

if __name__ == "__main__":
    main()
