"""The project's checks, one session each, and the recordings that its docs show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "docs"]

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
SKIPPED = 77


# Shims find only the versions that are switched on; a pyenv's own folders have them all.
PYENV = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
PYENV_BINS = [str(path.parent) for path in PYENV.glob("versions/*/bin/python3.1[1-9]")]
os.environ["PATH"] = os.pathsep.join([*PYENV_BINS, os.environ["PATH"]])


def install(session: nox.Session, *more: str) -> None:
    """Install the checkout with everything its checks need."""
    session.install("--quiet", "--editable", ".[dev]", *more)


@nox.session
def lint(session: nox.Session) -> None:
    """Lint, and check the format."""
    install(session)
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, and that the public ones are complete."""
    # The extra brings a node with it, which no package of the distribution need supply.
    install(session, "pyright[nodejs]")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "linx_async", "--ignoreexternal")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every supported Python that is there."""
    install(session)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the docs with warnings as errors, and run their examples."""
    install(session)
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build")
    session.run("python", "-m", "pytest", "docs", "README.md", *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows, on the lowest Python."""
    constraints = Path(session.create_tmp()) / "lowest.txt"
    told = session.run("python", "tests/lowest.py", silent=True)
    constraints.write_text(str(told))
    install(session, "--constraint", str(constraints))
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def links(session: nox.Session) -> None:
    """Ask for every page of the web that the docs link to, where there is a network."""
    install(session)
    run_or_skip(session, ["python", "-m", "tests.links"])


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks, each a script that prints what it measured."""
    scripts = sorted(ROOT.glob("tests/bench/bench_*.py"))
    if not scripts:
        session.skip("there are no benchmarks")
    install(session)
    for script in scripts:
        session.run("python", str(script.relative_to(ROOT)), *session.posargs)


@nox.session
def kernel(session: nox.Session) -> None:
    """Run the kernel tests under another kernel, which has what this one lacks."""
    script = ROOT / "tests" / "other_kernel" / "run"
    if not script.exists():
        session.skip(f"{script.relative_to(ROOT)} is not there")
    install(session)
    run_or_skip(session, [str(script), *session.posargs])


@nox.session
def fuzz(session: nox.Session) -> None:
    """Feed mutated dumps to every decoder, for as many seconds as are given, or three minutes."""
    install(session)
    run_or_skip(session, ["python", "-m", "tests.fuzz", *session.posargs])


@nox.session
def soak(session: nox.Session) -> None:
    """Tell random stories over the real kernel, for the seconds that are given, or ten minutes."""
    install(session)
    run_or_skip(session, ["python", "-m", "tests.soak", *session.posargs])


@nox.session
def recordings(session: nox.Session) -> None:
    """Record what the docs show of the program in a terminal, all of it or what is named."""
    install(session)
    run_or_skip(session, ["python", "-m", "tests.recordings", *session.posargs])


def run_or_skip(session: nox.Session, command: list[str]) -> None:
    """Run a command that may say by its exit code that it cannot be run here."""
    code, last_line = run_and_tell(session, command)
    if code == SKIPPED:
        session.skip(last_line.removeprefix("skipped: "))
    if code != 0:
        session.error(f"{' '.join(command)} exited with {code}: {last_line}")


def run_and_tell(session: nox.Session, command: list[str]) -> tuple[int, str]:
    """Run a command in the session's environment; give its exit code and last line."""
    venv = Path(session.virtualenv.location).resolve()
    env = os.environ | {
        "PATH": os.pathsep.join([str(venv / "bin"), os.environ["PATH"]]),
        "VIRTUAL_ENV": str(venv),
    }
    last_line = ""
    with subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            last_line = line.strip() or last_line
    return process.returncode, last_line
