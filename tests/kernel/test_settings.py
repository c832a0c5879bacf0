"""What a page of the docs leaves behind is no matter to the next one."""

from __future__ import annotations

from pathlib import Path

from tests.settings import put_back, settings

IPV4 = Path("/proc/sys/net/ipv4")


def test_sysctls_are_put_back_also_those_that_others_rewrite() -> None:
    before = settings()
    for key in ("ip_forward", "conf/all/log_martians", "conf/lo/log_martians"):
        value = 1 - int((IPV4 / key).read_text())
        (IPV4 / key).write_text(str(value))
    assert settings() != before
    put_back(before)
    assert settings() == before
