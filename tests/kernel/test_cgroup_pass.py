"""One pass over the limits of a real cgroup: what it sets, what it leaves, what it cannot do."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from linx_async import Claim, Report, SourceError, Verb
from linx_async._kernel.cgroupfs import mount_of
from linx_async.cgroup import SetLimit, Value, diff, observe, reconcile
from linx_async.cgroup.ops import LimitOp
from linx_async.testing.namespaces import Namespaces, throwaway
from tests.cgroups import (
    cgroup_with,
    given_controller,
    listening,
    make,
    read,
    remove,
    write,
    written,
)

pytestmark = pytest.mark.anyio

DEPTH = "cgroup.max.depth"
DESCENDANTS = "cgroup.max.descendants"
FREEZE = "cgroup.freeze"
HUGE = "hugetlb.2MB.max"
REPO = Path(__file__).parents[2]


@pytest.fixture
def mounted() -> Path:
    """Where cgroup v2 is mounted."""
    try:
        return Path(mount_of("any").point)
    except SourceError as error:
        pytest.skip(str(error))


async def is_quiet(cgroup: Path, desired: Mapping[str, Value], *reports: Report[LimitOp]) -> bool:
    """Whether one more pass finds nothing to do, and writes nothing."""
    last_applied = reports[-1].last_applied if reports else None
    async with listening(cgroup) as watches:
        report = await reconcile(str(cgroup), desired, last_applied=last_applied)
        return report.converged and report.applied == () and written(watches) == []


async def test_limits_are_set_and_are_ours(scratch: Path) -> None:
    report = await reconcile(str(scratch), {DEPTH: 5, DESCENDANTS: "1K", FREEZE: False})
    assert report.converged
    assert [op.key for op in report.applied] == [DEPTH, DESCENDANTS]
    assert (read(scratch / DEPTH), read(scratch / DESCENDANTS)) == ("5", "1024")
    inode = str(os.stat(scratch).st_ino)
    assert dict(report.last_applied) == {
        DEPTH: Claim(DEPTH, "5", "max", "5", inode),
        DESCENDANTS: Claim(DESCENDANTS, "1024", "max", "1024", inode),
    }


@pytest.mark.parametrize("value", [5, "0x10", "010", " 7 ", 2**31 - 1, None])
async def test_a_second_pass_finds_nothing_to_do_and_writes_nothing(
    scratch: Path, value: Value
) -> None:
    write(scratch / DEPTH, "3")
    report = await reconcile(str(scratch), {DEPTH: value})
    assert report.converged
    assert len(report.applied) == 1
    assert await is_quiet(scratch, {DEPTH: value}, report)
    assert await is_quiet(scratch, {DEPTH: value})


async def test_a_path_may_be_relative_to_the_mount(scratch: Path, mounted: Path) -> None:
    report = await reconcile(str(scratch.relative_to(mounted)), {DEPTH: 5})
    assert report.converged
    assert read(scratch / DEPTH) == "5"


async def test_a_name_may_hold_spaces_and_other_characters(scratch: Path) -> None:
    cgroup = scratch / "with space, ünï.slice"
    make(cgroup)
    assert (await reconcile(str(cgroup), {DEPTH: 5})).converged
    assert read(cgroup / DEPTH) == "5"


async def test_a_limit_that_the_kernel_rounds_converges_once() -> None:
    with cgroup_with(HUGE) as cgroup:
        report = await reconcile(str(cgroup), {HUGE: 3 << 20})
        assert report.converged
        assert report.last_applied[HUGE].settled == str(2 << 20)
        assert await is_quiet(cgroup, {HUGE: 3 << 20}, report)
        assert await is_quiet(cgroup, {HUGE: "3M"})


async def test_a_limit_that_was_never_written_is_no_limit_already() -> None:
    with cgroup_with(HUGE) as cgroup:
        assert await is_quiet(cgroup, {HUGE: None})


async def test_no_limit_can_be_put_back_where_the_kernel_shows_a_number_for_it() -> None:
    with cgroup_with(HUGE) as cgroup:
        report = await reconcile(str(cgroup), {HUGE: "2M"})
        report = await reconcile(
            str(cgroup), {}, last_applied=report.last_applied, revert_on_release=True
        )
        assert report.converged
        assert not report.last_applied
        assert read(cgroup / HUGE) == "max"


async def test_what_drifted_is_set_again(scratch: Path) -> None:
    report = await reconcile(str(scratch), {DEPTH: 5})
    write(scratch / DEPTH, "6")
    report = await reconcile(str(scratch), {DEPTH: 5}, last_applied=report.last_applied)
    assert report.converged
    assert read(scratch / DEPTH) == "5"
    assert report.last_applied[DEPTH].original == "max"


async def test_a_limit_that_is_not_desired_any_more_is_left_as_it_is(scratch: Path) -> None:
    report = await reconcile(str(scratch), {DEPTH: 5})
    report = await reconcile(str(scratch), {}, last_applied=report.last_applied)
    assert [op.verb for op in report.applied] == [Verb.RELEASE]
    assert read(scratch / DEPTH) == "5"
    assert not report.last_applied


async def test_or_gets_its_original_back_where_that_is_asked_for(scratch: Path) -> None:
    write(scratch / DEPTH, "9")
    report = await reconcile(str(scratch), {DEPTH: 5})
    report = await reconcile(
        str(scratch), {}, last_applied=report.last_applied, revert_on_release=True
    )
    assert [op.verb for op in report.applied] == [Verb.REVERT]
    assert read(scratch / DEPTH) == "9"
    assert not report.last_applied


async def test_what_somebody_else_has_set_since_is_not_reverted(scratch: Path) -> None:
    report = await reconcile(str(scratch), {DEPTH: 5})
    write(scratch / DEPTH, "6")
    report = await reconcile(
        str(scratch), {}, last_applied=report.last_applied, revert_on_release=True
    )
    assert read(scratch / DEPTH) == "6"
    assert not report.last_applied


async def test_a_cgroup_that_is_not_there_is_waited_for_and_not_made(scratch: Path) -> None:
    report = await reconcile(f"{scratch}/web/inner", {DEPTH: 5, FREEZE: 1})
    assert not report.converged
    assert not report.failed
    assert {waiting.key for waiting in report.waiting} == {DEPTH, FREEZE}
    assert report.waiting[0].reason == f"the cgroup {scratch}/web/inner is not there"
    assert not (scratch / "web").exists()


async def test_of_a_new_cgroup_of_the_same_name_the_original_is_captured_anew(
    scratch: Path,
) -> None:
    web = scratch / "web"
    make(web)
    write(web / DEPTH, "9")
    report = await reconcile(str(web), {DEPTH: 5})
    remove(web)
    make(web)
    report = await reconcile(str(web), {DEPTH: 5}, last_applied=report.last_applied)
    assert report.last_applied[DEPTH].original == "max"
    assert report.last_applied[DEPTH].incarnation == str(os.stat(web).st_ino)


async def test_of_a_new_cgroup_of_the_same_name_nothing_is_reverted(scratch: Path) -> None:
    web = scratch / "web"
    make(web)
    report = await reconcile(str(web), {DEPTH: 5})
    remove(web)
    make(web)
    write(web / DEPTH, "5")
    report = await reconcile(str(web), {}, last_applied=report.last_applied, revert_on_release=True)
    assert report.applied == ()
    assert not report.last_applied
    assert read(web / DEPTH) == "5"


async def test_a_value_that_the_kernel_does_not_take_fails_and_the_others_are_set(
    scratch: Path,
) -> None:
    report = await reconcile(str(scratch), {DEPTH: "deep", DESCENDANTS: 4})
    assert not report.converged
    (failure,) = report.failed
    assert failure.key == DEPTH
    assert failure.error.errno == errno.EINVAL
    assert "does not take 'deep'" in str(failure)
    assert set(report.last_applied) == {DESCENDANTS}
    assert read(scratch / DESCENDANTS) == "4"


async def test_a_value_that_is_too_large_for_its_file_fails_whatever_is_there(
    scratch: Path,
) -> None:
    report = await reconcile(str(scratch), {DEPTH: 2**31})
    (failure,) = report.failed
    assert failure.error.errno == errno.ERANGE


async def test_a_file_that_can_only_be_read_fails_and_says_so(scratch: Path) -> None:
    report = await reconcile(str(scratch), {"cgroup.events": 1})
    (failure,) = report.failed
    assert failure.error.errno == errno.EINVAL
    assert "or the file is read-only" in str(failure)


async def test_an_interface_file_that_this_kernel_lacks_fails_and_says_so(scratch: Path) -> None:
    report = await reconcile(str(scratch), {"cgroup.nonsense": 1})
    (failure,) = report.failed
    assert "there is no such interface file in a cgroup of this kernel" in str(failure)


async def test_a_controller_that_there_is_not_fails_and_says_so(scratch: Path) -> None:
    report = await reconcile(str(scratch), {"nonsense.max": 1})
    (failure,) = report.failed
    assert "there is no controller 'nonsense' on cgroup v2 here" in str(failure)
    assert "/proc/cgroups" in str(failure)


async def test_a_controller_that_is_not_delegated_fails_and_the_file_to_write_to_is_named() -> None:
    with given_controller(delegated=False) as given:
        report = await reconcile(str(given.cgroup), {given.key: given.one})
        (failure,) = report.failed
        assert failure.key == given.key
        assert failure.op is None
        assert f"write +{given.controller} to {given.switch}," in str(failure)
        given.give()
        assert (await reconcile(str(given.cgroup), {given.key: given.one})).converged


async def test_the_first_cgroup_that_does_not_hand_a_controller_on_is_named() -> None:
    with given_controller(delegated=False) as given:
        inner = given.cgroup / "inner"
        make(inner)
        for switch in (given.switch, given.cgroup / "cgroup.subtree_control"):
            report = await reconcile(str(inner), {given.key: given.one})
            (failure,) = report.failed
            assert f"write +{given.controller} to {switch}," in str(failure)
            write(switch, f"+{given.controller}")
        assert (await reconcile(str(inner), {given.key: given.one})).converged


async def test_the_root_cgroup_has_settings_too_and_says_what_it_lacks(mounted: Path) -> None:
    if (mounted / "cgroup.type").exists():
        pytest.skip("this mount does not show the root cgroup")
    observed = await observe(str(mounted), [DEPTH, FREEZE])
    assert observed.values == {DEPTH: read(mounted / DEPTH)}
    assert "no such interface file in the root cgroup" in str(observed.refused[FREEZE])


async def test_a_path_that_names_a_file_is_an_error(scratch: Path) -> None:
    with pytest.raises(SourceError, match="Not a directory"):
        await reconcile(f"{scratch}/cgroup.procs", {DEPTH: 5})


async def test_a_path_outside_of_every_mount_is_an_error(scratch: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not in a cgroup2 file system"):
        await reconcile(str(tmp_path), {DEPTH: 5})


async def test_what_was_observed_can_be_diffed_alone(scratch: Path) -> None:
    observed = await observe(str(scratch), [DEPTH, DESCENDANTS])
    assert observed.values == {DEPTH: "max", DESCENDANTS: "max"}
    (op,) = diff({DEPTH: 5, DESCENDANTS: None}, observed)
    assert op == SetLimit(DEPTH, "5", "max", "max", str(os.stat(scratch).st_ino))


PASS_IN_A_CHILD = """
import json, os, sys
from functools import partial
import anyio
from linx_async import LinxError
from linx_async.cgroup import reconcile
backend, uid, path, desired = json.loads(sys.argv[1])
anyio.run(anyio.sleep, 0, backend=backend)
if uid:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
try:
    report = anyio.run(partial(reconcile, path, desired), backend=backend)
except LinxError as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
else:
    failed = {failure.key: [failure.error.errno, str(failure)] for failure in report.failed}
    print(json.dumps({"converged": report.converged, "failed": failed}))
"""


def pass_in(
    box: Namespaces, path: Path, desired: Mapping[str, Value], backend: str, *, uid: int = 0
) -> Mapping[str, Any]:
    """What a pass in another process reports."""
    arguments = json.dumps([backend, uid, str(path), desired])
    command = [sys.executable, "-W", "error", "-c", PASS_IN_A_CHILD, arguments]
    done = box.run(command, env={"PYTHONPATH": str(REPO)})
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


NOBODY = 65534


async def test_without_permission_it_fails_and_says_why(
    scratch: Path, anyio_backend_name: str
) -> None:
    if os.getuid():
        pytest.skip("only root can become somebody else")
    with throwaway() as box:
        found = pass_in(box, scratch, {DEPTH: 5}, anyio_backend_name, uid=NOBODY)
    number, text = found["failed"][DEPTH]
    assert number == errno.EACCES
    assert "not delegated to this user" in text
    assert read(scratch / DEPTH) == "max"


async def test_a_cgroup_that_was_delegated_needs_no_root(
    scratch: Path, anyio_backend_name: str
) -> None:
    if os.getuid():
        pytest.skip("only root can become somebody else")
    os.chown(scratch / DEPTH, NOBODY, NOBODY)
    with throwaway() as box:
        found = pass_in(box, scratch, {DEPTH: 5}, anyio_backend_name, uid=NOBODY)
    assert found == {"converged": True, "failed": {}}


async def test_a_mount_that_is_read_only_fails_and_says_so(
    scratch: Path, anyio_backend_name: str
) -> None:
    with throwaway("mount") as box:
        box.run(["mount", "--bind", str(scratch), str(scratch)])
        box.run(["mount", "-o", "remount,bind,ro", str(scratch)])
        found = pass_in(box, scratch, {DEPTH: 5}, anyio_backend_name)
    number, text = found["failed"][DEPTH]
    assert number == errno.EROFS
    assert "mounted read-only here" in text


async def test_a_bind_mount_of_a_part_is_a_way_to_its_cgroups(
    scratch: Path, tmp_path: Path, anyio_backend_name: str
) -> None:
    make(scratch / "web")
    place = tmp_path / "a mount"
    make(place)
    with throwaway("mount") as box:
        box.run(["mount", "--bind", str(scratch), str(place)])
        found = pass_in(box, place / "web", {DEPTH: 5}, anyio_backend_name)
    assert found["converged"]
    assert read(scratch / "web" / DEPTH) == "5"


async def test_where_cgroup_v2_is_hidden_the_error_says_what_to_do(
    mounted: Path, anyio_backend_name: str
) -> None:
    with throwaway("mount") as box:
        box.run(["mount", "-t", "tmpfs", "none", str(mounted)])
        found = pass_in(box, Path("web"), {DEPTH: 5}, anyio_backend_name)
    assert found["error"].startswith("SourceError: no cgroup2 file system is mounted")
    assert "mount -t cgroup2 none DIRECTORY makes it visible" in found["error"]
