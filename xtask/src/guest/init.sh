#!/usr/bin/busybox sh
# First process of a test guest. Everything it does ends with the guest.
export PATH=/usr/sbin:/usr/bin HOME=/root TERM=linux
/usr/bin/busybox --install -s /usr/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for place in /dev/shm /tmp /run; do mount -t tmpfs tmpfs "$place"; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
mkdir -p /run/netns
while read -r module; do
    insmod "$module" || echo "init: $module was not loaded"
done < /modules/order
mkdir -p /dev/net
[ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200
ip link set lo up
hostname guest
cd /root
if [ -f /command ]; then
    # Raw, so that no newline becomes two bytes.
    stty -F /dev/ttyS1 raw -echo 115200
    exec 3> /dev/ttyS1
    sh /command < /dev/null > /dev/ttyS1 2> /dev/console
    printf '\n%s %d\n' "$(cat /modules/token)" "$?" >&3
    exec 3>&-
else
    setsid cttyhack sh
fi
sync
poweroff -f
