#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# User stacks that were copied instead of walked are unwound offline to the very frames that others see, and read the
# same anywhere once they are packed.

bats_require_minimum_version 1.5.0
load helpers

# A window doesn't need the recorder, only a process that may be stopped.
setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	[ "$(id -u)" -eq 0 ] || skip "ptrace of others' processes needs root"
	cat >program.c <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>
		static int compare(const void *a, const void *b) { pause(); return *(int *)a - *(int *)b; }
		static __attribute__((noinline)) void deep(int n)
		{
			char room[16 + 40 * (n % 5)];
			int numbers[] = {4, 3, 2, 1};
			memset(room, n, sizeof(room));
			if (n)
				deep(n - 1);
			else
				qsort(numbers, 4, sizeof(numbers[0]), compare);
			__asm__ volatile("" ::"r"(room) : "memory");
		}
		int main(void) { puts("ready"); fflush(stdout); deep(25); return 0; }
	END
}

# stopped PROGRAM ARG…: starts it, stops it once it has said something, and copies its stack; its pid is in $started.
stopped() {
	local i
	start out "$@"
	for ((i = 0; i < 200; i++)); do
		[ -s out ] && break
		sleep 0.05
	done
	sleep 0.2
	kill -STOP "$started"
	"$build/tools/make_windows" window.stint "$started"
}

# empty_root FILE…: a root directory with nothing but stint, its libraries and these files.
empty_root() {
	mkdir -p root/lib
	cp "$stint" "$@" root/
	ldd "$stint" | grep -oE '/[^ ]+' | while read -r library; do cp "$library" root/lib/; done
}

in_empty_root() {
	chroot root "/lib/$(basename root/lib/ld-*)" --library-path /lib /stint "$@"
}

as_eu_stack() {
	stopped "$@"
	"$stint" pack window.stint -o packed.stint >/dev/null 2>&1
	/usr/bin/python3 "$root/tests/e2e/windows.py" "$stint" packed.stint "$started"
}

@test "a program without frame pointers, and one that is static and stripped" {
	gcc -O2 program.c -o program
	as_eu_stack ./program
	gcc -O2 -static -s program.c -o static
	as_eu_stack ./static
}

@test "python and node, whose code is compiled as it runs" {
	as_eu_stack /usr/bin/python3 -uc 'import time
def f(n):
    if n: f(n - 1)
    else: print("ready"); time.sleep(100)
f(20)'
	command -v node >/dev/null || skip "node isn't installed"
	as_eu_stack node -e 'function f(n) { if (n) f(n - 1); else for (;;); } console.log("ready"); f(30)'
}

@test "a file of another build is refused, which every report says; --symbols has the right one" {
	gcc -O2 program.c -o program
	stopped ./program
	mkdir kept
	mv program kept/
	gcc -O1 program.c -o program
	"$stint" report window.stint >report
	grep -q "user stack not unwound to its end.*build ID differs" report
	"$stint" info --format=json window.stint |
		jq -e '.processes[0].user_stacks == [{end: "not-unwound", count: 1, pct: 100}]'
	"$stint" report --symbols kept window.stint >report
	grep -q "Nothing was lost" report
	grep -q "deep" report
	"$stint" replay --stacks=full window.stint | grep -q "not unwound"
	# Packing what can't be unwound keeps it for later.
	"$stint" pack window.stint -o some.stint >/dev/null 2>&1
	"$stint" pack --symbols kept some.stint -o all.stint >/dev/null 2>&1
	"$stint" info --format=json all.stint |
		jq -e '.processes[0].user_stacks == [{end: "complete", count: 1, pct: 100}]'
}

@test "once packed, all reports are the same without a single file of the program, and packing again changes nothing" {
	gcc -O2 program.c -o program
	stopped ./program
	"$stint" pack window.stint -o packed.stint >/dev/null 2>&1
	"$stint" verify packed.stint
	"$stint" verify --repair -o repaired.stint packed.stint
	cmp <("$stint" dump packed.stint) <("$stint" dump repaired.stint)
	"$stint" pack packed.stint -o again.stint >/dev/null 2>&1
	cmp packed.stint again.stint
	empty_root packed.stint
	for view in "report --group=stack" "report" "replay --format=json" "flame --format=folded"; do
		# shellcheck disable=SC2086
		"$stint" $view packed.stint >outside
		# shellcheck disable=SC2086
		in_empty_root $view packed.stint >inside
		cmp outside inside
		# shellcheck disable=SC2086
		"$stint" $view window.stint >before
		cmp before outside
	done
	grep -q "_start.*main.*deep.*compare" outside
	rm -rf root
}

# The same as unwind.bats asks of stacks that the kernel walked: eu-stack and gdb name these frames.
as_others_see() {
	require_bpf
	"$recorder" --help | grep -q -- '--unwind=.*dump' || skip "the recorder has no --unwind=dump"
	STINT_BUILD=$build /usr/bin/python3 "$root/tests/unwind/compare.py" --dump "$@"
}

@test "recorded with --unwind=dump and packed: the same in an empty root, and the stacks of --unwind=cfi" {
	require_bpf
	gcc -O2 -x c - -o busy <<-'END'
		#include <stdlib.h>
		static volatile unsigned long n;
		static int compare(const void *a, const void *b) { n++; return *(int *)a - *(int *)b; }
		static __attribute__((noinline)) void deep(int left)
		{
			static int numbers[5000];
			int i;
			if (left) {
				deep(left - 1);
			} else {
				for (i = 0; i < 5000; i++)
					numbers[i] = rand();
				qsort(numbers, 5000, sizeof(int), compare);
			}
			__asm__ volatile("");
		}
		int main(void) { for (;;) deep(12); }
	END
	start busy.out ./busy
	for mode in dump cfi; do
		"$recorder" -p "$started" -F 499 -d 1 --unwind=$mode -o $mode.stint 2>/dev/null
		"$stint" flame --format=folded $mode.stint 2>/dev/null | sed 's/ [0-9]*$//; s/;[^;]*_\[k\]//g' |
			grep -o '^.*;compare' | sort -u >$mode.stacks
	done
	[ "$(wc -l <dump.stacks)" -ge 3 ]
	# Stacks that the one saw often the other saw too: both are samples of the same few paths through qsort.
	[ "$(comm -12 dump.stacks cfi.stacks | wc -l)" -ge 3 ]
	grep -vE '^busy;_start;(__libc_start_main[^;]*;__libc_start_call_main;|.*;)main;(deep;)+.*compare$' dump.stacks && return 1
	"$stint" pack dump.stint -o packed.stint >/dev/null 2>&1
	empty_root packed.stint
	"$stint" report --group=stack --limit=0 packed.stint >outside
	in_empty_root report --group=stack --limit=0 packed.stint >inside
	cmp outside inside
	rm -rf root
}

@test "recorded with --unwind=dump: frames of all kinds, signals, starts of threads" {
	as_others_see frames signals starts
}

@test "recorded with --unwind=dump: what other compilers and options make" {
	as_others_see O3 clang static files
}
