#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Lines and inlined functions of kernel frames, from small files that are built as vmlinux and modules are. The real
# ones are tested by tests/guest/kernel.sh.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export ROOT=$PWD BUILD=$PWD/${STINT_BUILD:-build}
	case ${STINT_BUILD:-build} in /*) BUILD=$STINT_BUILD ;; esac
	cd "$BATS_FILE_TMPDIR" || return 1
	cat >kernel.c <<-'END'
		volatile int sink;
		static inline __attribute__((always_inline)) int deep(int x) { return x * sink; }
		__attribute__((noinline)) int before(int x) { return deep(x) + 7; }
		__attribute__((noinline)) int fault(int x)
		{
			int y = deep(x + 1);
			sink = y;
			return before(y) + 1;
		}
		__attribute__((noinline, section(".text.unlikely"))) int slow_path(int x) { return deep(x) - 3; }
		__attribute__((noinline, section(".init.text"))) int once(int x) { return deep(x) - 5; }
		void _start(void) { sink = fault(sink) + slow_path(sink) + once(sink); }
	END
	local flags="-g -O2 -mcmodel=kernel -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none"
	mkdir kernel modules
	gcc $flags -c kernel.c -o kernel.o
	ld -static --build-id -Ttext=0xffffffff81000000 --defsym=_text=0xffffffff81000000 kernel.o -o kernel/vmlinux-6.1.0-test
	ld -r --build-id kernel.o -o modules/my-driver.ko
	gcc $flags -c -x c - -o other.o <<<"$(cat kernel.c; echo 'int other(void) { return 5; }')"
	mkdir -p all/lib/modules/6.1.0-test/kernel/drivers
	ld -r --build-id other.o -o all/lib/modules/6.1.0-test/kernel/drivers/elsewhere.ko
	describe >description
	"$BUILD/tools/make_recording" rec.stint <description
}

build_id() {
	readelf -n "$1" | sed -n 's/.*Build ID: //p' | sed 's/../%&/g'
}

# value FILE SYMBOL
value() {
	echo $((0x$(nm "$1" | awk -v s="$2" '$3 == s {print $1}')))
}

# Of the module, .text.unlikely is laid out behind .text, in the order of the file.
describe() {
	local ko=modules/my-driver.ko vm=kernel/vmlinux-6.1.0-test text
	text=$(value $vm _text)
	echo "meta start_ns 1000000000000"
	echo "meta end_ns 1000100000000"
	echo "thread MAIN 100 100 program"
	echo "module K kernel [kernel] $(build_id $vm)"
	echo "module D kmod my_driver $(build_id $ko)"
	echo "module X kmod elsewhere $(build_id all/lib/modules/6.1.0-test/kernel/drivers/elsewhere.ko)"
	echo "symbol K $(($(value $vm fault) - text)) 0x20 fault"
	echo "symbol D $(value $ko fault) 0x20 fault"
	echo "symbol X $(($(value $ko fault) + 64)) 0x20 fault"
	echo "stack K 1 1 k!K:+$(printf 0x%x $(($(value $vm fault) - text + 4)))"
	echo "stack D 1 1 k!D:+$(printf 0x%x $(($(value $ko fault) + 4)))"
	echo "stack U 1 1 k!D:+$(printf 0x%x $(($(unlikely_at) + 1)))"
	echo "stack X 1 1 k!X:+$(printf 0x%x $(($(value $ko fault) + 68)))"
	for stack in K D U X; do
		echo "sample 1us 0 MAIN $stack"
	done
}

# Where the kernel would put .text.unlikely of the module.
unlikely_at() {
	python3 - modules/my-driver.ko <<-'END'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		shoff, = struct.unpack_from("<Q", data, 40)
		n, strndx = struct.unpack_from("<HH", data, 60)
		heads = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + 64 * i) for i in range(n)]
		name = lambda h: data[heads[strndx][4] + h[0]:].split(b"\0")[0].decode()
		at = 0
		for head in heads:
		    if head[2] & 6 == 6 and not name(head).startswith(".init"):
		        at = (at + head[8] - 1) // head[8] * head[8]
		        if name(head) == ".text.unlikely":
		            print(at)
		        at += head[5]
	END
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	stint=$BUILD/stint
}

# "function line" of a stack's functions, one stack a line, of the module that matches.
chains() {
	"$stint" report --group=stack --format=json "$@" rec.stint |
		jq -r '.rows[] | [.frames[] | "\(.name) \(.file // "-" | sub(".*/"; "")):\(.line // 0)"] | join(", ")' | sort
}

@test "without files, the names that the recording has" {
	chains | tee got
	[ "$(grep -c '^fault -:0$' got)" -eq 3 ]
	grep -q '^my_driver+0x' got
}

@test "vmlinux by --symbols: lines and inlined functions, as addr2line has them" {
	chains --symbols=kernel | tee got
	grep -q '^deep kernel.c:2, fault kernel.c:6$' got
	[ "$("$stint" info --format=json --symbols=kernel rec.stint | jq -r '.modules[] | select(.path == "[kernel]") | .symbols')" = \
		"elf: kernel/vmlinux-6.1.0-test" ]
}

@test "a directory's name is no pattern" {
	mkdir 'odd [x]*?\' 'odd[x]' oddx
	cp kernel/vmlinux-6.1.0-test 'odd [x]*?\'
	chains '--symbols=odd [x]*?\' | grep -q '^deep kernel.c:2, fault kernel.c:6$'
	cp kernel/vmlinux-6.1.0-test oddx
	[ "$(chains '--symbols=odd[x]' | grep -c kernel.c)" -eq 0 ]
}

@test "a module's relocatable file: laid out and relocated, and refused where it doesn't fit" {
	chains --symbols=modules | tee got
	# modules/my-driver.ko stands where only its name tells: a dash there is an underscore in the kernel.
	[ "$(grep -c '^deep kernel.c:2, fault kernel.c:6$' got)" -eq 1 ]
	grep -q 'deep kernel.c:2, slow_path kernel.c:10$' got
	chains --symbols=all >got
	[ "$(grep -c 'kernel.c' got)" -eq 0 ]
	"$stint" info --format=json --symbols=all rec.stint | jq -r '.modules[].symbols' |
		grep '^recording; its sections lie otherwise than in elf: all/lib/modules/6.1.0-test/kernel/drivers/elsewhere.ko$'
}

@test "a kernel of another build is refused" {
	mkdir -p wrong
	gcc -g -O2 -nostdlib -static -Wl,--build-id -Wl,--defsym=_text=0 -x c - -o wrong/vmlinux <<<'void _start(void) {}'
	chains --symbols=wrong >got
	! grep -q kernel.c got || false
}

@test "vmlinux and a module from a debuginfod server: by build ID alone" {
	ldconfig -p | grep -q libdebuginfod.so.1 || skip "libdebuginfod is not installed"
	local file id
	export DEBUGINFOD_CACHE_PATH=$BATS_TEST_TMPDIR/cache
	for file in kernel/vmlinux-6.1.0-test modules/my-driver.ko; do
		id=$(readelf -n "$file" | sed -n 's/.*Build ID: //p')
		mkdir -p "$BATS_TEST_TMPDIR/buildid/$id"
		objcopy --only-keep-debug "$file" "$BATS_TEST_TMPDIR/buildid/$id/debuginfo"
	done
	chains --debuginfod="file://$BATS_TEST_TMPDIR" | tee got
	[ "$(grep -c '^deep kernel.c:2, fault kernel.c:6$' got)" -eq 2 ]
	grep -q 'deep kernel.c:2, slow_path kernel.c:10$' got
}

@test "packed, and read without the files" {
	"$stint" pack --symbols=kernel --symbols=modules rec.stint -o packed.stint
	"$stint" report --group=line --symbols=kernel --symbols=modules rec.stint >here
	"$stint" report --group=line packed.stint | sed 's/packed\.stint/rec.stint/' >there
	cmp here there
	grep -q 'kernel.c:2' there
}
