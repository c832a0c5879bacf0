"""The unit file that runs `linx run` as a service of systemd, with no more rights than it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from .._core.errors import LinxError

__all__ = ["Unit", "UnitError", "program"]

_UNIT = """\
# Written by `linx install-unit`. Change it with `systemctl edit {name}`.
[Unit]
Description=Keeps the kernel at what {described} says
Documentation=man:systemd.exec(5)
After=systemd-sysctl.service systemd-modules-load.service local-fs.target
# A firewall, and the rest of the file, is to be there before the network is up.
Wants=network-pre.target
Before=network-pre.target

[Service]
# READY=1 comes when each part has had its first pass.
Type=notify
NotifyAccess=main
ExecStart={program} run --state-dir %t/linx-async {file}
# A file that is wrong is refused in the log, in the status line and in `linx status`.
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={folder}
SyslogIdentifier=linx
TimeoutStartSec=5min
# The signs of life stop where a pass takes longer than this.
WatchdogSec=2min
Restart=on-failure
RestartSec=1s
# The pass under way comes to its end first; nft, which a pass may have started, ends by itself.
KillMode=mixed
TimeoutStopSec=1min
# A descriptor is held for each directory that is watched.
LimitNOFILE=524288
UMask=0077

# The records of what is ours have to outlive a restart, and to die at boot as the kernel's state
# does: so it is /run that they are in, and not /var/lib (StateDirectory=).
RuntimeDirectory=linx-async
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes

# CAP_NET_ADMIN: links, addresses, routes, rules, nf_tables, net.* sysctls.
# CAP_SYS_ADMIN: to enter another network namespace; kernel.* sysctls that ask for it.
# CAP_SYS_PTRACE: to find the namespace of another user's process, [netns.X] with a pid.
# CAP_DAC_OVERRIDE: limits of cgroups that are delegated, and so another user's.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_DAC_OVERRIDE
AmbientCapabilities=
NoNewPrivileges=yes

# All is read-only but /proc, /sys and the records; sysctls and limits are written in the former.
ProtectSystem=strict
ProtectHome={home}
PrivateTmp={tmp}
PrivateDevices=yes
PrivateMounts=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# Netlink to the kernel, local sockets to systemd and to `linx status`: nothing goes over a network.
RestrictAddressFamilies=AF_NETLINK AF_UNIX
IPAddressDeny=any
# The kinds of namespaces that have sysctls, links and firewalls, to enter those of [netns.X].
RestrictNamespaces=net uts ipc

# Left open, since it is what is kept:
# /proc/sys is written to: sysctls.
ProtectKernelTunables=no
# /sys/fs/cgroup is written to: limits.
ProtectControlGroups=no
# The machine's own network, host name (kernel.hostname) and IPC (kernel.shm*) are meant.
PrivateNetwork=no
ProtectHostname=no
PrivateIPC=no
# The root that is meant is the machine's, and its namespaces are those of other processes.
PrivateUsers=no
ProtectProc=default
ProcSubset=all

[Install]
WantedBy=multi-user.target
"""


class UnitError(LinxError):
    """A unit file cannot be made, or not written."""


def program() -> tuple[str, ...]:
    """The words of a command line that are this program, by absolute paths."""
    called = Path(sys.argv[0])
    if called.name == "linx" and called.is_absolute() and os.access(called, os.X_OK):
        return (str(called),)
    return (sys.executable, "-m", "linx_async")


@frozen
class Unit:
    """A unit file.

    Attributes:
        file: The file of desired state, by its absolute path.
        program: The words of the command line before `run`.
        name: The unit's name.
        needs: The directories that the program needs, besides those of the system.
    """

    file: str
    program: tuple[str, ...]
    name: str = "linx.service"
    needs: tuple[str, ...] = ()

    @classmethod
    def of(cls, file: str, name: str) -> Unit:
        """The unit that keeps a file by this program.

        Raises:
            UnitError: It cannot be of that name, or for that file.
        """
        if not name.endswith(".service") or "/" in name or not name.isprintable() or " " in name:
            raise UnitError(f"{name!r} is no name of a service: expected NAME.service")
        path = os.path.abspath(file)
        if file == "-" or not path.isprintable():
            raise UnitError(f"{file!r}: expected a file that is there at the next boot, too")
        package = str(Path(__file__).parents[2])
        return cls(path, program(), name, (sys.prefix, sys.base_prefix, package))

    def __str__(self) -> str:
        """Its text."""
        paths = [self.file, *self.program, *self.needs]
        folder = self.file if os.path.isdir(self.file) else os.path.dirname(self.file)
        home = _below(paths, "/home", "/root", "/run/user")
        return _UNIT.format(
            name=self.name,
            described=self.file.replace("%", "%%"),
            program=" ".join(map(_quoted, self.program)),
            file=_quoted(self.file),
            folder=folder.replace("%", "%%"),
            # What is needed of it is seen, and not written to.
            home="read-only" if home else "yes",
            tmp="no" if _below(paths, "/tmp", "/var/tmp") else "yes",  # noqa: S108 - no file there
        )

    def write(self, directory: str, *, force: bool) -> bool:
        """Write it there; blocks. Whether there was anything to do.

        Raises:
            UnitError: It cannot be written, or another one is there.
        """
        path = Path(directory, self.name)
        scratch = path.with_name(f".{self.name}.new")
        try:
            there = path.read_text(encoding="utf-8") if path.exists() else None
            if there == str(self):
                return False
            if there is not None and not force:
                raise UnitError(f"{path}: there is another one: look at it, and say --force")
            scratch.write_text(str(self), encoding="utf-8")
            scratch.chmod(0o644)
            scratch.replace(path)
        except (OSError, ValueError) as error:
            raise UnitError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        return True


def _below(paths: Iterable[str], *above: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for path in paths for each in above)


def _quoted(word: str) -> str:
    """A word of a command line, as systemd.service(5) reads it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(char in " '\"\\;" for char in escaped) else escaped
