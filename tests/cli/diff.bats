#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint diff: known changes, and nothing where nothing changed.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	build=${STINT_BUILD:-build}
	bin=$build/stint
	a=$BATS_TEST_TMPDIR/a.stint
	b=$BATS_TEST_TMPDIR/b.stint
	"$build/tools/make_recording" "$a" <tests/cli/recordings/service.txt
	# B is twice as long; hot has 7 samples more, and is in a newer version of the library.
	{
		sed -e 's/1000100000000/1000200000000/; s/libx\.so\.6/libx.so.7/' tests/cli/recordings/service.txt
		for i in 1 2 3 4 5 6 7; do echo "sample 10$((i))ms 0 MAIN HOT"; done
	} | "$build/tools/make_recording" "$b"
}

diff_json() {
	"$bin" diff --format=json "$@"
}

@test "diff: a recording and itself differ in nothing" {
	for options in "" --group=thread --group=stack --normalize=samples --view=off-cpu "--view=off-cpu --by=count"; do
		[ "$(diff_json $options "$a" "$a" | jq -c '[.rows, .total.diff]')" = '[[],0]' ]
		# however many of them
		[ "$(diff_json $options "$a" : "$a" "$a" "$a" | jq -c .rows)" = '[]' ]
	done
	"$bin" diff "$a" "$a" | grep -qx 'No difference.'
}

@test "diff: by time, values are per second of recording" {
	diff_json "$a" "$b" >"$BATS_TEST_TMPDIR/j"
	[ "$(jq -c '[keys_unsorted[0], .schema, .normalized_by, .unit]' "$BATS_TEST_TMPDIR/j")" = '["schema","stint.diff/1","time","samples/s"]' ]
	# 7 in 100 ms, 14 in 200 ms: equal, so left out. The others halve.
	[ "$(jq -c '[.rows[] | [.name, .a, .b, .diff, .diff_pct]]' "$BATS_TEST_TMPDIR/j")" = '[["rec",40,20,-20,-50],["cold,\"quoted\"",30,15,-15,-50],["[anon]+0x1234",10,5,-5,-50]]' ]
	[ "$(jq -c '.total | [.a, .b]' "$BATS_TEST_TMPDIR/j")" = '[150,110]' ]
}

@test "diff: a recording without recorded time can't be normalized by it: it is the input, not the usage" {
	run "$bin" diff testdata/empty.stint "$a"
	[ "$status" -eq 3 ]
	[ "$output" = "stint diff: side A has no recorded time to normalize by; try --normalize=samples" ]
}

@test "diff: by samples, values are shares of the total" {
	diff_json --normalize=samples "$a" "$b" >"$BATS_TEST_TMPDIR/j"
	[ "$(jq -r '.rows[0].name' "$BATS_TEST_TMPDIR/j")" = hot ]
	[ "$(jq -c '.rows[0] | [.a, .b] | map(. * 100 | round)' "$BATS_TEST_TMPDIR/j")" = '[4667,6364]' ]
	# shares add up to nothing gained or lost
	[ "$(jq '[.rows[].diff] | add | fabs < 1e-9' "$BATS_TEST_TMPDIR/j")" = true ]
}

@test "diff: off-CPU metrics, threads, and versions of a library" {
	# the same events in twice the time: every rate halves, none is new or gone
	diff_json --view=off-cpu --by=count --value=total "$a" "$b" >"$BATS_TEST_TMPDIR/j"
	[ "$(jq -c '[.rows[] | .diff_pct] | unique' "$BATS_TEST_TMPDIR/j")" = '[-50]' ]
	[ "$(jq -c '[.rows[] | select(.name == "hot") | [.module, .a, .b]]' "$BATS_TEST_TMPDIR/j")" = '[["libx.so",20,10]]' ]
	[ "$(diff_json --group=thread "$a" "$b" | jq -c '[.rows[] | [.name, .a, .b]]')" = '[["worker",80,40],["e\u001b[31m\nvil",10,5],["server",60,65]]' ]
}

@test "diff: folded stacks are flame's, with both values" {
	"$bin" diff --format=folded "$a" "$b" >"$BATS_TEST_TMPDIR/f" 2>/dev/null
	# B is scaled to A's time
	grep -qx 'server;main;work;hot 3 5' "$BATS_TEST_TMPDIR/f"
	grep -qx 'worker;main;rec;rec;rec 4 2' "$BATS_TEST_TMPDIR/f"
	"$bin" diff --format=folded "$a" "$a" 2>/dev/null | sed 's/ [0-9]*$//' | sort >"$BATS_TEST_TMPDIR/one"
	"$bin" flame --format=folded -o - "$a" 2>/dev/null | sort | cmp - "$BATS_TEST_TMPDIR/one"
}

@test "diff: different sampling rates are said" {
	differs() { diff_json "$@" | jq -c '[.a.notes[].kind, .b.notes[].kind] | contains(["freq-differs"])'; }
	[ "$(differs "$a" "$b")" = false ]
	{ echo freq 999; cat tests/cli/recordings/service.txt; } | "$build/tools/make_recording" "$b"
	[ "$(differs "$a" "$b")" = true ]
	[ "$(differs --normalize=samples "$a" "$b")" = false ]
	"$bin" diff "$a" "$b" | grep -qx 'B: A recording was sampled at 999 Hz, the first one at 99 Hz: --normalize=samples can compare them.'
}

@test "diff: what each side lost is said" {
	"$bin" diff --view=off-cpu "$a" "$b" >"$BATS_TEST_TMPDIR/t"
	grep -qx 'A: 5 events were lost: the ring between kernel and recorder was full.' "$BATS_TEST_TMPDIR/t"
	grep -qx 'B: 5 events were lost: the ring between kernel and recorder was full.' "$BATS_TEST_TMPDIR/t"
}
