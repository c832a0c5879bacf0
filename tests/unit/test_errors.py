"""What the errors say."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest

import linx_async
from linx_async import (
    DesiredStateError,
    DumpInterrupted,
    LinxError,
    LoopFailed,
    LoopStopped,
    OpError,
    ScopeGone,
    SourceError,
    StoreError,
)
from linx_async._core.errors import errno_name


def test_an_errno_is_told_by_its_name() -> None:
    assert errno_name(errno.EPERM) == "EPERM"


def test_an_unknown_errno_is_told_by_its_number() -> None:
    assert errno_name(4095) == "errno 4095"


def test_an_op_error_says_on_what_why_and_where() -> None:
    error = OpError("10.0.0.2/24 on eth0", errno.EINVAL, "address is tentative", offset=24)
    assert str(error) == (
        "10.0.0.2/24 on eth0: EINVAL (Invalid argument): address is tentative: "
        "at byte 24 of the request"
    )


def test_an_op_error_leaves_out_what_it_does_not_know() -> None:
    assert str(OpError("net.ipv4.ip_forward", None, "it does not stick")) == (
        "net.ipv4.ip_forward: it does not stick"
    )
    assert str(OpError("", errno.ENOENT)) == "ENOENT (No such file or directory)"


def test_an_op_error_keeps_its_parts() -> None:
    error = OpError("key", errno.EBUSY, "in use", offset=8)
    assert (error.key, error.errno, error.message, error.offset) == ("key", 16, "in use", 8)


@pytest.mark.parametrize(
    "error",
    [
        OpError("key", errno.EBUSY, "in use"),
        OpError("key", errno.EBUSY, "in use", offset=8),
        OpError("key", None),
        LoopFailed("blue", "crashed 6 times"),
        StoreError("records: no"),
    ],
    ids=repr,
)
def test_an_error_survives_a_copy_and_a_trip_to_another_process(error: LinxError) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


def test_a_failed_loop_is_named() -> None:
    error = LoopFailed("blue", "crashed 6 times")
    assert error.name == "blue"
    assert str(error) == "loop 'blue': crashed 6 times"


def test_every_public_error_is_a_linx_error() -> None:
    public = [getattr(linx_async, name) for name in linx_async.__all__]
    errors = [c for c in public if isinstance(c, type) and issubclass(c, BaseException)]
    assert len(errors) >= 9
    assert all(issubclass(error, LinxError) for error in errors)


def test_a_wrong_desired_state_is_a_value_error() -> None:
    assert issubclass(DesiredStateError, ValueError)


@pytest.mark.parametrize("kind", [ScopeGone, DumpInterrupted, StoreError])
def test_what_keeps_a_pass_from_running_is_a_source_error(kind: type[LinxError]) -> None:
    assert issubclass(kind, SourceError)


@pytest.mark.parametrize("kind", [OpError, LoopFailed, LoopStopped, DesiredStateError])
def test_what_a_pass_survives_is_no_source_error(kind: type[LinxError]) -> None:
    assert not issubclass(kind, SourceError)
