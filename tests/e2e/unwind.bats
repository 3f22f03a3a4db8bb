#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# User stacks, walked in the kernel and from outside, name the very frames that eu-stack and gdb name.

load helpers

# Each case is a program asleep at the bottom of a known stack (tests/unwind/compare.py).
as_others_see() {
	STINT_BUILD=$build /usr/bin/python3 "$root/tests/unwind/compare.py" "$@"
}

@test "frames of a size not known before, large, realigned, deep, jumped out of, tail calls and cold parts" {
	as_others_see frames
}

@test "through signal handlers, nested and on a stack of their own, and after a fault" {
	as_others_see signals
}

@test "from where threads, vfork and makecontext start" {
	as_others_see starts
}

@test "what gcc -O3 makes" {
	as_others_see O3
}

@test "what gcc -O0 makes" {
	as_others_see O0
}

@test "what clang makes" {
	as_others_see clang
}

@test "static, stripped programs" {
	as_others_see static
}

@test "programs with control-flow protection" {
	as_others_see cet
}

@test "link-time optimization, no section table, a library mapped again and again, a C++ exception on its way" {
	as_others_see files
}
