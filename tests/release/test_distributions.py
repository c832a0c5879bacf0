"""Both distributions as users have them: built apart, and installed where there is nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from linx_async.testing.namespaces import Namespaces
from tests import lowest, outside
from tests.project_files import ROOT, project_files

OF_EVERY_SDIST = {".gitignore", "LICENSE", "pyproject.toml"}
PLUGIN = "linx_async.testing.pytest_plugin"
SOME_TESTS = ("tests/unit/test_hints.py", "tests/unit/test_model.py")
SUBSYSTEMS = ("sysctl", "cgroup", "rtnl", "netfilter")
ONE_PASS = """
import asyncio, json, sys
from linx_async import NetworkNamespace, rtnl, sysctl

async def main():
    scope = NetworkNamespace.of_pid(int(sys.argv[1]))
    reports = [
        await sysctl.reconcile({"net.ipv4.ip_forward": 1}, scope=scope),
        await rtnl.reconcile({"addresses": [("lo", "192.0.2.1", 32)]}, scope=scope),
    ]
    print(json.dumps([[report.converged, len(report.applied)] for report in reports]))

asyncio.run(main())
"""
ALL_MODULES = """
import importlib, json, pkgutil, linx_async

def public(package):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not module.name.rpartition(".")[2].startswith("_") and module.name != "linx_async.cli":
            yield module.name
            if module.ispkg:
                try:
                    yield from public(importlib.import_module(module.name))
                except ImportError:
                    pass

refused = {}
for name in public(linx_async):
    try:
        importlib.import_module(name)
    except ImportError as error:
        refused[name] = str(error)
print(json.dumps(refused))
"""


class Environment:
    """A virtual environment without pip, and without anything that is not put into it."""

    def __init__(self, path: Path) -> None:
        venv.create(path, with_pip=False)
        self.path = path
        self.python = path / "bin" / "python"
        (self.packages,) = path.glob("lib/python3.*/site-packages")

    def install(self, *what: str) -> None:
        on_the_machine("-m", "pip", "--python", str(self.python), "install", "--no-compile", *what)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, away from the checkout."""
        return subprocess.run(
            [self.path / "bin" / command[0], *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.path,
            env=without_the_checkout(),
        )

    def told(self, code: str, *arguments: str) -> Any:
        """What a script prints as JSON."""
        done = self.run("python", "-c", code, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def what_is_installed(self) -> set[str]:
        return {path.name.partition("-")[0] for path in self.packages.glob("*.dist-info")}


def without_the_checkout() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def on_the_machine(*arguments: str) -> None:
    """Run Python where there is a package registry."""
    code, said = outside_python(*arguments)
    if code:
        pytest.fail(f"python {' '.join(arguments)}:\n{said}", pytrace=False)


def outside_python(*arguments: str) -> tuple[int, str]:
    with tempfile.TemporaryDirectory(prefix="linx-tests-") as folder:
        try:
            return outside.run(
                ["env", "-u", "PYTHONPATH", sys.executable, *arguments], Path(folder)
            )
        except outside.Unreachable as error:
            return 1, str(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distributions")


@pytest.fixture(scope="module")
def registry() -> None:
    """A package registry within reach, or what comes to the same, as pip is configured."""
    look = ("download", "--quiet", "--retries", "1", "--timeout", "20", "--no-deps", "hatchling")
    code, said = outside_python("-m", "pip", *look)
    if code:
        lines = [line for line in said.splitlines() if line.startswith("ERROR")] or [said]
        reason = f"no package registry is within reach: {lines[-1]}"
        # There it is asked for, and no release is to go out unseen.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="module")
def built(registry: None, folder: Path) -> Path:
    """A folder with an sdist of the checkout, and the wheel that was made of the sdist."""
    place = folder / "dist"
    on_the_machine("-m", "build", "--outdir", str(place), str(ROOT))
    return place


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        # Python has filters since 3.11.4, and asks for one from 3.12 on.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    return folder / sdist.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return BytesParser().parsebytes(archive.read(name))


@pytest.fixture(scope="module")
def newest(wheel: Path, folder: Path) -> Environment:
    """The wheel, with the newest of what it requires."""
    environment = Environment(folder / "newest")
    environment.install(str(wheel))
    return environment


@pytest.fixture(scope="module")
def oldest(wheel: Path, folder: Path) -> Environment:
    """The wheel, with the oldest of what it requires."""
    environment = Environment(folder / "oldest")
    constraints = folder / "lowest.txt"
    constraints.write_text("\n".join(lowest.constraints()))
    environment.install("--constraint", str(constraints), str(wheel))
    return environment


@pytest.fixture(scope="module")
def with_the_command(sdist: Path, folder: Path) -> Environment:
    """The sdist, with the extra for the command."""
    environment = Environment(folder / "command")
    # pip keeps the wheel of an sdist by the path of it, where another run may have had another.
    environment.install("--no-cache-dir", f"linx-async[cli] @ {sdist.as_uri()}")
    return environment


@pytest.fixture(params=["newest", "oldest"])
def installed(request: pytest.FixtureRequest) -> Environment:
    environment: Environment = request.getfixturevalue(request.param)
    return environment


def shipped() -> set[str]:
    """The files of the checkout that others are to have; what is left lying about is not."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    places = {*tools["hatch"]["build"]["targets"]["sdist"]["only-include"], *OF_EVERY_SDIST}
    paths = {path.relative_to(ROOT) for path in project_files()}
    return {str(path) for path in paths if path.parts[0] in places}


def test_the_sdist_is_the_checkout(unpacked: Path) -> None:
    there = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert there ^ shipped() == {"PKG-INFO"}
    for needed in ("conftest.py", "docs/conf.py", "noxfile.py", "tests/conftest.py"):
        assert needed in there


def test_the_tests_run_from_the_sdist(unpacked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *SOME_TESTS],
        capture_output=True,
        text=True,
        check=False,
        cwd=unpacked,
        env=without_the_checkout(),
    )
    assert done.returncode == 0, done.stdout


def test_the_wheel_has_the_package_and_no_more(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    parts = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    package = {name for name in shipped() if name.startswith("linx_async/")}
    assert names == package | {f"{info}/{part}" for part in parts}
    assert "linx_async/py.typed" in names


def test_the_same_files_make_the_same_bytes(sdist: Path, unpacked: Path, folder: Path) -> None:
    again = folder / "again"
    on_the_machine("-m", "build", "--sdist", "--outdir", str(again), str(unpacked))
    assert (again / sdist.name).read_bytes() == sdist.read_bytes()


def test_both_distributions_install_the_same(
    newest: Environment, with_the_command: Environment
) -> None:
    def files(environment: Environment) -> dict[str, bytes]:
        package = environment.packages / "linx_async"
        paths = [path for path in package.rglob("*") if "__pycache__" not in path.parts]
        return {
            str(path.relative_to(package)): path.read_bytes() for path in paths if path.is_file()
        }

    of_wheel, of_sdist = files(newest), files(with_the_command)
    names = of_wheel | of_sdist
    assert [name for name in names if of_wheel.get(name) != of_sdist.get(name)] == []
    assert "cli/__init__.py" in names


def test_the_metadata_is_that_of_the_project(metadata: Message) -> None:
    project = lowest.project()
    assert metadata["Name"] == "linx-async"
    assert metadata["Version"] == project["version"]
    assert metadata["Requires-Python"] == project["requires-python"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert set(metadata.get_all("Provides-Extra", [])) == set(lowest.requirements()) - {""}


def test_what_a_package_index_shows_points_at_no_file_of_the_checkout(metadata: Message) -> None:
    description = metadata.get_payload()
    assert isinstance(description, str)
    assert "## Twenty lines" in description
    assert ".venv" not in description
    outside_code = re.sub(r"^```.*?^```", "", description, flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)]*)\)", outside_code)
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert "<img" not in description


def test_alone_it_takes_no_more_than_anyio_and_attrs(newest: Environment) -> None:
    of_anyio = {"idna", "typing_extensions"}
    assert newest.what_is_installed() - of_anyio == {"linx_async", "anyio", "attrs"}


def test_the_oldest_that_it_requires_are_installed(oldest: Environment) -> None:
    code = "import json; from importlib.metadata import version as v; print(json.dumps([{}]))"
    names = [requirement.partition(">=")[0] for requirement in lowest.requirements()[""]]
    told = oldest.told(code.format(", ".join(f"v({name!r})" for name in names)))
    bounds = [f"{name}=={version}" for name, version in zip(names, told, strict=True)]
    assert [re.sub(r"\.0$", "", bound) for bound in bounds] == [
        line for line in lowest.constraints() if line.partition("==")[0] in names
    ]


@pytest.mark.kernel
def test_alone_it_brings_a_namespace_to_what_is_desired(
    installed: Environment, box: Namespaces
) -> None:
    assert installed.told(ONE_PASS, str(box.pid)) == [[True, 1], [True, 1]]
    assert box.read("net.ipv4.ip_forward").strip() == "1"


def test_alone_all_that_is_public_can_be_imported_or_says_what_to_install(
    installed: Environment,
) -> None:
    refused = installed.told(ALL_MODULES)
    refused.pop(PLUGIN, None)  # which pytest alone imports
    unclear = {name: why for name, why in refused.items() if "pip install 'linx-" not in why}
    assert unclear == {}
    assert not {f"linx_async.{name}" for name in (*SUBSYSTEMS, "config", "testing")} & set(refused)


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("from linx_async.rtnl import Link; Link('v', 'vlan', parameters={'id': 1})", "rtnl"),
        ("from linx_async.metrics.prometheus import Collector", "prometheus"),
        ("from linx_async.metrics.otel import MeteredCounts", "otel"),
        ("from linx_async.testing import virtual_backend; virtual_backend('trio')", "trio"),
        ("from linx_async.cli import main; main()", "cli"),
    ],
)
def test_what_needs_an_extra_names_it(newest: Environment, code: str, extra: str) -> None:
    done = newest.run("python", "-c", code)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.endswith(f"is not installed: pip install 'linx-async[{extra}]'")


@pytest.mark.parametrize("command", [("linx",), ("python", "-m", "linx_async")])
def test_the_command_is_there_with_its_extra(
    newest: Environment, with_the_command: Environment, command: tuple[str, ...]
) -> None:
    bare = newest.run(*command, "--version")
    assert (bare.returncode, bare.stdout) == (1, "")
    assert bare.stderr == "linx: click is not installed: pip install 'linx-async[cli]'\n"
    told = with_the_command.run(*command, "--version")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == f"linx {lowest.project()['version']}\n"


@pytest.mark.kernel
def test_the_command_plans_a_file(with_the_command: Environment, tmp_path: Path) -> None:
    file = tmp_path / "desired.toml"
    other = 1 - int(Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="ascii"))
    file.write_text(f'[sysctl]\n"net.ipv4.ip_forward" = {other}\n')
    done = with_the_command.run("linx", "plan", file, "--state-dir", tmp_path)
    assert (done.returncode, done.stderr) == (2, ""), done.stdout
    assert "net.ipv4.ip_forward" in done.stdout
