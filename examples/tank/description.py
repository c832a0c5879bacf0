"""Containers from a file of TOML: everything is checked, and an error names the field."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, fields, frozen

from examples.tank.container import (
    PROC,
    Container,
    Firewall,
    IdMap,
    Mount,
    Spawn,
    Veth,
    own_ids,
    with_link,
)
from linx_async import DesiredStateError, Restart, cgroup, rtnl, sysctl

__all__ = ["container", "read"]

NAMESPACES: Final = ("user", "mount", "pid", "uts", "ipc", "net")
MOUNT_FLAGS: Final = ("ro", "nosuid", "nodev", "noexec")
LIFETIMES: Final = ("persist", "socket", "shared")
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}


def read(path: Path) -> tuple[Container, ...]:
    """The containers that a file describes. Blocks.

    Raises:
        DesiredStateError: It is wrong, or cannot be read.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DesiredStateError(f"{path}: {error}") from error
    if not tables:
        raise DesiredStateError(f"{path}: it describes no container")
    try:
        return tuple(container(name, table) for name, table in tables.items())
    except DesiredStateError as error:
        raise DesiredStateError(f"{path}: {error}") from error


def container(name: str, given: Any) -> Container:
    """A container from its table.

    Raises:
        DesiredStateError: It is wrong; the message names the field.
    """
    if not name or {"/", "\0"} & set(name) or name.startswith("."):
        raise DesiredStateError(f"{name!r}: this is no name of a container")
    table = Table(name, given)
    namespaces = table.words("namespaces", NAMESPACES, known=NAMESPACES)
    proc = table.part("proc", flag, {"mount", "pid"} <= set(namespaces))
    made = Container(
        name,
        Spawn(
            command=table.words("command"),
            namespaces=tuple(kind for kind in NAMESPACES if kind in namespaces),
            hostname=table.text("hostname", name if "uts" in namespaces else ""),
            mounts=(*([PROC] if proc else []), *table.each("mounts", mount, ())),
            uids=table.each("uids", id_map, own_ids(os.geteuid())),
            gids=table.each("gids", id_map, own_ids(os.getegid())),
            environment={**ENVIRONMENT, **table.part("environment", texts, {})},
            directory=table.text("directory", "/"),
        ),
        table.part("veth", veth, None),
        table.part("host", rtnl.Desired.of, rtnl.Desired()),
        with_link(table.part("network", rtnl.Desired.of, rtnl.Desired()), "lo"),
        table.part("sysctl", sysctl.Desired, sysctl.Desired({})),
        table.part("firewall", firewall, None),
        table.part("limits", cgroup.Desired, cgroup.Desired({})),
        table.part("restart", lambda value: of(Restart, value), Restart()),
    )
    table.refuse_others()
    refuse_what_is_the_hosts(made, given)
    return made


def refuse_what_is_the_hosts(made: Container, given: Mapping[str, Any]) -> None:
    """What is in a namespace takes one of its own: else it would be done to the host.

    Raises:
        DesiredStateError: It has none.
    """
    only_net = all(key.startswith("net") for key in made.sysctl.settings)
    needed = {
        "veth": {"net"},
        "network": {"net"},
        "firewall": {"net"},
        "sysctl": {"net"} if only_net else {"net", "uts", "ipc"},
        "hostname": {"uts"},
        "mounts": {"mount"},
        "proc": {"mount", "pid"},
        "uids": {"user"},
        "gids": {"user"},
    }
    for key, kinds in needed.items():
        missing = kinds - set(made.spawn.namespaces)
        if key in given and missing:
            raise DesiredStateError(
                f"{made.name}: {key}: it has no {' and no '.join(sorted(missing))} namespace of "
                "its own: add it to namespaces"
            )
    if "host" in given and made.veth is None:
        raise DesiredStateError(f"{made.name}: host: there is no end of a veth on the host: add it")


@frozen
class Table:
    """A table of the file, of which each key is asked for, and what is left over is refused."""

    name: str
    given: Any
    asked: set[str] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.given, Mapping):
            raise DesiredStateError(f"{self.name}: expected a table, got {self.given!r}")

    def part(self, key: str, make: Any, otherwise: Any) -> Any:
        """What is made of the value of a key."""
        self.asked.add(key)
        if key not in self.given:
            return otherwise
        try:
            return make(self.given[key])
        except DesiredStateError as error:
            raise DesiredStateError(f"{self.name}: {key}: {error}") from error

    def text(self, key: str, otherwise: str) -> str:
        """A value that is text."""
        found: str = self.part(key, text, otherwise)
        return found

    def words(
        self, key: str, otherwise: tuple[str, ...] | None = None, *, known: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """A list of words, which has to be there and not be empty where nothing is said."""
        if otherwise is None and not self.given.get(key):
            raise DesiredStateError(f"{self.name}: {key}: it is missing")
        found: tuple[str, ...] = self.part(key, lambda value: words(value, known), otherwise)
        return found

    def each(self, key: str, make: Any, otherwise: tuple[Any, ...]) -> tuple[Any, ...]:
        """A list, and what is made of each entry."""
        found: tuple[Any, ...] = self.part(
            key, lambda value: tuple(make(entry) for entry in items(value)), otherwise
        )
        return found

    def refuse_others(self) -> None:
        """Raise a DesiredStateError for keys that nobody has asked for."""
        for key in self.given:
            if key not in self.asked:
                known = ", ".join(sorted(self.asked))
                raise DesiredStateError(f"{self.name}: {key!r} is not known; expected {known}")


def of(kind: Any, value: Any) -> Any:
    """An attrs class from a table of its fields."""
    if not isinstance(value, Mapping):
        raise DesiredStateError(f"expected a table, got {value!r}")
    known = [each.name for each in fields(kind) if each.name != "compiled"]
    for key in value:
        if key not in known:
            raise DesiredStateError(f"{key!r} is not known; expected {', '.join(known)}")
    try:
        return kind(**value)
    except TypeError as error:
        raise DesiredStateError(f"{value!r}: {error}") from error


def flag(value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise DesiredStateError(f"expected true or false, got {value!r}")
    return value


def text(value: Any) -> str:
    """Text that a system call takes."""
    if not isinstance(value, str) or "\0" in value:
        raise DesiredStateError(f"expected text, got {value!r}")
    return value


def texts(value: Any) -> dict[str, str]:
    """A table of texts."""
    if not isinstance(value, Mapping):
        raise DesiredStateError(f"expected a table, got {value!r}")
    return {text(key): text(each) for key, each in value.items()}


def items(value: Any) -> list[Any]:
    """A list."""
    if not isinstance(value, list | tuple):
        raise DesiredStateError(f"expected a list, got {value!r}")
    return list(value)


def words(value: Any, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A list of texts, of known ones where only some are."""
    found = tuple(text(each) for each in items(value))
    for each in found:
        if known and each not in known:
            raise DesiredStateError(f"{each!r} is not known; expected {', '.join(known)}")
    return found


def mount(value: Any) -> Mount:
    """A mount from its table."""
    made: Mount = of(Mount, value)
    flags = words(made.flags, MOUNT_FLAGS)
    for part in (made.kind, made.target, made.source, made.options):
        text(part)
    if made.kind == "bind" and not made.source:
        raise DesiredStateError(f"{made.target}: a bind mount needs a source")
    return evolve(made, flags=flags)


def veth(value: Any) -> Veth:
    """A pair of links from its table."""
    made: Veth = of(Veth, value)
    rtnl.Link(made.host, kind="veth", peer=made.container)  # refuses what are no names
    return made


def firewall(value: Any) -> Firewall:
    """A firewall from its table."""
    made: Firewall = of(Firewall, value)
    if not isinstance(made.table, str):
        raise DesiredStateError(f"table: expected text, got {made.table!r}")
    if made.lifetime not in LIFETIMES:
        raise DesiredStateError(f"lifetime: expected {LIFETIMES}, got {made.lifetime!r}")
    return made


def id_map(value: Any) -> IdMap:
    """Three numbers."""
    found = items(value)
    if len(found) != 3 or any(type(each) is not int or each < 0 for each in found):
        raise DesiredStateError(f"expected [inside, outside, count], got {value!r}")
    return found[0], found[1], found[2]
