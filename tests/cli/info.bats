#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint info on a recording whose every number is known: recordings/service.txt.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	build=${STINT_BUILD:-build}
	bin=$build/stint
	rec=$BATS_TEST_TMPDIR/service.stint
	"$build/tools/make_recording" "$rec" <tests/cli/recordings/service.txt
}

@test "info: JSON has what is in the recording" {
	"$bin" info --format=json "$rec" >"$BATS_TEST_TMPDIR/j"
	j() { jq -c "$1" "$BATS_TEST_TMPDIR/j"; }
	[ "$(j '[keys_unsorted[0], .schema]')" = '["schema","stint.info/1"]' ]
	[ "$(j '.recording | [.complete, .duration_ns, .host, .kernel, .arch, .format_version]')" = '[true,100000000,"web1","6.1.0","x86_64","1.0"]' ]
	[ "$(j .recording.size_bytes)" = "$(stat -c %s "$rec")" ]
	[ "$(j '.on_cpu | [.samples, .freq_hz]')" = '[15,99]' ]
	[ "$(j '.off_cpu | [.count, .open, .duration_ns]')" = '[3,1,59000000]' ]
	[ "$(j '.counts | [.processes, .threads, .stacks, .mappings, .modules]')" = '[2,3,6,0,4]' ]
	# every cause is there, zero included
	[ "$(j '[.loss[] | select(.count > 0)]')" = '[{"cause":"ring-full","count":5}]' ]
	[ "$(j '[.loss[].cause] | sort')" = '["below-min","cpu-came","cut-off","module","no-storage","output","repaired","ring-full","size-limit","stack","task-event","throttled","unwind","window"]' ]
}

@test "info: processes and files have what reports have, whichever threads share a stack" {
	many=$BATS_TEST_TMPDIR/many.stint
	"$build/tools/make_recording" "$many" --random 3 20000 20000 200 20
	"$bin" info --format=json "$many" >"$BATS_TEST_TMPDIR/j"
	table() { "$bin" report --format=json "$@" "$many" | jq -c "$query" | sort; }
	info() { jq -c "$1" "$BATS_TEST_TMPDIR/j" | sort; }
	query='.rows[] | [.name, .self]'
	[ "$(info '.processes[] | [.name, .samples]')" = "$(table --group=process)" ]
	query='.rows[] | [.name, .count.self, .open.self]'
	[ "$(info '.processes[] | [.name, .count, .open]')" = "$(table --group=process --view=off-cpu)" ]
	query='.rows[] | select(.name != "[no stack]") | [.name, .total]'
	[ "$(info '.modules[] | select(.samples > 0) | [.path, .samples]')" = "$(table --group=module)" ]
	query='.rows[] | select(.name != "[no stack]") | [.name, .count.total + .open.total]'
	[ "$(info '.modules[] | select(.intervals > 0) | [.path, .intervals]')" = \
		"$(table --group=module --view=off-cpu --by=count)" ]
	# every event's stack ended in one way
	[ "$(jq '[.processes[].user_stacks[].count] | add' "$BATS_TEST_TMPDIR/j")" = \
		"$(jq '.on_cpu.samples + .off_cpu.count + .off_cpu.open' "$BATS_TEST_TMPDIR/j")" ]
}

@test "info: per process, how user stacks ended; per file, what was seen in it" {
	"$bin" info --format=json "$rec" >"$BATS_TEST_TMPDIR/j"
	j() { jq -c "$1" "$BATS_TEST_TMPDIR/j"; }
	[ "$(j '[.processes[] | [.name, .threads, .samples, .count, .open]]')" = '[["server (100)",2,14,3,1],["e\u001b[31m\nvil (200)",1,1,0,0]]' ]
	[ "$(j '[.processes[].user_stacks[] | [.end, .count, .pct]]')" = '[["complete",17,100],["no-rows",1,100]]' ]
	[ "$(j '[.modules[] | [.path, .build_id, .samples, .intervals]]')" = '[["/usr/bin/app","6170706964",15,3],["[anon]",null,1,0],["/usr/lib/libx.so.6","6c69626964",0,3],["[kernel]","6b65726e656c6964",0,3]]' ]
	[ "$(j '.modules[0] | [.has_symbols, .symbols]')" = '[true,"recording"]' ]
}

@test "info: text" {
	"$bin" info "$rec" >"$BATS_TEST_TMPDIR/t"
	grep -qx 'web1 (Linux 6.1.0, x86_64), recorded 2023-11-14 22:13:20 UTC for 100 ms' "$BATS_TEST_TMPDIR/t"
	grep -qx '  5 events were lost: the ring between kernel and recorder was full.' "$BATS_TEST_TMPDIR/t"
	run grep -c 'Nothing was lost' "$BATS_TEST_TMPDIR/t"
	[ "$output" = 0 ]
	grep -qE '^ +2 +14 +3 +1 +server \(100\) +100\.0% complete$' "$BATS_TEST_TMPDIR/t"
	! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$BATS_TEST_TMPDIR/t" || false
}

@test "info: CPUs that were not watched, and what was estimated" {
	sed -e 's/^meta host .*/&\nmeta cpus_offline 2-3,5\nmeta cpus_late 4/' -e 's/^loss .*/loss 6 7 40ms 45ms 32/' \
		tests/cli/recordings/service.txt | "$build/tools/make_recording" "$BATS_TEST_TMPDIR/cpus.stint"
	"$bin" info "$BATS_TEST_TMPDIR/cpus.stint" >"$BATS_TEST_TMPDIR/t"
	grep -qx 'Offline   2-3,5' "$BATS_TEST_TMPDIR/t"
	grep -qx '  CPU 4 came online while recording: samples, processes and files seen there are missing.' "$BATS_TEST_TMPDIR/t"
	grep -qx '  7 samples were throttled by the kernel (estimated from how long it did).' "$BATS_TEST_TMPDIR/t"
	[ "$("$bin" info --format=json "$BATS_TEST_TMPDIR/cpus.stint" | jq -c '.recording | [.cpus_offline, .cpus_late]')" = '["2-3,5","4"]' ]
	"$bin" report "$BATS_TEST_TMPDIR/cpus.stint" | grep -q 'CPU 4 came online while recording'
	"$bin" report --format=json "$BATS_TEST_TMPDIR/cpus.stint" | jq -e '[.. | .kind? // empty] | contains(["late-cpu"])'
}

@test "info: damage is listed with its place" {
	"$bin" info testdata/hole.stint >"$BATS_TEST_TMPDIR/t"
	grep -qE '^  At byte [0-9]+, [0-9,]+ bytes: ' "$BATS_TEST_TMPDIR/t"
	[ "$("$bin" info --format=json testdata/hole.stint | jq '.damage | length')" -gt 0 ]
	"$bin" info --format=json testdata/flipped-dictionary.stint | jq -e '[.notes[].kind] | contains(["damage", "lost-reference"])'
}

@test "info: what is neither in the file nor in the ledger is said" {
	run "$bin" info testdata/rule-order-and-sum.stint
	[ "$status" -eq 0 ]
	[[ $output == *"4 events of table off-cpu were seen, but neither in the file nor in the ledger of losses."* ]]
	[[ $output != *"Nothing was lost"* ]]
}
