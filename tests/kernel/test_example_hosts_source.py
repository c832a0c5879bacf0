"""The example of a source of your own: names in a hosts file."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from examples.hosts_source import MARK, Change, HostsSource, Observed
from linx_async import Ownership, Report, reconcile
from linx_async.testing.conformance import SOURCE_LAWS, Law, SourceCase
from tests.kernel.example_program import example, run_example

THEIRS = b"127.0.0.1 localhost\n# a comment \xff\r\n\n10.0.0.9\tother.example other  # theirs\n"
ONE = {"db": "10.0.0.5", "web": "10.0.0.6"}
TWO = {"db": "10.0.0.7", "mail": "2001:db8::8"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_bytes(THEIRS)
    return path


def ours(file: Path) -> dict[str, list[str]]:
    return Observed.of(file.read_text("latin-1")).ours


def theirs(file: Path) -> bytes:
    lines = file.read_bytes().splitlines(keepends=True)
    return b"".join(line for line in lines if MARK.encode() not in line)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_keeps_its_names_beside_those_of_others(file: Path, backend: str) -> None:
    names = ["db.example=10.0.0.5", "Web.example=2001:db8:0::6", "other=10.0.0.9"]
    with example("hosts_source", "--backend", backend, file, *names) as program:
        program.until("create db.example 10.0.0.5; applied: create web.example 2001:db8::6")
        assert ours(file) == {"db.example": ["10.0.0.5"], "web.example": ["2001:db8::6"]}
        file.write_bytes(file.read_bytes().replace(b"10.0.0.5", b"10.0.0.7"))
        program.until("converged; applied: update db.example 10.0.0.5")
        draft = file.with_name("draft")
        draft.write_bytes(THEIRS)
        draft.rename(file)
        program.until("converged; applied: create db.example 10.0.0.5")
        code, rest = program.interrupt()
    assert (code, "Traceback" in rest) == (0, False)
    assert theirs(file) == THEIRS


def test_it_waits_for_a_folder_that_is_not_there_or_goes(tmp_path: Path) -> None:
    folder, draft = tmp_path / "later", tmp_path / "draft"

    def come() -> None:
        draft.mkdir()
        (draft / "hosts").write_bytes(THEIRS)
        draft.rename(folder)

    with example("hosts_source", folder / "hosts", "db.example=10.0.0.5") as program:
        program.until(f"{folder}: No such file or directory")
        come()
        program.until("converged; applied: create db.example 10.0.0.5")
        folder.rename(tmp_path / "aside")
        program.until(f"{folder}: gone")
        come()
        program.until("converged; applied: create db.example 10.0.0.5")
        shutil.rmtree(folder)
        program.until(f"{folder}: gone")
        come()
        program.until("converged; applied: create db.example 10.0.0.5")
        code, rest = program.interrupt()
    assert (code, "Traceback" in rest) == (0, False)


@pytest.mark.parametrize(
    ("word", "why"),
    [("db", "NAME=ADDRESS"), ("db=10.0", "db: '10.0' does not"), ("-=::1", "'-' is no name")],
)
def test_a_word_that_is_no_name_with_an_address_is_told(file: Path, word: str, why: str) -> None:
    done = run_example("hosts_source", file, "--", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr


def passed(file: Path, desired: Mapping[str, str]) -> Report[Change]:
    """One pass."""
    return anyio.run(reconcile, HostsSource(file), desired)


def test_a_name_that_others_have_is_right_as_it_is_or_in_conflict(file: Path) -> None:
    lines = THEIRS + b"2001:DB8:0::5 Db\n"
    file.write_bytes(lines)
    report = passed(file, {"localhost": "127.0.0.1", "db": "2001:db8::5", "other": "10.0.0.8"})
    assert str(report) == "not converged; conflict: other: another line says 10.0.0.9"
    assert file.read_bytes() == lines


def test_the_new_file_has_the_mode_of_the_old_one_and_its_last_line_an_end(file: Path) -> None:
    file.write_text("127.0.0.1 localhost")
    file.chmod(0o604)
    assert passed(file, {"db": "10.0.0.5"}).converged
    assert file.read_text() == f"127.0.0.1 localhost\n10.0.0.5\tdb\t{MARK}\n"
    assert file.stat().st_mode & 0o777 == 0o604


def test_a_line_of_ours_that_was_made_worse_is_mended(file: Path) -> None:
    worse = f"10.0.0.1 db web {MARK}\n10.0.0.5 db {MARK}\n{MARK}\n"
    file.write_bytes(THEIRS + worse.encode())
    report = passed(file, {"db": "10.0.0.5"})
    assert [*map(str, report.applied)] == ["update db 10.0.0.5", "delete web"]
    assert file.read_bytes() == THEIRS + f"10.0.0.5\tdb\t{MARK}\n".encode()


def test_a_line_that_comes_while_a_pass_is_at_work_is_not_lost(file: Path) -> None:
    class Interrupted(HostsSource):
        async def observe(self, desired: Mapping[str, str], owned: Ownership) -> Observed:
            observed = await super().observe(desired, owned)
            if "meanwhile" not in observed.theirs:
                line = b"10.0.0.3 meanwhile\n"
                await to_thread.run_sync(file.write_bytes, THEIRS + line)
            return observed

    report = anyio.run(reconcile, Interrupted(file), {"db": "10.0.0.5"})
    assert str(report) == "converged; applied: create db 10.0.0.5"
    assert theirs(file) == THEIRS + b"10.0.0.3 meanwhile\n"


def case_of(file: Path) -> SourceCase[Mapping[str, str], Observed, Change]:
    """The hosts file with what somebody else does to it, by other means than the source's."""

    def look() -> Mapping[str, object]:
        found: dict[str, list[str]] = {}
        for line in file.read_text("latin-1").splitlines():
            words = line.partition("#")[0].split()
            for name in words[1:] or [line]:
                found.setdefault(name, []).extend(words[:1])
        return {name: " ".join(addresses) for name, addresses in found.items()}

    def replace(old: bytes, new: bytes, path: Path = file) -> None:
        path.write_bytes(path.read_bytes().replace(old, new))

    def meddle() -> None:
        replace(b"10.0.0.5", b"10.0.0.4")

    def meddle_unheard() -> None:
        other = file.parent / "elsewhere" / "hosts"
        other.parent.mkdir(exist_ok=True)
        os.link(file, other)  # inotify(7) tells of a file by the directory it is written in
        replace(b"10.0.0.5", b"10.0.0.4", other)
        other.unlink()

    @asynccontextmanager
    async def rival() -> AsyncIterator[None]:
        replace(THEIRS, THEIRS + b"10.0.0.1 db\n")
        yield
        replace(b"10.0.0.1 db\n", b"")

    return SourceCase(
        make=lambda: HostsSource(file),
        states=(ONE, TWO),
        empty={},
        look=partial(to_thread.run_sync, look),
        meddle=partial(to_thread.run_sync, meddle),
        meddle_unheard=partial(to_thread.run_sync, meddle_unheard),
        rival=rival,
        wrong=({"-": "10.0.0.1"}, {"db": "10.0.0"}, {"db": ""}),
    )


@pytest.mark.anyio
@pytest.mark.parametrize("law", SOURCE_LAWS, ids=str)
async def test_it_keeps_the_laws_of_all_sources(file: Path, law: Law) -> None:
    await law.check(case_of(file))
