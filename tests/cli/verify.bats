#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint verify: what is damaged is named, what is whole can be saved.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	bin=${STINT_BUILD:-build}/stint
	tmp=$BATS_TEST_TMPDIR
}

@test "verify: a whole recording, status 0" {
	run "$bin" verify testdata/host.stint
	[ "$status" -eq 0 ]
	[[ "$output" = "whole: 25 blocks, 25 whole, "*" rows, no problems" ]]
}

@test "verify: every flipped bit is found, with its place" {
	for part in file-header block-header dictionary payload; do
		run "$bin" verify "testdata/flipped-$part.stint"
		[ "$status" -eq 1 ]
		[[ "${lines[0]}" = "at byte "*": damage: "* ]]
		[[ "${lines[-1]}" = "damaged: "*"problem"* ]]
	done
}

@test "verify: an unfinished recording is whole as far as it goes, and that is said" {
	run "$bin" verify testdata/killed.stint
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" = "no index: the recorder didn't finish; everything up to "*" after the first event is whole" ]]
	[[ "${lines[1]}" = "whole, but unfinished: "* ]]
}

@test "verify: a torn last write is damage" {
	run "$bin" verify testdata/cut.stint
	[ "$status" -eq 1 ]
	[[ "${lines[0]}" = "at byte "*": damage: the file ends within a block"* ]]
}

@test "verify: JSON says the same" {
	command -v jq >/dev/null || skip "jq is missing"
	run "$bin" verify --format=json testdata/flipped-payload.stint
	[ "$status" -eq 1 ]
	[ "$(jq -r 'keys_unsorted[0], .schema, .whole, .n_problems, .problems[0].kind' <<<"$output" |
		tr '\n' ' ')" = "schema stint.verify/1 false 1 damage " ]
	[ "$(jq '.problems[0].offset > 0 and .problems[0].offset < .size_bytes' <<<"$output")" = true ]
	run "$bin" verify --format=json testdata/killed.stint
	[ "$(jq -c '[.whole, .complete, .problems]' <<<"$output")" = "[true,false,[]]" ]
}

@test "verify: repair keeps what is whole, in another file" {
	cp testdata/flipped-payload.stint "$tmp/in.stint"
	before=$(sha256sum <"$tmp/in.stint")
	run "$bin" verify "$tmp/in.stint" --repair -o "$tmp/out.stint"
	[ "$status" -eq 0 ]
	[ "$(sha256sum <"$tmp/in.stint")" = "$before" ]
	run "$bin" verify "$tmp/out.stint"
	[ "$status" -eq 0 ]
	[[ "${lines[-1]}" = "whole: "* ]]
	# All rows of whole blocks are there; of what was lost there is a record.
	"$bin" dump testdata/flipped-payload.stint 2>/dev/null | grep -v '"table":"loss"' |
		sed 's/^{"block":[0-9]*,//' >"$tmp/before"
	"$bin" dump "$tmp/out.stint" | grep -v '"table":"loss"' | sed 's/^{"block":[0-9]*,//' >"$tmp/after"
	diff "$tmp/before" "$tmp/after"
	"$bin" dump "$tmp/out.stint" | grep '"table":"loss"' | grep -q '"cause":10'
}

@test "verify: a recording is never repaired in place" {
	cp testdata/flipped-payload.stint "$tmp/in.stint"
	ln "$tmp/in.stint" "$tmp/same.stint"
	run "$bin" verify "$tmp/in.stint" --repair -o "$tmp/same.stint"
	[ "$status" -eq 2 ]
	cmp testdata/flipped-payload.stint "$tmp/in.stint"
	run "$bin" verify "$tmp/in.stint" --repair
	[ "$status" -eq 2 ]
	[[ "${lines[0]}" = "stint verify: --repair needs -o FILE"* ]]
}

@test "verify: repair that can't write leaves nothing behind" {
	run "$bin" verify testdata/host.stint --repair -o "$tmp/nowhere/out.stint"
	[ "$status" -eq 4 ]
	[ -z "$(ls -A "$tmp")" ]
}

@test "verify: repair to standard output keeps it clean" {
	"$bin" verify testdata/flipped-payload.stint --repair -o - >"$tmp/out.stint" 2>"$tmp/err"
	"$bin" verify "$tmp/out.stint"
	grep -q '^damaged: ' "$tmp/err"
}

@test "verify: a file cut at any byte never crashes, and what is said to be whole reads" {
	size=$(stat -c %s testdata/host.stint)
	for ((at = 0; at < size; at += 97)); do
		head -c "$at" testdata/host.stint >"$tmp/cut.stint"
		status=0
		"$bin" verify "$tmp/cut.stint" >/dev/null 2>&1 || status=$?
		[ "$status" -le 3 ] && [ "$status" -ne 2 ] || { echo "cut at $at: $status"; false; }
	done
}
