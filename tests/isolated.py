"""Starts a Python interpreter in namespaces of its own: `python isolated.py ARGUMENTS…`.

A process that has threads cannot leave its user namespace (unshare(2)), and a worker of
pytest-xdist has some before it comes to any of our code.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    sys.path[0] = str(Path(__file__).parent.parent)
    from linx_async.testing.namespaces import NamespaceUnavailable, unshare_this_process

    os.environ["LINX_TESTS_SHARED"] = ""
    try:
        unshare_this_process()
    except NamespaceUnavailable as error:
        os.environ["LINX_TESTS_SHARED"] = error.reason
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


if __name__ == "__main__":
    main()
