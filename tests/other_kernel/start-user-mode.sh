# The first process of the user-mode kernel: lays an overlay in memory over the host's files, which
# hostfs shows read-only, and goes on inside it. Its argument is the scratch folder.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap '/bin/busybox poweroff -f' EXIT
set -eu
. "$1/config"

mount -t proc proc /proc
insmod "$MODULES/$(uname -r)/kernel/fs/overlayfs/overlay.ko"
mount -t tmpfs memory /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root

# Not chroot: in a chroot the kernel refuses new user namespaces.
cd /mnt/root
pivot_root . mnt
umount -l /mnt
exec sh "$SCRATCH/inside.sh" "$SCRATCH"
