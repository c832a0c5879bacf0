"""A network as a JSON file says, in one pass, from a script that is not async.

    python examples/single_shot.py network.json

The file says what `rtnl.Desired` takes:

    {"links": [{"name": "lan0", "kind": "bridge", "up": true}],
     "addresses": [["lan0", "192.0.2.1/24"]]}

A run removes what an earlier one has made and the file does not say any more. It exits with 0
when the kernel has what the file says, 2 when it does not (yet), 1 on an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from linx_async import FileStore, LinxError, Report, Store, rtnl


def apply(desired: dict[str, Any], store: Store) -> Report[rtnl.RtnlOp]:
    """One pass, as an ordinary function: its event loop ends with it.

    Raises:
        LinxError: The desired state is wrong as written, or the pass could not run.
    """
    return anyio.run(partial(rtnl.reconcile, desired, store=store))


def main() -> int:
    """Read the command line, make the pass, and give the exit code."""
    parser = argparse.ArgumentParser(description="Make a network as a JSON file says.")
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--records", metavar="DIR", help="what is ours; default: below /run")
    given = parser.parse_args()
    try:
        desired = json.loads(given.file.read_bytes())
        report = apply(desired, FileStore(given.records))
    except (LinxError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # between two changes; the records say how far it came
        return 130
    print(report)
    return 0 if report.converged else 2


if __name__ == "__main__":
    sys.exit(main())
