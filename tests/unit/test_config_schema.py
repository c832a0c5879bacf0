"""The JSON Schema of the file: made of the classes, shipped, and of one mind with the reader."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from linx_async.cli.schema import schema as command
from linx_async.config import ConfigError, parse
from linx_async.config.schema import schema, text
from linx_async.config.schema_types import of_type
from tests.blocks import blocks_in

ROOT = Path(__file__).resolve().parents[2]
VALIDATOR: Any = jsonschema.Draft7Validator(schema())


def blocks() -> list[Any]:
    """Every TOML block of the docs that is such a file."""
    return [
        pytest.param(block.text, id=f"{page.name}-{block.line}")
        for page in sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
        for block in blocks_in(page.read_text(encoding="utf-8"))
        if block.language == "toml" and block.reason is None
    ]


def strings(*places: str) -> Iterator[str]:
    """The text of each constant in some modules."""
    for place in places:
        for node in ast.walk(ast.parse((ROOT / place).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def examples() -> list[str]:
    """Files that the tests of the reader have, and that are right."""
    modules = [f"tests/unit/test_config{name}.py" for name in ("", "_rtnl", "_firewall_rules")]
    found = []
    for each in dict.fromkeys(strings(*modules, "tests/unit/test_config_namespaces.py")):
        try:
            parse(each)
        except ConfigError:
            continue
        found.append(each)
    return found


def test_the_schema_that_is_shipped_is_that_of_the_classes() -> None:
    shipped = resources.files("linx_async.config").joinpath("schema.json")
    # To write it anew: python -m linx_async.config.schema > linx_async/config/schema.json
    assert shipped.read_text(encoding="utf-8") == text()


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("block", blocks())
def test_a_file_of_the_docs_is_valid(block: str) -> None:
    VALIDATOR.validate(tomllib.loads(block))


def test_the_files_of_the_tests_that_can_be_read_are_valid() -> None:
    found = [each for each in examples() if each.strip()]
    assert len(found) > 25
    for each in found:
        VALIDATOR.validate(tomllib.loads(each))


@pytest.mark.parametrize(
    "mistake",
    [
        "[sysclt]\n",
        "sysctl = 1\n",
        "[sysctl]\nnet.a = 1.5\n",
        "[sysctl]\nnet.a = 1979-05-27\n",
        "[sysctl]\nintervall = 3\n",
        '[sysctl]\non_conflict = "replace"\n',
        '[sysctl]\n"net.a" = {b = [1.5]}\n',
        '[cgroup."a"]\npids = 1\n',
        "[cgroup]\nmemory = 1\n",
        '[cgroup."a"]\nmonitor = 1\n',
        "[rtnl]\nneighbors = []\n",
        "[rtnl]\nprotocol = true\n",
        '[rtnl]\non_conflict = "fight"\n',
        "[rtnl]\nlinks.eth0 = 1\n",
        "[rtnl.links.eth0]\nmut = 1\n",
        '[rtnl.links.eth0]\nup = "yes"\n',
        '[rtnl.links.eth0]\naddresses = ["10.0.0.1", {interface = "b", address = "10.0.0.1"}]\n',
        '[[rtnl.routes]]\ndestination = "default"\ngatway = "10.0.0.1"\n',
        '[[rtnl.routes]]\ngateway = "10.0.0.1"\n',
        '[rtnl]\naddresses = [["eth0"]]\n',
        '[rtnl]\naddresses = [["eth0", "10.0.0.1", 24, 1]]\n',
        "[rtnl]\nrules = [7]\n",
        '[[rtnl.routes]]\ndestination = "default"\nnexthops = [{gatway = "10.0.0.1"}]\n',
        '[netfilter]\nlifetime = "for ever"\n',
        '[netfilter]\ntext = "table inet a {}"\nfile = "a"\n',
        "[netfilter.inett.fw]\n",
        "[netfilter.inet.fw]\nchain = {}\n",
        '[netfilter.inet.fw.chains.a]\nhok = "input"\n',
        "[netfilter.inet.fw.chains.a]\nrules = [1]\n",
        "[netfilter.inet.fw.sets.a]\nelements = [1]\n",
        '[netfilter.inet.fw]\ntext = "table inet fw {}"\n[netfilter.inet.fw.chains.a]\n',
        "[options]\ninterval = '5'\n",
        "[options]\nintervall = 5\n",
        "[netns.blue.cgroup.a]\n",
        '[netns.blue]\npath = "here"\n',
        "[netns.blue]\npid = 0\n",
        '[netns.blue]\npid = 1\npath = "/proc/1/ns/net"\n',
        "[netns.blue.rtnl]\nroute = []\n",
    ],
)
def test_a_mistake_is_not_valid_and_not_read(mistake: str) -> None:
    assert not VALIDATOR.is_valid(tomllib.loads(mistake))
    with pytest.raises(ConfigError):
        parse(mistake)


def test_every_option_and_field_is_described() -> None:
    definitions = schema()["definitions"]
    link = definitions["rtnl"]["properties"]["links"]["additionalProperties"]
    for table in (definitions["options"], link, definitions["routes"]["anyOf"][0]):
        assert [name for name, each in table["properties"].items() if len(each) < 2] == []


def test_a_type_that_toml_has_no_form_for_is_an_error() -> None:
    with pytest.raises(TypeError, match="TOML has no form for it"):
        of_type(bytes)


def test_the_command_writes_it_or_where_it_is() -> None:
    runner = CliRunner()
    assert runner.invoke(command).stdout == text()
    path = runner.invoke(command, ["--path"]).stdout.strip()
    assert Path(path).read_text(encoding="utf-8") == text()
