"""`linx run --metrics`: what a scrape says of the kernel, through the real program."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from linx_async.testing.namespaces import Namespaces
from tests.kernel.program import PATIENCE, Host, Running

Scrape = dict[str, float]


@pytest.fixture
def loopback() -> None:
    """127.0.0.1 and ::1 are there."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def key(link: str) -> str:
    return f"net.ipv4.conf.{link}.arp_ignore"


def path(link: str) -> Path:
    return Path("/proc/sys/net/ipv4/conf", link, "arp_ignore")


def scraped(url: str) -> Scrape:
    """All samples by their names and labels, as they are written."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        text = answer.read().decode()
    list(text_string_to_metric_families(text))  # it is well-formed
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def scraped_once(url: str, holds: Callable[[Scrape], bool]) -> Scrape:
    """The first scrape of which that holds; the program is killed if none comes."""
    while True:
        scrape = scraped(url)
        if holds(scrape):
            return scrape


def loops(scrape: Scrape) -> set[str]:
    return {found[1] for name in scrape if (found := re.search(r'loop="([^"]*)"', name))}


def page_of(running: Running) -> str:
    return str(json.loads(running.line_with('"event": "started"'))["metrics"])


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_drift_in_the_kernel_shows_in_the_next_scrape(
    host: Host, link: str, box: Namespaces, backend: str
) -> None:
    other = f"{box.path('net')}: sysctl"
    elsewhere = f"[netns.box]\npath = {str(box.path('net'))!r}\n[netns.box.sysctl]"
    host.says("[sysctl]", f"{key(link)} = 2", elsewhere, f"{key('lo')} = 1")
    address = {"asyncio": "127.0.0.1:0", "trio": "[::1]:0"}[backend]
    with host.run("--json", "--backend", backend, "--metrics", address) as running:
        url = page_of(running)
        assert url.startswith(f"http://{address.removesuffix('0')}")
        converged = [f'linx_converged{{loop="{loop}"}}' for loop in ("sysctl", other)]
        first = scraped_once(url, lambda scrape: all(scrape.get(each) for each in converged))
        assert loops(first) == {"sysctl", other}
        assert first['linx_drift_healed_total{loop="sysctl"}'] == 0
        assert first['linx_ops_total{loop="sysctl",outcome="applied",verb="update"}'] == 1
        assert first['linx_pass_duration_seconds_count{loop="sysctl"}'] >= 1

        path(link).write_text("0")
        healed = scraped_once(
            url, lambda scrape: scrape['linx_drift_healed_total{loop="sysctl"}'] == 1
        )
        assert path(link).read_text() == "2\n"
        assert healed['linx_ops_total{loop="sysctl",outcome="applied",verb="update"}'] == 2
        assert healed['linx_hints_total{loop="sysctl"}'] >= 1
        assert healed['linx_heal_latency_seconds_count{loop="sysctl"}'] >= 1
        assert healed[f'linx_drift_healed_total{{loop="{other}"}}'] == 0

        # A reload drops a part and brings one.
        host.says("[sysctl]", f"{key(link)} = 2", '[cgroup."not/there"]', "pids.max = 1")
        running.process.send_signal(signal.SIGHUP)
        running.line_with('"event": "reloaded"')
        after = scraped_once(url, lambda scrape: other not in loops(scrape))
        assert loops(after) == {"sysctl", "cgroup not/there"}
        assert after['linx_waiting{loop="cgroup not/there"}'] == 1
        assert after['linx_converged{loop="cgroup not/there"}'] == 0
        assert after['linx_drift_healed_total{loop="sysctl"}'] == 1
        # What is connected and says nothing does not keep it from ending.
        with socket.create_connection(address_of(url)):
            assert running.end(signal.SIGTERM) == (0, "")


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").removesuffix("/metrics").rpartition(":")
    return host.strip("[]"), int(port)


@pytest.mark.usefixtures("loopback")
def test_a_port_that_is_taken_is_an_error_before_anything_is_changed(host: Host, link: str) -> None:
    host.says("[sysctl]", f"{key(link)} = 2")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = host.linx("run", "--metrics", f":{port}", "--json")
    message = f"no metrics can be served at 127.0.0.1:{port}: Address already in use"
    assert (done.returncode, done.stderr) == (1, f"linx: {message}\n")
    (event,) = map(json.loads, done.stdout.splitlines())
    assert (event["event"], event["text"]) == ("error", message)
    assert path(link).read_text() == "0\n"


@pytest.mark.usefixtures("loopback")
def test_the_line_for_people_tells_the_address(host: Host) -> None:
    host.says()
    with host.run("--metrics", "localhost:0") as running:
        line = running.line_with(f"linx: keeps nothing, as {host.file} says; metrics are at")
        assert scraped(line.rpartition(" ")[2]) == {}
        assert running.end(signal.SIGINT) == (0, "")


def test_an_address_that_is_none_is_a_wrong_call(host: Host) -> None:
    host.says()
    done = host.linx("run", "--metrics", "example.org:80")
    assert done.returncode == 1
    assert "'--metrics': expected an IP address and a port" in done.stderr


def test_without_prometheus_client_the_extra_is_named(host: Host) -> None:
    host.says()
    hidden = "import sys; sys.modules['prometheus_client'] = None"
    code = f"{hidden}; from linx_async.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--metrics", ":0", str(host.file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "pip install 'linx-async[prometheus]'" in done.stderr
