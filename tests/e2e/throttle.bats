#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The kernel's limit on samples: what it holds back is in the ledger, and what it refuses is said.

load helpers

limit_file=/proc/sys/kernel/perf_event_max_sample_rate

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	require_bpf || return
	lock_host || return
	limit=$(cat "$limit_file")
}

# Whatever happens, the limit is what it was.
teardown() {
	[ -z "$limit" ] || [ "$(cat "$limit_file")" = "$limit" ] || echo "$limit" >"$limit_file"
	end_started
}

throttled() {
	info "$1" | jq '[.loss[] | select(.cause == "throttled") | .count] | add // 0'
}

# The limit counts per tick, and can only be passed when it is lowered after the start: 4,000 samples a second are four
# times as many, in each tick of a busy CPU.
@test "samples that the kernel throttles are in the ledger, and in every report that they are missing from" {
	if ! echo 4000 2>err >"$limit_file"; then
		echo "# the limit can't be changed here ($(cat err)): checked only that no throttling is made up" >&3
		record -F 99 -o t.stint -- "$workloads/burner" 500 70
		equal "throttled" "$(throttled t.stint)" 0
		return
	fi
	start burner.out "$workloads/burner" 20000 70
	start rec.out "$recorder" -F 4000 --off-cpu=all -d 5 -p "$started" -o t.stint
	wait_for_recorder t.stint
	echo 1000 >"$limit_file"
	end_of "$started" || fail "the recorder: $(cat rec.out.err)"
	i=$(info t.stint)
	echo "# $(jq -c '[.on_cpu.samples, (.loss[] | select(.cause == "throttled") | .count)]' <<<"$i") samples and throttled" >&3
	[ "$(throttled t.stint)" -gt 0 ] || fail "nothing throttled:" "$("$stint" info t.stint)"
	exact "$i"
	"$stint" verify t.stint
	grep -q 'samples that the kernel throttled' rec.out.err || fail "the last line doesn't say so: $(cat rec.out.err)"
	"$stint" report t.stint | grep -q 'throttled by the kernel'
	! "$stint" report --view=off-cpu t.stint | grep -q 'throttled by the kernel' || fail "in a report without samples"
}

@test "a frequency over the kernel's limit is refused, and names it" {
	if ! echo 3000 2>err >"$limit_file"; then
		echo "# the limit can't be changed here ($(cat err)): checked only that a frequency within it is taken" >&3
		record -F 99 -d 0.1 -p $$ -o t.stint
		return
	fi
	status=0
	"$recorder" -F 4000 -d 0.1 -p $$ -o t.stint >out 2>err </dev/null || status=$?
	equal "exit status ($(cat err))" $status 4
	grep -q perf_event_max_sample_rate err || fail "no word of the limit: $(cat err)"
}
