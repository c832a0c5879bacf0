"""A clear refusal to be imported anywhere but on Linux."""

import sys

if sys.platform != "linux":
    raise ImportError(f"linx_async drives the Linux kernel; it does not run on {sys.platform}")
