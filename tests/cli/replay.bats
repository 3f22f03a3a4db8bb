#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint replay: every event once, in time order.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	bin=${STINT_BUILD:-build}/stint
	host=testdata/host.stint
	tmp=$BATS_TEST_TMPDIR
}

@test "replay: every event of the file, once, in time order" {
	"$bin" replay --stacks=none $host >"$tmp/out"
	sort -c -s -n -k 1,1 "$tmp/out"
	for table in sample:sample off-cpu:off-cpu loss:lost; do
		rows=$("$bin" dump $host | grep -c "\"table\":\"${table%:*}\"")
		[ "$(grep -cE "^ *[0-9.]+ \[[0-9-]+\] .{22} +${table#*:} " "$tmp/out")" -eq "$rows" ]
	done
	grep -qE '^ *[0-9.]+ \[---\] server/100 +fork +child=cli' "$tmp/out"
	grep -qE '^ *[0-9.]+ \[---\] cli.* exit ' "$tmp/out"
}

@test "replay: an interval says how long, why, in what, and who ended it" {
	"$bin" replay $host | grep -m1 ' off-cpu ' >"$tmp/line"
	grep -qE 'server/100 +off-cpu 0\.003000ms blocked=0\.002445ms runqueue=0\.000555ms state=S syscall=read waker=cli' "$tmp/line"
	grep -qE '\| schedule_\[k\] <- server\+0x[0-9a-f]+ <- ' "$tmp/line"
}

@test "replay: names can't harm a terminal or break a line" {
	"$bin" replay $host >"$tmp/out"
	grep -q 'cli\\xff\\xfe/101' "$tmp/out"
	! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f\xff]' "$tmp/out" || false
}

@test "replay: JSON is one document, and its intervals add up to the report's" {
	command -v jq >/dev/null || skip "jq is missing"
	"$bin" replay --format=json $host >"$tmp/json"
	[ "$(jq -r 'keys_unsorted[0], .schema' "$tmp/json" | tr '\n' ' ')" = "schema stint.replay/1 " ]
	[ "$(jq '.n_events == (.events | length)' "$tmp/json")" = true ]
	[ "$(jq '[.events[].time_ns] | . == sort' "$tmp/json")" = true ]
	replayed=$(jq -c '[.events[] | select(.kind == "off-cpu")] | [map(.duration_ns) , map(.blocked_ns), map(.runqueue_ns)] |
		map(add)' "$tmp/json")
	reported=$("$bin" report --view=off-cpu --format=json $host |
		jq -c '[.total.duration_ns, .total.blocked_ns, .total.runqueue_ns]')
	[ "$replayed" = "$reported" ]
	[ "$(jq '[.events[] | select(.kind == "sample") | .weight] | add' "$tmp/json")" = \
		"$("$bin" report --format=json $host | jq '.total.samples')" ]
}

@test "replay: --stacks and --depth" {
	[ "$("$bin" replay --stacks=none $host | grep -c '<-')" -eq 0 ]
	[ "$("$bin" replay --depth=1 $host | grep -c '<- server')" -eq 0 ]
	"$bin" replay --depth=1 $host | grep -qF 'schedule_[k] <- [3 more]'
	"$bin" replay --stacks=full $host | grep -qE '^ {22}server\+0x[0-9a-f]+ \(/usr/sbin/server\)'
}

@test "replay: --thread takes a number or a name" {
	by_tid=$("$bin" replay --thread=100 --stacks=none $host | md5sum)
	[ "$by_tid" = "$("$bin" replay --thread=server --stacks=none $host | md5sum)" ]
	! "$bin" replay --thread=100 --stacks=none $host | grep -qE '^ *[0-9.]+ \[[0-9-]+\] cli' || false
}

@test "replay: windows side by side hold every sample once" {
	all=$("$bin" replay --stacks=none $host | grep -c ' sample ')
	a=$("$bin" replay --stacks=none --to=1ms $host | grep -c ' sample ')
	b=$("$bin" replay --stacks=none --from=1ms $host | grep -c ' sample ')
	[ "$a" -gt 0 ] && [ "$b" -gt 0 ] && [ $((a + b)) -eq "$all" ]
}

@test "replay: --speed takes its time" {
	# 2.7 ms of recording, 100 times slower: at least a quarter of a second.
	start=$(date +%s%N)
	"$bin" replay --speed=0.01x --stacks=none $host >/dev/null
	[ $(($(date +%s%N) - start)) -ge 250000000 ]
}

@test "replay: damaged recordings are read as far as they are whole, and that is said" {
	run "$bin" replay --stacks=none testdata/flipped-dictionary.stint
	[ "$status" -eq 0 ]
	[[ "$output" = *"stint replay: testdata/flipped-dictionary.stint: "*" damaged blocks left out, "* ]]
	"$bin" replay --stacks=none - <testdata/flipped-dictionary.stint 2>&1 >/dev/null |
		grep -q '^stint replay: standard input: .* damaged blocks left out, '
	for file in testdata/*.stint; do
		status=0
		"$bin" replay "$file" >/dev/null 2>&1 || status=$?
		[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || { echo "$file: $status"; false; }
	done
}

@test "replay: usage errors name the fault and point to --help" {
	for arguments in "" "--speed=0x $host" "--speed=1y $host" "--stacks=all $host" "--depth=0 $host" \
		"--format=xml $host" "$host $host"; do
		# shellcheck disable=SC2086
		run "$bin" replay $arguments
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ "$output" = "stint replay: "*"; see 'stint replay --help'" ]]
	done
}
