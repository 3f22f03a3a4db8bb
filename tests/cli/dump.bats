#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint dump: the rows as they stand in the file, as the independent reader in tests/reference prints them.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	bin=${STINT_BUILD:-build}/stint
}

@test "dump: agrees with the reference reader on every test recording" {
	/usr/bin/python3 -c 'import zstandard, xxhash' 2>/dev/null || skip "python3-zstandard or python3-xxhash is missing"
	for file in testdata/*.stint; do
		status=0
		"$bin" dump "$file" >"$BATS_TEST_TMPDIR/ours" 2>/dev/null || status=$?
		reference=0
		/usr/bin/python3 tests/reference/stint_ref.py "$file" >"$BATS_TEST_TMPDIR/theirs" 2>/dev/null || reference=$?
		cmp "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs" || { echo "$file"; false; }
		# Where the reference finds fault, so does stint, and nowhere else.
		[ $((reference > 0)) -eq $((status > 0)) ] || { echo "$file: status $status, not like $reference"; false; }
		[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || { echo "$file: status $status"; false; }
	done
}

@test "dump: a line is a JSON object that names block and table" {
	run "$bin" dump testdata/example.stint
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = '{"block":0,"table":"string","id":1,"hex":"637075"}' ]
	[ "${lines[2]}" = '{"block":1,"table":"clock","monotonic_ns":1000,"realtime_ns":1700000000}' ]
}

@test "dump: without a usable index every row is there all the same: that is said, and is no failure" {
	"$bin" dump testdata/flipped-index.stint >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
	[ -s "$BATS_TEST_TMPDIR/out" ]
	grep -q '^stint dump: testdata/flipped-index.stint: .*index' "$BATS_TEST_TMPDIR/err"
}

@test "dump: messages name the recording" {
	run -3 --separate-stderr "$bin" dump testdata/bad-blob.stint
	[[ "$stderr" = "stint dump: testdata/bad-blob.stint: block "* ]]
	run -3 --separate-stderr "$bin" dump - <testdata/bad-blob.stint
	[[ "$stderr" = "stint dump: standard input: block "* ]]
}

@test "dump: standard input" {
	diff <("$bin" dump testdata/host.stint) <("$bin" dump - <testdata/host.stint)
}

@test "dump: what is no recording is said, status 3" {
	run "$bin" dump /bin/true
	[ "$status" -eq 3 ]
	run "$bin" dump /nonexistent
	[ "$status" -eq 3 ]
	[[ "$output" = "stint dump: "*"/nonexistent"* ]]
}
