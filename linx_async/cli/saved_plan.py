"""A plan in a file: what was due, and what it was worked out from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from attrs import fields, has

from .._core.errors import LinxError
from .._core.model import Op
from .._core.store import boot_id
from .._kernel.nsfs import identity_here
from ..config import ConfigError, HostConfig, Problem
from ..config.load import load_texts, parse_texts
from .passes import Passes
from .results import PartResult
from .state import HostStore
from .why import explained, present

__all__ = ["moved", "read_saved", "save", "texts_of"]

_FORMAT: Final = "linx plan"
_VERSION: Final = 1
_LONGEST: Final = 2**28
_PASSING: Final = frozenset({"observed", "index", "raw", "state", "requires"})
"""Fields that differ from look to look: counters, timers, the numbers of links to come."""


def texts_of(file: str) -> dict[str, str]:
    """The texts of a file or directory, by absolute paths, so that they mean the same anywhere.

    Raises:
        ConfigError: One cannot be read.
    """
    return load_texts(file if file.startswith("/dev/") else os.path.abspath(file))


def save(path: str, passes: Passes, texts: Mapping[str, str]) -> None:
    """Write a plan that was worked out.

    Args:
        path: Where to.
        passes: The plan.
        texts: What it was worked out from.

    Raises:
        LinxError: It is no plan to be kept: the records are in trouble; or it cannot be written.
    """
    if passes.trouble:
        raise LinxError(f"{path}: not written: {passes.trouble}")
    plan = {
        "format": _FORMAT,
        "version": _VERSION,
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
        **_where(),
        "file": passes.config.file,
        "state_dir": str(passes.store.directory),
        "revert_on_release": passes.revert_on_release,
        "texts": dict(texts),
        "parts": [_part(result) for result in passes.results],
    }
    scratch = Path(f"{path}.new")
    try:
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps({**plan, "digest": _digest(plan)}, indent=1))
        scratch.replace(path)
    except OSError as error:
        raise LinxError(f"{path}: cannot be written: {error.strerror}") from error


def read_saved(path: str, state_dir: str | None) -> tuple[Passes, dict[str, Any]]:
    """A saved plan: the passes that it is about, not worked out yet, and the plan.

    Raises:
        LinxError: It is none, or was made elsewhere; the message says what is otherwise.
    """
    try:
        if os.path.getsize(path) > _LONGEST:
            raise LinxError(f"{path}: is too long for a saved plan")
        plan: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LinxError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise LinxError(f"{path}: is no saved plan: {error}") from None
    _check(path, plan)
    file, texts = plan["file"], plan["texts"]
    config: HostConfig = parse_texts(file, texts)
    store = HostStore(plan["state_dir"])
    if state_dir is not None and HostStore(state_dir).directory != store.directory:
        raise LinxError(f"{path}: was made with --state-dir {store.directory}")
    return Passes(config, store, plan["revert_on_release"]), plan


def moved(path: str, passes: Passes, plan: Mapping[str, Any]) -> ConfigError | None:
    """What is otherwise than when the plan was made; None where nothing is.

    Args:
        path: Where the plan is from.
        passes: The same plan worked out again.
        plan: The plan.
    """
    now = {part["part"]: part for part in (_part(result) for result in passes.results)}
    before = {part["part"]: part for part in plan["parts"]}
    problems = [Problem(path, passes.trouble)] if passes.trouble else []
    for name in [*before, *(now.keys() - before.keys())]:
        problems += [
            Problem(path, f"has moved since: {difference}", section=name)
            for difference in _differences(before.get(name), now.get(name))
        ]
    return ConfigError(problems) if problems else None


def _where() -> dict[str, str]:
    """What a plan belongs to."""
    try:
        version = metadata.version("linx-async")
    except metadata.PackageNotFoundError:
        version = ""
    return {
        "linx": version,
        "host": os.uname().nodename,
        "boot": boot_id(),
        "here": identity_here(),
    }


def _check(path: str, plan: Any) -> None:
    """Refuse what is no plan, or not one for here.

    Raises:
        LinxError: It is so.
    """
    if not isinstance(plan, dict) or plan.get("format") != _FORMAT:
        raise LinxError(f"{path}: is no saved plan")
    if plan.get("version") != _VERSION:
        raise LinxError(
            f"{path}: is a plan of format {plan.get('version')!r}, and this linx knows {_VERSION}:"
            " make it anew"
        )
    digest = plan.pop("digest", None)
    if digest != _digest(plan):
        raise LinxError(f"{path}: is damaged, or was changed by hand: make it anew")
    where = _where()
    for name, what in (
        ("linx", "by linx {}, and this is {}"),
        ("host", "on the host {}, and this is {}"),
        ("boot", "before the last boot"),
        ("here", "in other namespaces: {}, and these are {}"),
    ):
        if plan[name] != where[name]:
            raise LinxError(
                f"{path}: was made {what.format(plan[name], where[name])}: make it anew here"
            )


def _digest(plan: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def _part(result: PartResult) -> dict[str, Any]:
    """What is remembered of a part."""
    return {
        "part": result.part.name,
        "identity": result.identity,
        "owned": result.owned.to_json(),
        "ops": [{"text": explained(op), "value": _fingerprint(op)} for op in result.ops],
        "waiting": [str(each) for each in result.waiting],
        "conflicts": [str(each) for each in result.conflicts],
        "failed": [str(each) for each in result.failed],
        "error": result.error,
    }


def _differences(before: Any, now: Any) -> Iterator[str]:
    if before is None or now is None:
        yield "it is left over from another file" if before is None else "it is left over no more"
        return
    if before["identity"] != now["identity"]:
        yield "what is called so now is another one"
        return
    for key in sorted({*before["owned"], *now["owned"]}):
        if before["owned"].get(key) != now["owned"].get(key):
            yield f"our record of {key}"
    old = {op["value"]: op["text"] for op in before["ops"]}
    new = {op["value"]: op["text"] for op in now["ops"]}
    yield from (f"not due any more: {old[value]}" for value in old if value not in new)
    yield from (f"due now: {new[value]}" for value in new if value not in old)
    if list(old) != list(new) and old == new:
        yield "the order of what is due"
    for name in ("waiting", "conflicts", "failed"):
        gone = [each for each in before[name] if each not in now[name]]
        come = [each for each in now[name] if each not in before[name]]
        yield from (f"no more {name}: {each}" for each in gone)
        yield from (f"{name} now: {each}" for each in come)
    if before["error"] != now["error"]:
        yield now["error"] or f"no more: {before['error']}"


def _fingerprint(op: Op) -> str:
    """What an op does, and what it finds, as far as it tells; equal for equal ops."""
    said = [str(op), present(op), _plain(op)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """A value as lists and text, the same in each process."""
    if has(type(value)):
        said = {
            each.name: _plain(getattr(value, each.name))
            for each in fields(type(value))
            if each.name not in _PASSING
        }
        return [type(value).__name__, said]
    if isinstance(value, Mapping):
        return sorted(([_plain(key), _plain(each)] for key, each in value.items()), key=repr)
    if isinstance(value, set | frozenset):
        return sorted((_plain(each) for each in value), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.hex() if isinstance(value, bytes) else str(value)
