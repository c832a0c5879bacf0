# The guest's first process once its root is the overlay: mounts what a Linux system has, runs the
# tests, leaves their exit code in the scratch folder, powers off. Its argument is that folder.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap '/bin/busybox poweroff -f' EXIT
set -eu
. "$1/config"
stty -onlcr

# The fresh /tmp and /run will hide these folders of the host: they are held, then put back.
mount -t tmpfs held /mnt
held=0
while IFS= read -r folder; do
  held=$((held + 1))
  mkdir "/mnt/$held"
  mount --bind "$folder" "/mnt/$held"
done <"$SCRATCH/keep"
cp "$SCRATCH/keep" /mnt/keep

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=0666 pts /dev/pts
mount -t tmpfs shm /dev/shm
ln -sf /proc/self/fd /dev/fd
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp

held=0
while IFS= read -r folder; do
  held=$((held + 1))
  mkdir -p "$folder"
  mount --move "/mnt/$held" "$folder"
done </mnt/keep
umount /mnt
mkdir -p "$SCRATCH" "$GUEST_HOME" /lib/modules
mount $SHARE "$SCRATCH"
mount --bind "$MODULES" /lib/modules
# Modules here, and built into every kernel that this one stands for.
modprobe ipv6
# Elsewhere a device file is there before it, and opening that loads it.
modprobe -q tun || true
ip link set lo up

mount -t cgroup2 cgroup2 /sys/fs/cgroup
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done

controllers=$(cat /sys/fs/cgroup/cgroup.controllers)
echo "Linux $(uname -r), cgroup controllers $controllers, disk $DISK $(cat "/sys/block/$DISK/dev")"

cd "$CHECKOUT"
code=0
sh "$SCRATCH/command" </dev/null || code=$?
echo "$code" >"$SCRATCH/exit-code"
sync
# Keeps "System halted" off the console.
echo 0 >/proc/sys/kernel/printk
