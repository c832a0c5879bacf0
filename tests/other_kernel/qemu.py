"""Debian's Linux 6.1 under qemu, which emulates the processor; the kernel is never installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.other_kernel import packages
from tests.other_kernel.guest import HERE, Kernel

# Only this series: under this qemu, 6.12 crashes two times in three.
IMAGE = re.compile(r"linux-image-(6\.1\.\S*-amd64)")
NEEDED_TO_START = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "overlay")
DISK = "vda"


def prepare(scratch: Path, disk: Path) -> Kernel:
    """Installs and downloads what is missing; raises Unavailable where that cannot be done."""
    packages.require(
        ["qemu-system-x86", "kmod", "busybox-static", "nftables"],
        ["qemu-system-x86_64", "modprobe", "busybox", "setpriv", "nft"],
    )
    image = unpacked_image()
    release = image.name.removeprefix("linux-image-")
    initramfs = pack_initramfs(scratch, image, release)
    command = [
        "qemu-system-x86_64",
        *("-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2", "-m", "1G"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"),
        *share("root", Path("/"), "readonly=on,multidevs=remap"),
        *share("scratch", scratch, "multidevs=remap"),
        *("-drive", f"file={disk},format=raw,if=virtio"),
        *("-kernel", f"{image}/boot/vmlinuz-{release}", "-initrd", str(initramfs)),
        *("-append", f"console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off scratch={scratch}"),
    ]
    return Kernel(
        kind="qemu",
        command=command,
        modules=image / "lib/modules",
        disk=DISK,
        share="-t 9p -o trans=virtio,version=9p2000.L,msize=512000 scratch",
    )


def share(tag: str, folder: Path, options: str) -> list[str]:
    """The options that show a folder of the host to the guest, which mounts it by its tag."""
    return [
        *("-fsdev", f"local,id={tag},path={folder},security_model=none,{options}"),
        *("-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"),
    ]


def unpacked_image() -> Path:
    """The newest kernel package that is unpacked here; downloads one where there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "linx-async"
    unpacked = [path for path in cache.glob("linux-image-*") if IMAGE.fullmatch(path.name)]
    if unpacked:
        return max(unpacked, key=version)
    if os.geteuid() == 0:
        packages.apt("apt-get", "update")
    found = IMAGE.search(packages.apt("apt-cache", "depends", "linux-image-amd64"))
    if not found:
        raise packages.Unavailable("the package linux-image-amd64 here is not Debian's Linux 6.1")
    return download(found.group(), found.group(1), cache)


def version(image: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", image.name)]


def download(name: str, release: str, cache: Path) -> Path:
    """Downloads the kernel package and unpacks it into the cache."""
    print(f"downloading {name} to {cache}", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    # A folder has its final name only once it is complete.
    with tempfile.TemporaryDirectory(prefix="partial-", dir=cache) as partial:
        packages.apt("apt-get", "download", name, folder=Path(partial))
        (package,) = Path(partial).glob("*.deb")
        image = Path(partial) / "image"
        subprocess.run(["dpkg", "-x", package, image], check=True)
        subprocess.run(["depmod", "-b", image, release], check=True)
        return image.rename(cache / name)


def pack_initramfs(scratch: Path, image: Path, release: str) -> Path:
    """Packs what can mount the host's files: busybox, the modules it takes, and a script."""
    tree = scratch / "initramfs"
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy(shutil.which("busybox") or "/bin/busybox", tree / "bin")
    shutil.copy(HERE / "start-qemu.sh", tree / "init")
    (tree / "init").chmod(0o755)
    for number, module in enumerate(modules_to_start(image, release)):
        shutil.copy(module, tree / "modules" / f"{number:02}-{module.name}")
    archive = scratch / "initramfs.cpio"
    names = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    with archive.open("wb") as output:
        subprocess.run(
            ["busybox", "cpio", "-o", "-H", "newc"],
            cwd=tree,
            input=names.encode(),
            stdout=output,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    return archive


def modules_to_start(image: Path, release: str) -> list[Path]:
    """The module files, each after those that it depends on."""
    listed = subprocess.run(
        ["modprobe", "-a", "-d", image, "-S", release, "--show-depends", *NEEDED_TO_START],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = [line.split() for line in listed.stdout.splitlines()]
    return [Path(line[1]) for line in dict.fromkeys(map(tuple, lines)) if line[0] == "insmod"]
