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
	mkdir -p root/lib
	cp "$stint" packed.stint root/
	ldd "$stint" | grep -oE '/[^ ]+' | while read -r library; do cp "$library" root/lib/; done
	for view in "report --group=stack" "report" "replay --format=json" "flame --format=folded"; do
		# shellcheck disable=SC2086
		"$stint" $view packed.stint >outside
		# shellcheck disable=SC2086
		chroot root "/lib/$(basename root/lib/ld-*)" --library-path /lib /stint $view packed.stint >inside
		cmp outside inside
		# shellcheck disable=SC2086
		"$stint" $view window.stint >before
		cmp before outside
	done
	grep -q "_start.*main.*deep.*compare" outside
	rm -rf root
}
