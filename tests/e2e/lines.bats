#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Source lines and modules of a real recording: as groups, in JSON, and in folded stacks.

bats_require_minimum_version 1.5.0
load helpers

@test "by line, by module, and --lines: the same samples, told apart" {
	record -F 999 --off-cpu=none -o b.stint -- "$workloads/burner" 2000 70
	local total most lines main
	total=$(info b.stint | jq .on_cpu.samples)

	# Each sample is once the innermost line's, and once the innermost module's.
	equal "samples by line" "$(rows b.stint --group=line | jq '[.[].self] | add')" "$total"
	equal "samples by module" "$(rows b.stint --group=module | jq '[.[].self] | add')" "$total"
	equal "samples in folded lines" "$("$stint" flame --lines --format=folded b.stint 2>/dev/null |
		awk '{sum += $NF} END {print sum}')" "$total"

	# burn_most's loop is in few lines, which together have what the function has.
	most=$(field self burn_most "$(rows b.stint --no-inline)")
	lines=$("$stint" flame --lines --no-inline --format=folded b.stint 2>/dev/null |
		awk '/burn_most:burner\.c:[0-9]+ [0-9]+$/ {sum += $NF} END {print sum + 0}')
	[ "$most" -gt 100 ]
	equal "burn_most's lines" "$lines" "$most"

	# main calls it from one line; and the JSON of a stack says which.
	main=$(grep -nE '^[^/]*[^a-z_](burn_most)\(' "$root/tests/workloads/burner.c" | tail -n 1 | cut -d: -f1)
	rows b.stint --group=stack --no-inline | jq -e --argjson line "$main" '[.[] | select(.frames[0].name == "burn_most")] |
		.[0].frames[] | select(.name == "main") | .line == $line and (.file | endswith("burner.c"))'
	rows b.stint --group=module | jq -e '.[0].name | endswith("burner")'
	rows b.stint --group=line | jq -e '.[0].name | test("burner\\.c:[0-9]+$")'
}
