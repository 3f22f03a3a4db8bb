#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Names of code compiled at run time: by real run-time compilers, and where one address had two functions.

bats_require_minimum_version 1.5.0
load helpers

# shares_of KIND PERMILLE: records recode, whose two functions have one address, and holds each one's samples against
# the CPU time that the program itself says it took.
shares_of() {
	local pid first second got_first got_second want
	record -F 999 --off-cpu=none -o r.stint -- "$workloads/recode" "$1" 1500 2500
	pid=$(said pid)
	rm -f "/tmp/perf-$pid.map" "/tmp/jit-$pid.dump"
	first=$(said first_ns) second=$(said second_ns)
	rows r.stint --comm=recode >rows
	got_first=$(field self compiled_first "$(cat rows)")
	got_second=$(field self compiled_second "$(cat rows)")
	echo "first $got_first of $((first / 1001001)), second $got_second of $((second / 1001001))"
	[ $((got_first + got_second)) -gt 1000 ] || fail "few samples: $got_first and $got_second"
	want=$((first * 1000 / (first + second)))
	between "permille of the first" $((got_first * 1000 / (got_first + got_second))) $((want - $2)) $((want + $2))
}

# A map has no times: when it grew is seen within 0.1 s, 25 of 1,000 here.
@test "two functions at one address, by perf map" {
	shares_of map 60
}

@test "two functions at one address, by jitdump: to the sample" {
	shares_of dump 15
}
