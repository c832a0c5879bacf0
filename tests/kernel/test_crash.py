"""Kill -9 at any moment: nothing that was created is unowned, and nothing foreign is touched."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import anyio
import pytest

from linx_async import FileStore, Ownership

ROOT = Path(__file__).resolve().parents[2]
KILLED = -9
KILLS = 80
"""How many times each source is killed after a random time, besides at each of its moments."""

KEYS = [f"k{n}" for n in range(12)]

# Each setting in one place only: what is written to `default` is copied to the interfaces.
SYSCTLS = [
    *(f"net/ipv4/conf/all/{name}" for name in ("rp_filter", "log_martians", "secure_redirects")),
    *(f"net/ipv4/conf/default/{name}" for name in ("arp_ignore", "arp_filter", "shared_media")),
    *(f"net/ipv4/conf/lo/{name}" for name in ("tag", "accept_local", "send_redirects")),
]
COPIED = {f"net/ipv4/conf/lo/{name}" for name in ("arp_ignore", "arp_filter", "shared_media")}


class Murderer:
    """The process that starts other processes, and kills them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kernel.crashing"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **order: Any) -> Any:
        orders, answers = (
            cast("TextIO", self._process.stdin),
            cast("TextIO", self._process.stdout),
        )
        print(json.dumps({"do": do, **order}), file=orders, flush=True)
        return json.loads(answers.readline())

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def murderer() -> Iterator[Murderer]:
    murderer = Murderer()
    yield murderer
    murderer.end()


class Life:
    """A source whose process dies again and again, and what must hold after each death."""

    source: str

    def __init__(self, murderer: Murderer, place: Path, seed: int) -> None:
        self.murderer = murderer
        self.store = place / "records"
        self.rng = random.Random(seed)
        self.kills = 0
        self.took = 0.0

    def options(self) -> dict[str, Any]:
        return {}

    def wishes(self) -> dict[str, Any]:
        """A random desired state."""
        raise NotImplementedError

    def disturb(self, owned: Ownership) -> None:
        """Somebody else changes something that is not ours."""
        raise NotImplementedError

    def check(self, owned: Ownership) -> None:
        """Whatever happened, the record tells of all that is ours."""
        raise NotImplementedError

    def check_converged(self, desired: Mapping[str, Any], owned: Ownership) -> None:
        raise NotImplementedError

    def live(self, *desired: Mapping[str, Any], **how: Any) -> bool:
        """One life; whether it came to its natural end."""
        end = self.murderer.ask(
            "run",
            source=self.source,
            store=str(self.store),
            desired=desired,
            backend=self.rng.choice(["asyncio", "trio"]),
            **self.options(),
            **how,
        )
        assert end["code"] in {0, KILLED}
        survived = bool(end["code"] == 0)
        self.kills += not survived
        self.took = max(self.took, end["took"]) if survived else self.took
        self.check(self.record())
        return survived

    def record(self) -> Ownership:
        """What is stored, read as the next process will read it."""
        return anyio.run(self._load)

    async def _load(self) -> Ownership:
        (file,) = self.store.glob("*.json") if self.store.exists() else [None]
        if file is None:
            return Ownership()
        head = json.loads(file.read_text(encoding="utf-8"))
        async with FileStore(self.store).open(head["name"], head["identity"]) as record:
            return await record.load()

    def die_at_every_moment(self, wishes: int = 3) -> None:
        """The same life again and again, which ends one moment later each time."""
        first, then = self.wishes(), [self.wishes() for _ in range(wishes)]
        for last in range(1, 1000):
            assert self.live(first)
            if self.live(*then, last=last):
                return
            assert self.live(first)
            self.check_converged(first, self.record())
        pytest.fail("it never ends")

    def die_at_random_moments(self, kills: int = KILLS) -> None:
        while not self.took:
            self.live(*(self.wishes() for _ in range(4)))
        begun = self.kills
        while self.kills < begun + kills:
            self.disturb(self.record())
            delay = self.rng.uniform(0, self.took)
            self.live(*(self.wishes() for _ in range(4)), delay=delay)
            if self.kills % 5 == 0:
                desired = self.wishes()
                assert self.live(desired)
                self.check_converged(desired, self.record())


class FolderLife(Life):
    """Untagged objects, which only the record tells apart from foreign ones."""

    source = "folder"

    def __init__(self, murderer: Murderer, place: Path, seed: int) -> None:
        super().__init__(murderer, place, seed)
        self.folder = place / "objects"
        self.folder.mkdir()
        # Some of it is desired too, equal or not.
        self.foreign = {"k0": "1", "k1": "2", "beside": "3"}
        for key, value in self.foreign.items():
            (self.folder / key).write_text(value)

    def options(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "batch": self.rng.randint(1, 4)}

    def wishes(self) -> dict[str, Any]:
        keys = self.rng.sample(KEYS, self.rng.randint(0, 8))
        return {key: self.rng.choice("12") for key in keys}

    def objects(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in self.folder.iterdir()}

    def disturb(self, owned: Ownership) -> None:
        key = self.rng.choice([key for key in KEYS if key not in owned])
        if self.foreign.pop(key, None) is None:
            self.foreign[key] = self.rng.choice("12")
            (self.folder / key).write_text(self.foreign[key])
        else:
            (self.folder / key).unlink()

    def check(self, owned: Ownership) -> None:
        there = self.objects()
        assert {key: there.get(key) for key in self.foreign} == self.foreign
        assert there.keys() - self.foreign.keys() <= owned.keys()
        assert not owned.keys() & self.foreign.keys()

    def check_converged(self, desired: Mapping[str, Any], owned: Ownership) -> None:
        assert self.objects() == {**desired, **self.foreign}
        assert owned.keys() == desired.keys() - self.foreign.keys()


class SysctlLife(Life):
    """Sysctls, of which only the record knows the values from before."""

    source = "sysctl"

    def __init__(self, murderer: Murderer, place: Path, seed: int) -> None:
        super().__init__(murderer, place, seed)
        self.originals = self.values()

    def values(self) -> dict[str, str]:
        values: dict[str, str] = self.murderer.ask("read", below="net/ipv4/conf")
        return {key: value for key, value in values.items() if key not in COPIED}

    def wishes(self) -> dict[str, Any]:
        return {
            key.replace("/", "."): self.rng.choice([0, 1])
            for key in self.rng.sample(SYSCTLS, self.rng.randint(0, len(SYSCTLS)))
        }

    def disturb(self, owned: Ownership) -> None:
        key = self.rng.choice(
            [key for key in SYSCTLS if key.replace("/", ".") not in owned] or [""]
        )
        if key:
            self.originals[key] = self.rng.choice("01")
            self.murderer.ask("write", values={key: self.originals[key]})

    def check(self, owned: Ownership) -> None:
        originals = {key.replace("/", "."): value for key, value in self.originals.items()}
        for key, claim in owned.items():
            assert claim.original == originals[key]
        for path, value in self.values().items():
            if value != self.originals[path]:
                assert path.replace("/", ".") in owned

    def check_converged(self, desired: Mapping[str, Any], owned: Ownership) -> None:
        wanted = {key.replace(".", "/"): str(value) for key, value in desired.items()}
        assert self.values() == {**self.originals, **wanted}


@pytest.fixture(params=[FolderLife, SysctlLife])
def life(request: pytest.FixtureRequest, murderer: Murderer, tmp_path: Path) -> Iterator[Life]:
    life: Life = request.param(murderer, tmp_path, seed=7)
    yield life
    # Everything that was made goes, and everything foreign is as it was.
    assert life.live({})
    life.check_converged({}, life.record())
    assert life.record() == Ownership()


def test_killed_at_every_moment_of_its_life_it_loses_nothing(life: Life) -> None:
    life.die_at_every_moment()
    assert life.kills >= 20


def test_killed_at_random_moments_it_loses_nothing(life: Life) -> None:
    life.die_at_random_moments()
    assert life.kills >= KILLS
