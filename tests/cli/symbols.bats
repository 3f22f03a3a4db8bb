#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Addresses to functions, inlined functions and lines: what two of addr2line, llvm-symbolizer and gdb agree on,
# and the same answers wherever the debug information was moved to. The programs are built here.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export ROOT=$PWD BUILD=$PWD/${STINT_BUILD:-build}
	case ${STINT_BUILD:-build} in /*) BUILD=$STINT_BUILD ;; esac
	export SYMBOLIZE=$BUILD/tools/symbolize
	make -s "$SYMBOLIZE" "BUILD=${STINT_BUILD:-build}" >/dev/null 2>&1 || [ -x "$SYMBOLIZE" ] || return 1
	cp tests/symbols/program.cc "$BATS_FILE_TMPDIR"
	cd "$BATS_FILE_TMPDIR" || return 1
	g++ -O2 -g program.cc -o plain
	strip -s plain -o stripped
	/usr/bin/python3 -c "
import sys
sys.path.insert(0, '$ROOT/tests/symbols')
import compare
print('\n'.join(hex(a + i) for a, size in compare.functions('plain') for i in range(0, size, 3)))" >addresses
	"$SYMBOLIZE" plain <addresses >plain.out 2>/dev/null
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

# The answers for the plain program from another place. usage: same ARGUMENT... FILE
same() {
	"$SYMBOLIZE" "$@" <addresses >out 2>err
	cat err
	cmp plain.out out
}

# Whether a program's addresses are asked for at once or one after the other is the same. usage: at_once FILE
at_once() {
	/usr/bin/python3 -c "
import sys
sys.path.insert(0, '$ROOT/tests/symbols')
import compare
print('\n'.join(hex(a + i) for a, size in compare.functions('$1') for i in range(0, size + 2, 3)))" >at_once
	[ "$(wc -l <at_once)" -gt 500 ]
	"$SYMBOLIZE" "$1" <at_once >at_once.out
	"$SYMBOLIZE" -1 "$1" <at_once >singly.out
	cmp at_once.out singly.out
}

agree() {
	at_once "$1"
	need addr2line gdb llvm-symbolizer-14
	/usr/bin/python3 "$ROOT/tests/symbols/compare.py" -n 400 -v --tool "$SYMBOLIZE" "$1" | cut -c1-1000
	return "${PIPESTATUS[0]}"
}

build_id() {
	readelf -n "$1" | sed -n 's/.*Build ID: //p'
}

# What follows is written in the assembly of one machine.
x86_64_only() {
	[ "$(uname -m)" = x86_64 ] || skip "the test's assembly is for x86-64"
}

@test "the answers aren't empty" {
	[ "$(grep -c '^app::' plain.out)" -gt 100 ]
	[ "$(grep -c 'program.cc:[1-9]' plain.out)" -gt 100 ]
	[ "$(grep -c '^0x' plain.out)" -lt "$(($(wc -l <plain.out) / 4))" ]
}

@test "gcc, DWARF 5" {
	agree plain
}

@test "gcc, DWARF 4" {
	g++ -O2 -gdwarf-4 program.cc -o variant
	agree variant
}

@test "gcc, -g1" {
	g++ -O2 -g1 program.cc -o variant
	agree variant
}

@test "gcc, type units and one section a function" {
	g++ -O2 -g -fdebug-types-section -ffunction-sections -Wl,--gc-sections program.cc -o variant
	agree variant
}

@test "gcc, link-time optimization" {
	g++ -O3 -g -flto program.cc -o variant 2>/dev/null
	agree variant
}

@test "clang, DWARF 5, no .debug_aranges" {
	need clang++-14
	clang++-14 -O2 -g program.cc -o variant
	agree variant
}

@test "clang, DWARF 4" {
	need clang++-14
	clang++-14 -O2 -gdwarf-4 program.cc -o variant
	agree variant
}

@test "split DWARF: .dwo files, then a package, give the same" {
	need dwp
	mkdir -p split
	g++ -O2 -gsplit-dwarf -gdwarf-4 program.cc -o split/with_dwo
	"$SYMBOLIZE" split/with_dwo <addresses >dwo.out 2>/dev/null
	[ "$(grep -c '^app::' dwo.out)" -gt 100 ]
	dwp -e split/with_dwo -o split/moved.dwp
	mv split/with_dwo split/moved
	rm split/*.dwo
	"$SYMBOLIZE" split/moved <addresses >dwp.out 2>/dev/null
	cmp dwo.out dwp.out
	agree split/moved
}

@test "a .dwo file of another compilation isn't used" {
	mkdir -p stale
	g++ -O2 -g -gsplit-dwarf program.cc -o stale/one
	g++ -O0 -g -gsplit-dwarf program.cc -o stale/two
	"$SYMBOLIZE" stale/one <addresses >out 2>err
	! grep -q 'not found' err || false
	mv stale/two-*.dwo stale/one-*.dwo
	"$SYMBOLIZE" stale/one <addresses >out 2>err
	[ "$(grep -c '^app::' out)" -gt 100 ] # by the symbol table
	grep -q '1 split DWARF files not found, such as .*one-program.dwo' err
}

@test "split DWARF by clang, DWARF 5" {
	need clang++-14
	mkdir -p csplit
	(cd csplit && cp ../program.cc . && clang++-14 -O2 -gsplit-dwarf -gdwarf-5 program.cc -o variant)
	agree csplit/variant
}

@test "compressed debug sections: zlib, zstd and the old form" {
	for how in zlib zstd zlib-gnu; do
		objcopy --compress-debug-sections=$how plain compressed 2>/dev/null || continue
		same compressed
	done
}

@test "a debug file by its .gnu_debuglink" {
	mkdir -p link/.debug
	objcopy --only-keep-debug plain link/.debug/plain.debug
	objcopy --strip-all --add-gnu-debuglink=link/.debug/plain.debug plain link/plain
	same link/plain
	grep -q 'debug: .*/link/.debug/plain.debug' err
}

@test "without a build ID, the debug link's checksum decides" {
	mkdir -p crc/.debug
	g++ -O2 -g -Wl,--build-id=none program.cc -o crc/full
	objcopy --only-keep-debug crc/full crc/.debug/p.debug
	objcopy --strip-all --add-gnu-debuglink=crc/.debug/p.debug crc/full crc/p
	"$SYMBOLIZE" crc/p <addresses >out 2>err
	cmp plain.out out
	printf x >>crc/.debug/p.debug
	"$SYMBOLIZE" crc/p <addresses >out 2>err
	! cmp -s plain.out out || false
}

@test "without build IDs, a program goes by its path, and it is said that nothing could be checked" {
	g++ -O2 -g -Wl,--build-id=none program.cc -o nameless
	for part in "meta start_ns 1000000000000" "meta end_ns 1000100000000" "thread MAIN 100 100 program" \
		"module APP file $PWD/nameless" "stack S 1 0 APP:+0x$(nm nameless | awk '$3 == "main" {print $1}')" \
		"sample 1us 0 MAIN S"; do
		echo "$part"
	done | "$BUILD/tools/make_recording" nameless.stint
	said() { "$BUILD/stint" info --format=json nameless.stint | jq -r '.modules[0].symbols'; }
	[ "$(said)" = "elf: $PWD/nameless; no build ID to check it by" ]
	"$BUILD/stint" report nameless.stint | grep -q 'main$'
	# One that has a build ID can't be it.
	cp plain nameless
	[ "$(said)" = "the recording has no build ID to check by: $PWD/nameless" ]
}

@test "a .build-id tree, with the program stripped, and with no program at all" {
	id=$(build_id plain)
	mkdir -p "tree/.build-id/${id:0:2}"
	objcopy --only-keep-debug plain "tree/.build-id/${id:0:2}/${id:2}.debug"
	same -s tree stripped
	same -s tree -p /nowhere/plain stripped
	same -s tree/.build-id -p /nowhere/plain stripped
}

@test "a sysroot, and a plain directory" {
	mkdir -p root/opt/app flat
	cp plain root/opt/app/program
	cp plain flat/program
	same -s root -p /opt/app/program plain
	same -s flat -p /opt/app/program plain
}

@test "dwz's shared file" {
	need dwz
	mkdir -p dwz
	cp plain dwz/one
	g++ -O2 -g -DOTHER program.cc -o dwz/two
	(cd dwz && dwz -m shared.dwz one two)
	readelf -SW dwz/one | grep -q gnu_debugaltlink
	same dwz/one
}

@test "MiniDebugInfo has the functions that .dynsym lacks" {
	need xz
	objcopy --only-keep-debug plain mini.debug
	objcopy -S mini.debug mini 2>/dev/null
	nm plain --format=posix --defined-only | awk '$2 ~ /^[TtWw]$/ {print $1}' >keep
	objcopy -S --keep-symbols=keep mini.debug mini
	xz -f mini
	strip -s plain -o with_mini
	objcopy --add-section .gnu_debugdata=mini.xz with_mini
	"$SYMBOLIZE" -n plain <addresses >names
	"$SYMBOLIZE" with_mini <addresses >out
	cmp names out
}

@test "a file of another build is refused, and the reason said" {
	g++ -O0 -g program.cc -o other
	echo 0x1200 | "$SYMBOLIZE" -p "$PWD/other" stripped >out 2>err
	grep -q "build ID differs: .*/other" err
	grep -qx '??' out
}

@test "debuginfod: from a server, then from its cache, and never more than asked for" {
	ldconfig -p | grep -q libdebuginfod.so.1 || skip "libdebuginfod is not installed"
	id=$(build_id plain)
	mkdir -p "server/buildid/$id"
	objcopy --only-keep-debug plain "server/buildid/$id/debuginfo"
	export DEBUGINFOD_CACHE_PATH=$BATS_TEST_TMPDIR/cache
	"$SYMBOLIZE" -l -p /nowhere/plain stripped <addresses >out 2>err
	grep -q 'not found' err
	[ ! -e "$DEBUGINFOD_CACHE_PATH" ]
	same -l -d "file://$PWD/server" -p /nowhere/plain stripped
	grep -q 'debug: .*cache' err
	rm -r server
	same -l -d "file://$PWD/server" -p /nowhere/plain stripped
}

@test "PLT stubs are called after their targets" {
	plt=$(objdump -d plain | sed -n 's/^0*\([0-9a-f]*\) <qsort@plt>:/\1/p')
	[ -n "$plt" ]
	echo "0x$plt" | "$SYMBOLIZE" plain 2>/dev/null | grep -qx 'qsort@plt'
}

# Every stub of a program has the name that objdump has for it; those of its own indirect functions, which objdump
# gives the resolver's address, the function's. usage: stubs OBJDUMP PROGRAM
stubs() {
	local addr name n=0
	while read -r addr name; do
		name=${name#<} name=${name%>:}
		case $name in
		*-0x*) continue ;; # what all lazy stubs share
		'*ABS*'*) name=chosen@plt ;;
		esac
		echo "0x$addr" | "$SYMBOLIZE" "$2" 2>/dev/null >out
		grep -qxF "$name" out || { cat out; echo "$addr should be $name"; return 1; }
		n=$((n + 1))
	done < <("$1" -d -j .plt -j .plt.got -j .plt.sec "$2" 2>/dev/null | grep '^[0-9a-f]* <.*@plt.*>:$')
	[ "$n" -ge 4 ]
}

plt_source() {
	cat >stubs.c <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		void *(*volatile take)(size_t) = malloc;
		static int one(void) { return 1; }
		static int (*choose(void))(void) { return one; }
		__attribute__((ifunc("choose"))) int chosen(void);
		int main(int argc, char **argv)
		{
			void *(*volatile get)(size_t) = malloc;
			void (*volatile put)(void *) = free;

			put(get(1));
			free(malloc(strlen(argv[0])));
			return printf("%d", chosen()) + argc;
		}
	END
}

@test "PLT stubs: of 8 bytes and of 16, protected, and of indirect functions" {
	plt_source
	for flags in "" "-fcf-protection=full -Wl,-z,ibtplt" "-Wl,-z,now" "-no-pie"; do
		gcc -O1 -fno-builtin -fPIC $flags stubs.c -o stubs
		stubs objdump stubs
	done
	# One section with two stubs of 8 bytes.
	gcc -O1 -fno-builtin -shared -nostartfiles -fPIC stubs.c -o stubs.so
	readelf -SW stubs.so | grep -q '\.plt\.got .* 0000[1-9a-f]0 08 '
	stubs objdump stubs.so
}

@test "PLT stubs of static programs are all of indirect functions" {
	plt_source
	gcc -O1 -fno-builtin -static -no-pie stubs.c -o stubs
	for slot in $(objdump -d -j .plt stubs | sed -n 's/^ *\([0-9a-f]*\):.*jmp *\*0x.*/\1/p'); do
		echo "$slot" | "$SYMBOLIZE" stubs 2>/dev/null | sed -n 2p
	done >names
	grep -qx 'chosen@plt' names
	grep -qx 'strlen@plt' names
	! grep -qv '@plt$' names || false
}

@test "PLT stubs made to hurt: thousands of them through one slot share its name, and a name without end is none" {
	x86_64_only
	local len
	for len in 4000 20000; do
		name=$(printf '%*s' $len '' | tr ' ' a)
		cat >stubs.S <<-EOF
			.section .plt, "ax", @progbits
			.rept 100000
			jmp *slot(%rip)
			xchg %ax, %ax
			.endr
			.section .got.plt, "aw"
			slot: .quad $name
			.text
			.globl $name
			.type $name, @gnu_indirect_function
			$name: ret
			.size $name, 1
		EOF
		gcc -shared -nostdlib -Wl,-Bsymbolic stubs.S -o stubs.so
		addr=$(readelf -SW stubs.so | sed 's/^ *\[ *[0-9]*\]//' | awk '$1 == ".plt" && !first {first = $3} END {print first}')
		(ulimit -v 200000 -t 10 && echo "0x$addr" | "$SYMBOLIZE" stubs.so >out 2>err)
		[ "$(grep -c 'a@plt$' out)" = $((len == 4000)) ]
	done
}

@test "PLT stubs of aarch64, with and without branch protection" {
	need aarch64-linux-gnu-gcc
	plt_source
	for flags in "" "-mbranch-protection=standard -Wl,-z,pac-plt"; do
		aarch64-linux-gnu-gcc -O1 -fno-builtin $flags stubs.c -o stubs
		stubs aarch64-linux-gnu-objdump stubs
		# To the branch at its end.
		aarch64-linux-gnu-objdump -d -j .plt stubs | sed -n 's/^ *\([0-9a-f]*\):.*br\tx17.*/\1/p' | tail -n +2 |
			while read -r addr; do echo "0x$addr" | "$SYMBOLIZE" stubs 2>/dev/null | sed -n 2p; done >names
		[ "$(grep -c '@plt$' names)" -ge 4 ]
		! grep -qv '@plt$' names || false
	done
}

@test "DWARF that asks for hours of work is given up, and the symbol table still has names" {
	x86_64_only
	cat >bomb.S <<-'EOF'
		.text
		.globl _start
		.type _start, @function
		_start: ret
		.size _start, . - _start
		.section .debug_abbrev, "", @progbits
		.uleb128 1, 0x11
		.byte 0
		.uleb128 0x55, 0x17, 0x11, 1, 0, 0
		.byte 0
		.section .debug_info, "", @progbits
		.rept 50000
		.long 20
		.short 4
		.long 0
		.byte 8
		.uleb128 1
		.long 0
		.quad 0
		.endr
		.section .debug_ranges, "", @progbits
		.rept 300000
		.quad 0x401000, 0x401010
		.endr
		.quad 0, 0
	EOF
	gcc -nostdlib -static bomb.S -o bomb
	addr=$(nm bomb | awk '$3 == "_start" {print $1}')
	(ulimit -v 2000000 -t 15 && echo "0x$addr" | "$SYMBOLIZE" bomb >out 2>err)
	grep -qx '_start' out
	grep -q 'asks for too much work' err
}

# Functions that each have the whole text as their code, many times over. usage: flood FUNCTIONS TIMES
flood() {
	cat >flood.S <<-EOF
		.text
		.globl _start
		.type _start, @function
		_start: .fill 8000, 1, 0x90
		.size _start, . - _start
		.section .debug_abbrev, "", @progbits
		.byte 1, 0x11, 1, 0x11, 1, 0x12, 7, 0, 0
		.byte 2, 0x2e, 0, 3, 8, 0x55, 0x17, 0, 0, 0
		.section .debug_info, "", @progbits
		.long 9f - 1f
		1: .short 5
		.byte 1, 8
		.long .debug_abbrev
		.byte 1
		.quad _start, 8000
		.rept $1
		.byte 2
		.asciz "f"
		.long 2f - .debug_rnglists
		.endr
		.byte 0
		9:
		.section .debug_rnglists, "", @progbits
		.long 9f - 1f
		1: .short 5
		.byte 8, 0
		.long 0
		2: .rept $2
		.byte 4
		.uleb128 0, 8000
		.endr
		.byte 0
		9:
	EOF
	gcc -nostdlib -static flood.S -o flood
	seq 0 7999 | awk -v "start=$((16#$(nm flood | awk '$3 == "_start" {print $1}')))" '{printf "%#x\n", start + $1}' >text
}

@test "DWARF that is too much work for many addresses at once gives the same names as for one" {
	x86_64_only
	flood 1 50000
	(ulimit -t 15 && "$SYMBOLIZE" flood <text >at_once.out 2>err)
	"$SYMBOLIZE" -1 flood <text >singly.out
	[ "$(grep -cx f singly.out)" = 8000 ]
	cmp at_once.out singly.out
	! grep -q 'too much work' err || false
}

@test "that DWARF was too much work at a lookup is said" {
	x86_64_only
	flood 40 200000
	head -3 text >three
	(ulimit -t 30 && "$SYMBOLIZE" flood <three >at_once.out 2>err)
	"$SYMBOLIZE" -1 flood <three >singly.out
	grep -q '_start' at_once.out
	cmp at_once.out singly.out
	grep -q 'asks for too much work' err
}

@test "units that share a line table share its paths" {
	x86_64_only
	cat >paths.S <<-'EOF'
		.text
		.globl _start
		.type _start, @function
		_start: .fill 320000, 1, 0x90
		.size _start, . - _start
		.section .debug_abbrev, "", @progbits
		.byte 1, 0x11, 0, 0x11, 1, 0x12, 7, 0x10, 0x17, 0, 0, 0
		.section .debug_info, "", @progbits
		.set i, 0
		.rept 20000
		.long 29
		.short 5
		.byte 1, 8
		.long .debug_abbrev
		.byte 1
		.quad _start + i * 16, 16
		.long 0
		.set i, i + 1
		.endr
		.section .debug_line, "", @progbits
		.long 9f - 1f
		1: .short 4
		.long 3f - 2f
		2: .byte 1, 1, 1, 0, 1, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1
		.fill 16000, 1, 0x61
		.byte 0, 0
		.asciz "f"
		.uleb128 1, 0, 0
		.byte 0
		3: .byte 0, 9, 2
		.quad _start
		.byte 1, 2
		.uleb128 320000
		.byte 0, 1, 1
		9:
	EOF
	gcc -nostdlib -static paths.S -o paths
	start=$((16#$(nm paths | awk '$3 == "_start" {print $1}')))
	seq 0 16 319999 | awk -v "start=$start" '{printf "%#x\n", start + $1}' >units
	(ulimit -v 200000 -t 15 && "$SYMBOLIZE" paths <units >out 2>err)
	[ "$(grep -c 'aa/f:' out)" = 20000 ]
}

@test "thousands of aliases that share an endless name are sorted at once" {
	/usr/bin/python3 - <<-'EOF' || false
		import struct
		names = b"\0.shstrtab\0.text\0.symtab\0.strtab\0"
		strings = b"\0" + b"a" * (4 << 20) + b"\0"
		n = 20000
		symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", 1 + i, 0x12, 0, 1, 0x401000, 16) for i in range(n))
		code = b"\x90" * 16
		at, body, rows = 64 + 56, b"", []
		for name, kind, flags, addr, data, link, info, entry in (
		        (b".text", 1, 6, 0x401000, code, 0, 0, 0), (b".symtab", 2, 0, 0, symbols, 3, 1, 24),
		        (b".strtab", 3, 0, 0, strings, 0, 0, 0), (b".shstrtab", 3, 0, 0, names, 0, 0, 0)):
		    rows.append(struct.pack("<IIQQQQIIQQ", names.index(name + b"\0"), kind, flags, addr, at + len(body),
		                            len(data), link, info, 8, entry))
		    body += data + bytes(-len(data) % 8)
		head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x401000, 64, at + len(body), 0,
		                                                     64, 56, 1, 64, 5, 4)
		load = struct.pack("<IIQQQQQQ", 1, 5, at, 0x401000, 0x401000, 16, 16, 8)
		open("aliases", "wb").write(head + load + body + bytes(64) + b"".join(rows))
	EOF
	(ulimit -v 400000 -t 2 && echo 0x401000 | "$SYMBOLIZE" aliases >out 2>err)
	grep -q 'aaaa' out
}

@test "DWARF of more units than fit is given up in less than 1 GB" {
	x86_64_only
	cat >units.S <<-'EOF'
		.text
		.globl _start
		.type _start, @function
		_start: ret
		.size _start, . - _start
		.section .debug_abbrev, "", @progbits
		.byte 1, 0x11, 0, 0, 0, 0
		.section .debug_info, "", @progbits
		.rept 4000000
		.long 8
		.short 4
		.long 0
		.byte 8, 1
		.endr
	EOF
	gcc -nostdlib -static units.S -o units
	addr=$(nm units | awk '$3 == "_start" {print $1}')
	(ulimit -v 1000000 -t 20 && echo "0x$addr" | "$SYMBOLIZE" units >out 2>err)
	grep -qx '_start' out
	grep -q 'too many DWARF units' err
}

@test "a stripped Go program has its names" {
	need go
	mkdir -p go
	cat >go/main.go <<-'EOF'
		package main

		//go:noinline
		func work(n int) int {
			if n < 2 {
				return n
			}
			return work(n-1) + work(n-2)
		}

		func main() { println(work(5)) }
	EOF
	(cd go && GOFLAGS=-mod=mod HOME=$PWD GOCACHE=$PWD/cache go build -ldflags='-s -w' -o stripped main.go &&
		GOCACHE=$PWD/cache HOME=$PWD go build -o full main.go)
	addr=$(nm go/full | awk '$3 == "main.work" {print $1}')
	echo "0x$addr" | "$SYMBOLIZE" go/stripped 2>/dev/null | grep -qx 'main.work'
}

@test "a Rust program, legacy and v0 names" {
	need rustc
	cat >r.rs <<-'EOF'
		#[inline(never)]
		fn work<T: Fn(u64) -> u64>(n: u64, f: &T) -> u64 { if n < 2 { f(n) } else { work(n - 1, f) + work(n - 2, f) } }
		fn main() { println!("{}", work(20, &|x| x * 2)); }
	EOF
	for style in legacy v0; do
		rustc -O -g -C symbol-mangling-version=$style r.rs -o rust 2>/dev/null ||
			rustc -O -g -Z unstable-options -C symbol-mangling-version=$style r.rs -o rust 2>/dev/null || continue
		agree rust
		"$SYMBOLIZE" rust <addresses 2>/dev/null | grep -v '::h[0-9a-f]\{16\}$' >/dev/null
	done
}
