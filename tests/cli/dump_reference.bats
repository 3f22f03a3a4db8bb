#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `stint dump` prints the same bytes as a reader that was written from format/FORMAT.md alone.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	stint=${STINT_BUILD:-build}/stint
	reference="/usr/bin/python3 tests/reference/stint_ref.py"
	/usr/bin/python3 -c 'import xxhash, zstandard' 2>/dev/null ||
		skip "python3-xxhash and python3-zstandard are not installed"
}

@test "stint dump and the reference reader print the same rows for every test recording" {
	for file in testdata/*.stint testdata/fuzz/*; do
		echo "$file"
		"$stint" dump "$file" >"$BATS_TEST_TMPDIR/ours" 2>/dev/null || true
		$reference "$file" >"$BATS_TEST_TMPDIR/theirs" 2>/dev/null || true
		cmp "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
	done
}

@test "both refuse the same recordings" {
	for file in testdata/refused-*.stint; do
		run -3 "$stint" dump "$file"
		run -3 $reference "$file"
	done
}

@test "a recording that is piped in is dumped as it is from its file" {
	"$stint" dump testdata/host.stint >"$BATS_TEST_TMPDIR/file"
	"$stint" dump - <testdata/host.stint >"$BATS_TEST_TMPDIR/redirected"
	cat testdata/host.stint | "$stint" dump - >"$BATS_TEST_TMPDIR/piped"
	cmp "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/redirected"
	cmp "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/piped"
}
