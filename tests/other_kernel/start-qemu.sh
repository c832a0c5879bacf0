#!/bin/busybox sh
# The first process under qemu, in the initramfs: lays an overlay in memory over the host's files,
# which 9p shows read-only, and goes on inside it. $scratch is from the kernel's command line.
trap '/bin/busybox poweroff -f' EXIT
set -eu
export PATH=/bin
/bin/busybox --install -s /bin

mkdir /host /memory /guest
for module in /modules/*; do
  insmod "$module"
done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose root /host
mount -t tmpfs memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /guest

# Not chroot: in a chroot the kernel refuses new user namespaces.
exec switch_root /guest /bin/sh "$scratch/inside.sh" "$scratch"
