"""Records that are looked at without being held."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from linx_async import Claim, FileStore, Ownership, StoreError

pytestmark = pytest.mark.anyio

OWNED = Ownership().with_claims([Claim("net.ipv4.ip_forward", "1", original="0")])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


async def save(folder: Path, name: str = "blue", identity: str = "net:[1]") -> None:
    async with FileStore(folder).open(name, identity) as record:
        await record.save(OWNED)


def record_file(folder: Path) -> Path:
    (file,) = folder.glob("*.json")
    return file


def is_there(folder: Path) -> bool:
    return folder.exists()


def listing(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def test_a_peek_shows_what_a_record_says(folder: Path) -> None:
    await save(folder)
    assert await FileStore(folder).peek("blue", "net:[1]") == OWNED


async def test_a_peek_needs_no_lock(folder: Path) -> None:
    store = FileStore(folder)
    async with store.open("blue", "net:[1]") as record:
        await record.save(OWNED)
        assert await store.peek("blue", "net:[1]") == OWNED


async def test_where_there_is_no_record_a_peek_shows_none_and_makes_nothing(folder: Path) -> None:
    store = FileStore(folder)
    assert await store.peek("blue", "net:[1]") == Ownership()
    assert await store.names() == ()
    assert not is_there(folder)
    await save(folder)
    before = listing(folder)
    assert await store.peek("red", "net:[1]") == Ownership()
    assert listing(folder) == before


async def test_the_names_are_those_of_all_records_of_this_boot(folder: Path) -> None:
    await save(folder, "red", "net:[2]")
    await save(folder, "blue", "net:[2]")
    await save(folder, "blue", "net:[1]")
    (folder / "notes.json").write_text("somebody else's")
    assert await FileStore(folder).names() == (
        ("blue", "net:[1]"),
        ("blue", "net:[2]"),
        ("red", "net:[2]"),
    )


async def test_a_record_of_an_earlier_boot_is_neither_seen_nor_named(folder: Path) -> None:
    await save(folder)
    file = record_file(folder)
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "boot_id": "an earlier one"}))
    assert await FileStore(folder).peek("blue", "net:[1]") == Ownership()
    assert await FileStore(folder).names() == ()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1, "boot_id": "x"}'])
async def test_a_damaged_record_is_an_error_to_whoever_looks(folder: Path, text: str) -> None:
    await save(folder)
    file = record_file(folder)
    file.write_text(text)
    with pytest.raises(StoreError, match=f"{file.name}: the ownership record is damaged"):
        await FileStore(folder).peek("blue", "net:[1]")
    with pytest.raises(StoreError, match=f"{file.name}: the ownership record is damaged"):
        await FileStore(folder).names()


async def test_a_directory_that_others_may_write_to_is_not_believed(folder: Path) -> None:
    await save(folder)
    os.chmod(folder, 0o777)
    with pytest.raises(StoreError, match="others may write to it"):
        await FileStore(folder).peek("blue", "net:[1]")
    with pytest.raises(StoreError, match="others may write to it"):
        await FileStore(folder).names()
