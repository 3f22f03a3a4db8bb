#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Records in a virtual machine with Debian's own 6.1 kernel (KASLR on, a module loaded), and holds the functions and
# lines that stint finds for its kernel frames against addr2line and llvm-symbolizer on the same vmlinux and module.
#
# usage: tests/guest/kernel.sh [DIR]
#   DIR keeps what is downloaded (310 MB) and unpacked (1.9 GB); it is made in the build directory by default.
#   Needs qemu-system-x86, binutils, llvm-14, jq, python3, and Debian's archive the first time. Not part of make test.
#   Another kernel comes from another archive: APT_CONFIG names an apt.conf whose sources have, say, backports alone.
set -eu
cd "$(dirname "$0")/../.."
build=$(realpath "${STINT_BUILD:-build}")
dir=$(mkdir -p "${1:-$build/guest}" && realpath "${1:-$build/guest}")
here=$PWD/tests/guest

die() {
	echo "tests/guest/kernel.sh: $*" >&2
	exit 4
}

for tool in qemu-system-x86_64 addr2line jq python3 xz; do
	command -v $tool >/dev/null || die "$tool is missing: apt-get install qemu-system-x86 binutils jq python3 xz-utils"
done

# The kernel and its debug package, by Debian's own meta packages.
cd "$dir"
if [ ! -e ready ]; then
	image=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-6[^ ]*\)/\1/p')
	apt-get download "$image" "$image-dbg" busybox-static
	for deb in linux-image-*.deb busybox-static_*.deb; do
		dpkg-deb -x "$deb" root
		rm "$deb"
	done
	touch ready
fi
release=$(basename root/boot/vmlinuz-*)
release=${release#vmlinuz-}
debug=$dir/root/usr/lib/debug

rm -rf guest
mkdir -p guest/bin guest/proc guest/sys guest/dev guest/tmp
cp root/bin/busybox guest/bin/busybox
cp "$build/stint-record" guest/bin/
module=root/lib/modules/$release/kernel/drivers/block/brd.ko
if [ -e "$module" ]; then cp "$module" guest/; else xz -dc "$module.xz" >guest/brd.ko; fi
cat >guest/init <<'END'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
mount -t tracefs none /sys/kernel/tracing
echo 0 >/proc/sys/kernel/kptr_restrict
insmod /brd.ko rd_nr=1 rd_size=16384
(while :; do dd if=/dev/zero of=/dev/ram0 bs=64k count=256 conv=fsync 2>/dev/null; done) &
(while :; do find / -xdev >/dev/null; cat /proc/kallsyms >/dev/null; done) &
stint-record -a -F 499 -d 8 -o /tmp/r.stint
echo "recorder: $?"
# A CPU that goes away and comes back is recorded again, or said not to be where the kernel's BTF lacks cpuhp_enter.
cd /tmp
stint-record -a -F 499 --flush=100ms -o h.stint 2>h.err &
recorder=$!
until [ -s h.stint ]; do sleep 0.1; done
sleep 1
echo 0 >/sys/devices/system/cpu/cpu1/online
echo 1 >/sys/devices/system/cpu/cpu1/online
sleep 2
kill -INT $recorder
wait $recorder
echo "recorder, with a CPU less: $?"
cat h.err
grep -w _text /proc/kallsyms | sed 's/^/text: /'
base64 /tmp/r.stint >/dev/ttyS1
poweroff -f
END
chmod +x guest/init
"$here/initramfs.py" guest initramfs.gz
rm -f recorded.base64
timeout 900 qemu-system-x86_64 -accel tcg -m 1024 -smp 2 -nographic -no-reboot -monitor none \
	-kernel "root/boot/vmlinuz-$release" -initrd initramfs.gz -append "console=ttyS0 quiet panic=-1" \
	-serial file:console.txt -serial file:recorded.base64 </dev/null || die "qemu: $? (see $dir/console.txt)"
grep -q 'recorder: 0' console.txt || die "the recorder failed in the guest: $(tail -n 20 console.txt)"
grep -q 'recorder, with a CPU less: 0' console.txt && grep -E 'on CPUs that came online|came online while recording' console.txt ||
	die "a CPU that came back wasn't noticed: $(tail -n 20 console.txt)"
tr -d '\r' <recorded.base64 | base64 -d >kernel.stint
grep 'text: ' console.txt
"$build/stint" verify kernel.stint

# What the recording itself says, then the same with the debug files.
"$build/stint" report --limit=5 kernel.stint
"$build/stint" report --limit=15 --symbols "$debug" --group=line kernel.stint
time "$build/stint" pack --symbols "$debug" kernel.stint -o packed.stint >missing.txt
exec "$here/compare.py" "$build/stint" kernel.stint packed.stint "$debug/boot/vmlinux-$release" \
	"$debug/lib/modules/$release/kernel/drivers/block/brd.ko"
