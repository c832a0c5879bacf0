"""Where ownership is kept, and what happens to it there."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import CancelScope

from linx_async import Claim, FileStore, MemoryStore, Ownership, Store, StoreError
from linx_async._core import store as module
from linx_async._core.store import runtime_directory

pytestmark = pytest.mark.anyio

OWNED = Ownership().with_claims(
    [
        Claim("net.ipv4.ip_forward", "1", original="0", settled="1"),
        Claim("a key of any kind: é \udcff \n", "max", incarnation="7"),
    ]
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder)


@pytest.fixture(params=["memory", "file"])
def any_store(request: pytest.FixtureRequest, folder: Path) -> Store:
    return MemoryStore() if request.param == "memory" else FileStore(folder)


async def saved(store: Store, name: str = "blue", identity: str = "net:[1]") -> Ownership:
    async with store.open(name, identity) as record:
        return await record.load()


async def save(
    store: Store, ownership: Ownership = OWNED, name: str = "blue", identity: str = "net:[1]"
) -> None:
    async with store.open(name, identity) as record:
        await record.save(ownership)


def record_file(folder: Path, suffix: str = ".json") -> Path:
    (file,) = folder.glob(f"*{suffix}")
    return file


def made(folder: Path, mode: int) -> Path:
    folder.mkdir()
    folder.chmod(mode)
    return folder


def modes(folder: Path) -> dict[str, int]:
    """The permissions of a directory and of the files in it, by suffix."""
    return {
        "": stat.S_IMODE(folder.stat().st_mode),
        **{file.suffix: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()},
    }


async def test_a_new_record_is_empty(any_store: Store) -> None:
    assert await saved(any_store) == Ownership()


async def test_what_was_saved_is_there_when_the_record_is_opened_again(any_store: Store) -> None:
    await save(any_store)
    assert await saved(any_store) == OWNED


async def test_the_latest_save_counts(any_store: Store) -> None:
    async with any_store.open("blue", "net:[1]") as record:
        await record.save(OWNED)
        await record.save(OWNED.without({"net.ipv4.ip_forward"}))
        assert await record.load() == OWNED.without({"net.ipv4.ip_forward"})


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("green", "net:[1]"),
        ("blue", "net:[2]"),
        ("blu", "enet:[1]"),
        ("blue\0net:[1]", ""),
        ("b/l:u e", "net:[1]"),
        ("", ""),
        ("..", "net:[1]"),
        ("\udcff", "not UTF-8 \udcff"),
        ("x" * 1000, "net:[1]"),
    ],
)
async def test_two_loops_or_scopes_never_share_a_record(
    any_store: Store, name: str, identity: str
) -> None:
    await save(any_store)
    async with any_store.open("blue", "net:[1]"):
        assert await saved(any_store, name, identity) == Ownership()
        await save(any_store, OWNED.without({"net.ipv4.ip_forward"}), name, identity)
    assert await saved(any_store) == OWNED


async def test_names_that_differ_in_unsafe_characters_alone_have_files_of_their_own(
    store: FileStore, folder: Path
) -> None:
    for name in ("a b", "a/b", "a:b", "a-b", "../a-b"):
        await save(store, name=name)
    assert len([name for name in os.listdir(folder) if name.endswith(".json")]) == 5


async def test_a_record_has_one_user_at_a_time(any_store: Store) -> None:
    async with any_store.open("blue", "net:[1]") as record:
        await record.save(OWNED)
        with pytest.raises(StoreError, match="another loop named 'blue' holds this record"):
            await saved(any_store)
    assert await saved(any_store) == OWNED


async def test_a_record_is_free_again_after_its_user_crashed(any_store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with any_store.open("blue", "net:[1]"):
            raise ZeroDivisionError
    assert await saved(any_store) == Ownership()


async def test_a_record_is_free_again_after_its_user_was_cancelled(any_store: Store) -> None:
    with CancelScope() as scope:
        async with any_store.open("blue", "net:[1]"):
            scope.cancel()
            await anyio.sleep_forever()
    assert await saved(any_store) == Ownership()


async def test_a_record_is_free_again_wherever_its_user_was_cancelled(store: FileStore) -> None:
    with CancelScope() as scope:
        scope.cancel()
        await save(store)
    assert await saved(store) == Ownership()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("blow", range(1, 6))
async def test_a_native_cancellation_of_asyncio_leaves_no_lock_behind(
    store: FileStore, blow: int
) -> None:
    task = asyncio.create_task(save(store))
    for _ in range(blow):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await saved(store)


async def test_another_process_finds_the_record_locked(store: FileStore, folder: Path) -> None:
    code = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    async with store.open("blue", "net:[1]"):
        lock = str(record_file(folder, ".lock"))
        command = [sys.executable, "-I", "-S", "-c", code, lock]
        other = await anyio.run_process(command, check=False)
    assert b"BlockingIOError" in other.stderr


async def test_the_directory_and_its_files_are_private(store: FileStore, folder: Path) -> None:
    before = os.umask(0)
    try:
        await save(store)
    finally:
        os.umask(before)
    assert modes(folder) == {"": 0o700, ".json": 0o600, ".lock": 0o600}


async def test_the_directory_is_made_with_all_above_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "a" / "b" / "c")
    await save(store)
    assert await saved(store) == OWNED


async def test_the_directory_may_be_given_as_text(folder: Path) -> None:
    await save(FileStore(str(folder)))
    assert await saved(FileStore(folder)) == OWNED


async def test_a_file_says_whose_it_is(store: FileStore, folder: Path) -> None:
    await save(store)
    data = json.loads(record_file(folder).read_text())
    assert data["name"] == "blue"
    assert data["identity"] == "net:[1]"
    assert data["claims"]["net.ipv4.ip_forward"]["original"] == "0"
    assert record_file(folder).name.startswith("blue-")


async def test_a_record_of_an_earlier_boot_counts_as_empty(store: FileStore, folder: Path) -> None:
    await save(store)
    edit(record_file(folder), boot_id="11111111-2222-3333-4444-555555555555")
    assert await saved(store) == Ownership()
    await save(store)
    assert await saved(store) == OWNED


def edit(file: Path, **changes: Any) -> None:
    data = json.loads(file.read_text())
    data.update(changes)
    file.write_text(json.dumps({k: v for k, v in data.items() if v is not ...}))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 64, id="zeros"),
        pytest.param(b"\xff\xfe\x80 binary", id="binary"),
        pytest.param(b"claims: none", id="not-json"),
        pytest.param(b"[1, 2]", id="a-list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no-version"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"version": ' + b"9" * 5000 + b"}", id="long-number"),
    ],
)
async def test_a_damaged_record_is_an_error_that_names_the_file_and_nothing_is_lost(
    store: FileStore, folder: Path, damage: bytes
) -> None:
    await save(store)
    file = record_file(folder)
    file.write_bytes(damage)
    with pytest.raises(StoreError, match="damaged") as caught:
        await saved(store)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == damage


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"version": 2}, id="another-version"),
        pytest.param({"version": "1"}, id="version-as-text"),
        pytest.param({"boot_id": ...}, id="no-boot"),
        pytest.param({"boot_id": None}, id="null-boot"),
        pytest.param({"boot_id": 5}, id="boot-as-number"),
        pytest.param({"name": "green"}, id="another-name"),
        pytest.param({"identity": ...}, id="no-identity"),
        pytest.param({"claims": ...}, id="no-claims"),
        pytest.param({"claims": []}, id="claims-as-list"),
        pytest.param({"claims": {"a": None}}, id="null-claim"),
        pytest.param({"claims": {"a": {"value": 1}}}, id="value-as-number"),
        pytest.param({"claims": {"a": {"colour": "red"}}}, id="unknown-field"),
    ],
)
async def test_a_record_of_another_form_is_damaged_too(
    store: FileStore, folder: Path, changes: dict[str, Any]
) -> None:
    await save(store)
    edit(record_file(folder), **changes)
    text = record_file(folder).read_text()
    with pytest.raises(StoreError, match="damaged") as caught:
        await saved(store)
    assert str(record_file(folder)) in str(caught.value)
    assert record_file(folder).read_text() == text


async def test_a_record_that_is_cut_short_anywhere_is_an_error_and_never_empty(
    store: FileStore, folder: Path
) -> None:
    await save(store)
    whole = record_file(folder).read_bytes()
    for length in range(len(whole)):
        record_file(folder).write_bytes(whole[:length])
        with pytest.raises(StoreError, match="damaged"):
            await saved(store)


async def test_a_directory_in_the_records_place_is_an_error_that_names_it(
    store: FileStore, folder: Path
) -> None:
    await save(store)
    file = record_file(folder)
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreError) as caught:
        await saved(store)
    assert str(file) in str(caught.value)


async def test_a_scratch_file_that_a_crash_left_is_overwritten(
    store: FileStore, folder: Path
) -> None:
    await save(store, Ownership())
    record_file(folder).with_suffix(".new").write_text('{"version": 1, "claims": {"half')
    assert await saved(store) == Ownership()
    await save(store)
    assert await saved(store) == OWNED
    assert not record_file(folder).with_suffix(".new").exists()


async def test_a_reader_never_sees_a_half_written_record(store: FileStore, folder: Path) -> None:
    large = Ownership().with_claims(Claim(f"key-{n}", "x" * 100) for n in range(500))
    await save(store)
    texts = set()

    def read_on(done: list[bool]) -> None:
        while not done:
            texts.add(record_file(folder).read_text())

    done: list[bool] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(anyio.to_thread.run_sync, read_on, done)
        for _ in range(20):
            await save(store, large)
            await save(store, OWNED)
        done.append(True)
    assert {len(json.loads(text)["claims"]) for text in texts} <= {2, 500}


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As if the disk were full: write(2) fails past that size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_an_error_and_the_last_record_stays(
    store: FileStore, folder: Path
) -> None:
    await save(store)
    large = OWNED.with_claims(Claim(f"key-{n}", "x" * 100) for n in range(1000))
    async with store.open("blue", "net:[1]") as record:
        with files_no_larger_than(4096), pytest.raises(StoreError) as caught:
            await record.save(large)
        assert "File too large" in str(caught.value)
        assert str(record_file(folder)) in str(caught.value)
        assert await record.load() == OWNED
        await record.save(large)
        assert await record.load() == large


@pytest.mark.parametrize("place", ["/proc/linx-async", "/sys/linx-async", "/dev/null/records"])
async def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(place: str) -> None:
    with pytest.raises(StoreError) as caught:
        await saved(FileStore(place))
    assert str(caught.value).startswith(f"{place}: the ownership record cannot be kept here: ")


async def test_somebody_elses_directory_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(folder, 0o700)
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    with pytest.raises(StoreError, match="not a directory of ours") as caught:
        await saved(FileStore(folder))
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720, 0o702])
async def test_a_directory_that_others_may_write_to_is_refused(folder: Path, mode: int) -> None:
    with pytest.raises(StoreError, match="others may write to it; chmod go-w"):
        await saved(FileStore(made(folder, mode)))
    assert os.listdir(folder) == []


async def test_a_link_to_a_directory_is_refused(folder: Path, tmp_path: Path) -> None:
    os.symlink(made(tmp_path / "elsewhere", 0o700), folder)
    with pytest.raises(StoreError, match="not a directory of ours"):
        await saved(FileStore(folder))


async def test_a_directory_is_prepared_before_there_is_a_record(folder: Path) -> None:
    await FileStore(folder).prepare()
    await FileStore(folder).prepare()
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert os.listdir(folder) == []


async def test_a_directory_that_is_no_good_is_refused_before_there_is_a_record(
    folder: Path,
) -> None:
    for place in ("/proc/linx-async", "/proc/self/net", "/dev/null/records"):
        with pytest.raises(StoreError) as caught:
            await FileStore(place).prepare()
        assert str(caught.value).startswith(f"{place}: ")
    with pytest.raises(StoreError, match="others may write to it; chmod go-w"):
        await FileStore(made(folder, 0o770)).prepare()


async def test_a_kernel_without_a_boot_id_is_an_error(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BOOT_ID", tmp_path / "boot_id")
    with pytest.raises(StoreError, match="boot_id"):
        await saved(store)


async def test_the_directory_is_chosen_when_the_record_is_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore()
    made(folder, 0o700)
    monkeypatch.setattr(os, "geteuid", os.getuid)
    monkeypatch.setattr(module, "runtime_directory", lambda: folder)
    await save(store)
    assert await saved(FileStore(folder)) == OWNED


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return monkeypatch


def test_roots_records_are_below_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert runtime_directory() == Path("/run/linx-async")


def test_an_ordinary_users_records_are_in_the_runtime_directory(
    not_root: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    not_root.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_directory() == tmp_path / "linx-async"


@pytest.mark.parametrize("place", ["", "relative/place", "/proc/nowhere"])
def test_a_runtime_directory_that_is_none_is_passed_over(
    not_root: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    not_root.setenv("XDG_RUNTIME_DIR", place)
    not_root.setattr(tempfile, "tempdir", str(tmp_path))
    assert runtime_directory() == tmp_path / "linx-async-12345"


def test_a_root_that_may_not_write_to_run_is_like_an_ordinary_user(
    not_root: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    not_root.setattr(os, "geteuid", lambda: 0)
    not_root.setattr(os, "access", lambda place, mode: place == str(tmp_path))
    not_root.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_directory() == tmp_path / "linx-async"


async def test_a_directory_that_is_swept_away_is_made_again_with_its_lock(
    store: FileStore, folder: Path
) -> None:
    async with store.open("loop", "scope") as record:
        shutil.rmtree(folder)
        await record.save(OWNED)
        assert await record.load() == OWNED
        with pytest.raises(StoreError, match="another loop named 'loop'"):
            async with FileStore(folder).open("loop", "scope"):
                pass


async def test_whoever_took_the_record_meanwhile_keeps_it(store: FileStore, folder: Path) -> None:
    async with store.open("loop", "scope") as record:
        shutil.rmtree(folder)
        async with FileStore(folder).open("loop", "scope") as other:
            with pytest.raises(StoreError, match="another loop named 'loop'"):
                await record.save(Ownership())
            await other.save(OWNED)
            assert await other.load() == OWNED
