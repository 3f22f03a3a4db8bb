#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The vDSO has names: it is in no file, so the recorder writes those that frames are in.

bats_require_minimum_version 1.5.0
load helpers

@test "clock_gettime in [vdso], here and where another kernel may run" {
	record -F 499 --off-cpu=none -o v.stint -- "$workloads/clocks" 1500
	rows v.stint --comm=clocks >rows
	jq -e '[.[] | select(.module == "[vdso]" or (.name | startswith("__vdso_"))) | select(.name == "__vdso_clock_gettime")] |
		length == 1 and .[0].self > 10' rows || fail "$(head -c 2000 rows)"
	"$stint" report --limit=0 --module='^\[vdso\]$' v.stint | grep -q '\[vdso\]  *__vdso_clock_gettime'
	# Its own functions have no symbols: they are below the one that was called, which has.
	jq -e '[.[] | select(.name == "__vdso_clock_gettime")][0].total >
		9 * ([.[] | select(.module == "[vdso]") | .self] | add) / 10' rows || fail "$(head -c 2000 rows)"
	"$stint" info --format=json v.stint | jq -e '.modules[] | select(.path == "[vdso]") | .symbols == "recording" and .build_id != ""'
}

@test "--embed=none leaves them out" {
	record -F 499 --off-cpu=none --embed=none -o n.stint -- "$workloads/clocks" 500
	"$stint" report --limit=0 n.stint | grep -qF '[vdso]+0x'
	! "$stint" report --limit=0 n.stint | grep -q __vdso_ || false
}
