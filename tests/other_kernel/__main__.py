"""Runs tests under another Linux kernel, which sees this machine's files and changes none."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType

from tests.other_kernel import qemu, user_mode
from tests.other_kernel.boot import TimeLimitReached, boot
from tests.other_kernel.guest import CHECKOUT, MOST_GUESTS, Kernel, write_scratch
from tests.other_kernel.packages import Unavailable

ERROR = 2
NO_TESTS = 5
SKIPPED = 77
OUT_OF_TIME = 124
GUEST_DIED = 125
INTERRUPTED = 130

KERNELS = {"user-mode": user_mode.prepare, "qemu": qemu.prepare}
NETFILTER_TESTS = (
    "tests/kernel/test_netfilter_corpus_pass.py",
    "tests/kernel/test_netfilter_lifetime.py",
    "tests/kernel/test_netfilter_stateful.py",
    "tests/kernel/test_nfnetlink.py",
    "tests/kernel/test_nftables_facts.py",
)
DEFAULT_TESTS = {
    "user-mode": (
        "tests/kernel/test_cgroup*.py",
        "tests/kernel/test_other_kernel*.py",
        "tests/kernel/test_rtnl_*_codec.py",
        "tests/kernel/test_rtnl_facts.py",
        "tests/kernel/test_rtnl_kinds.py",
        "tests/kernel/test_rtnl_links.py",
        "tests/kernel/test_rtnl_pass.py",
        "tests/kernel/test_rtnl_re*.py",
        *NETFILTER_TESTS,
    ),
    # What takes more of nf_tables than bridges; the rest would take hours there.
    "qemu": NETFILTER_TESTS,
}
# To a kernel both backends are the same: there is time for more tests instead.
DEFAULT_SELECTION = "not (trio and (test_rtnl or test_netfilter or test_nf))"
DISK_BYTES = 64 * 2**20
GUESTS = min(MOST_GUESTS, len(os.sched_getaffinity(0)))


def main() -> int:
    options, pytest_arguments = parse(sys.argv[1:])
    # Not on everyone's path, and modprobe and depmod are there.
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    pytest_arguments, shared = with_tests(pytest_arguments, options.kernel, options.time_limit)
    guests = options.guests or (GUESTS if shared else 1)
    try:
        return run(options.kernel, options.time_limit, guests, pytest_arguments)
    except Unavailable as reason:
        print(f"skipped: {reason}", flush=True)
        return SKIPPED
    except subprocess.CalledProcessError as error:
        return complain(ERROR, str(error))
    except TimeLimitReached:
        return complain(OUT_OF_TIME, f"what ran was ended at its limit of {options.time_limit:g} s")
    except KeyboardInterrupt:
        return complain(INTERRUPTED, "interrupted; what ran was ended")


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our own options, and the rest, which is pytest's."""
    parser = argparse.ArgumentParser(
        prog="tests/other_kernel/run",
        usage="%(prog)s [--user-mode | --qemu] [--guests N] [--time-limit SECONDS] "
        "[pytest arguments]",
        description=__doc__,
        epilog="Paths are relative to the checkout. The exit code is pytest's, or: 77 skipped, as "
        "the last line says; 124 out of time; 125 the guest died.",
        allow_abbrev=False,
    )
    kernel = parser.add_mutually_exclusive_group()
    for name in KERNELS:
        kernel.add_argument(f"--{name}", dest="kernel", action="store_const", const=name)
    parser.add_argument(
        "--guests",
        type=int,
        metavar="N",
        help="how many run side by side and share the tests (default: one; for the tests that "
        f"need another kernel, one for each processor, at most {MOST_GUESTS})",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        default=1400.0,
        metavar="SECONDS",
        help="for the boot and the tests together (default: %(default)g)",
    )
    parser.set_defaults(kernel="user-mode")
    options, pytest_arguments = parser.parse_known_args(arguments)
    if not options.time_limit > 0:
        parser.error(f"--time-limit must be above 0 seconds, not {options.time_limit:g}")
    if options.guests is not None and options.guests < 1:
        parser.error(f"--guests must be at least 1, not {options.guests}")
    return options, pytest_arguments


def with_tests(
    pytest_arguments: Sequence[str], kernel: str, time_limit: float
) -> tuple[list[str], bool]:
    """The arguments for pytest, and whether the kernel's own tests are among them.

    They are where no path is named.
    """
    arguments = ["-rs", "-p", "no:cacheprovider"]
    # A test that hangs says where before the guest is ended.
    arguments += ["-o", f"faulthandler_timeout={time_limit / 2:g}", *pytest_arguments]
    own = not any((CHECKOUT / name.split("::")[0]).exists() for name in pytest_arguments)
    if own:
        tests = [path for pattern in DEFAULT_TESTS[kernel] for path in CHECKOUT.glob(pattern)]
        arguments += [str(path.relative_to(CHECKOUT)) for path in sorted(tests)]
        # First, so that another -k takes its place.
        arguments[:0] = ["-k", DEFAULT_SELECTION]
    return arguments, own


def run(kernel_name: str, time_limit: float, guests: int, pytest_arguments: Sequence[str]) -> int:
    """Boots the kernel and runs the tests; gives the exit code for them."""
    if platform.machine() != "x86_64":
        raise Unavailable(f"the kernels are for x86_64, not for {platform.machine()}")
    if importlib.util.find_spec("pytest") is None:
        return complain(
            ERROR,
            f"{sys.executable} has no pytest; name a Python in PYTHON that has the tests' packages",
        )
    with contextlib.ExitStack() as stack:
        # Not below $TMPDIR: on a kernel's command line there is no room for spaces in a path.
        folder = tempfile.TemporaryDirectory(prefix="linx-other-kernel-", dir="/tmp")
        scratches = [Path(stack.enter_context(folder)) / str(k + 1) for k in range(guests)]
        commands = [
            prepare(kernel_name, scratch, f"{number}/{guests}", pytest_arguments).command
            for number, scratch in enumerate(scratches, 1)
        ]
        statuses = boot(commands, time_limit)
        return worst(map(exit_code, scratches, statuses))


def prepare(kernel_name: str, scratch: Path, share: str, pytest_arguments: Sequence[str]) -> Kernel:
    """A kernel that is to run its share of the tests."""
    scratch.mkdir()
    disk = scratch / "disk"
    disk.touch()
    os.truncate(disk, DISK_BYTES)
    kernel = KERNELS[kernel_name](scratch, disk)
    write_scratch(
        scratch, kernel, ["-p", "tests.other_kernel.share", "--share", share, *pytest_arguments]
    )
    return kernel


def exit_code(scratch: Path, status: int) -> int:
    """What pytest left as its exit code; or that there is none."""
    try:
        return int((scratch / "exit-code").read_text())
    except (FileNotFoundError, ValueError):
        return complain(
            GUEST_DIED, f"a guest died before its tests had ended (exit status {status})"
        )


def worst(codes: Iterable[int]) -> int:
    """The exit code for all; a guest may be left without a test where others have some."""
    told = set(codes)
    return max(told - {NO_TESTS}, default=NO_TESTS)


def complain(exit_code: int, message: str) -> int:
    print(f"\nerror: {message}", file=sys.stderr)
    return exit_code


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Leaves by the way of Ctrl-C, which ends the guest."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
