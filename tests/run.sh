#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the test suites and prints each runner's own closing lines, then one line for all of them.
# usage: tests/run.sh [lint] [unit] [cli] [fuzz] [e2e]   (all of them without an argument)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${STINT_BUILD:-build}
export STINT_BUILD=$build
export PATH=$PWD/$build:$PATH
suites=${*:-lint unit cli fuzz e2e}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0

count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

# cmocka closes with "[  PASSED  ] N test(s)." and names each test that failed or was skipped.
run_cmocka() {
	local status ok bad skip
	echo "== $1"
	"$1" >"$log" 2>&1
	status=$?
	grep -vE '^\[ +(RUN|OK) +\]' "$log"
	ok=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
	bad=$(sed -n 's/^\[  FAILED  \] \(.*: \)\?\([0-9]*\) test.*/\2/p' "$log" | tail -n 1)
	skip=$(sed -n 's/^\[  SKIPPED \] \(.*: \)\?\([0-9]*\) test.*/\2/p' "$log" | tail -n 1)
	[ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ] && bad=1
	count "${ok:-0}" "${bad:-0}" "${skip:-0}"
}

# bats speaks TAP; prove sums it up.
run_bats() {
	local status ok bad skip
	echo "== $1"
	prove --exec bats --verbose "$1"/*.bats >"$log" 2>&1
	status=$?
	grep -vE '^ok [0-9]+ [^#]*$' "$log"
	skip=$(grep -cE '^ok .*# skip' "$log")
	ok=$(($(grep -cE '^ok [0-9]' "$log") - skip))
	bad=$(grep -cE '^not ok ' "$log")
	[ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
	count "$ok" "$bad" "$skip"
}

# A script that passes or fails as a whole.
run_script() {
	echo "== $1"
	if "$@"; then count 1 0 0; else count 0 1 0; fi
}

for suite in $suites; do
	case $suite in
	lint) run_script tests/lint/run.sh ;;
	unit) for t in "$build"/tests/test_*; do run_cmocka "$t"; done ;;
	cli | e2e) run_bats "tests/$suite" ;;
	fuzz) run_script tests/fuzz/run.sh --regression ;;
	*) echo "tests/run.sh: no suite '$suite'" >&2; exit 2 ;;
	esac
done

echo
echo "$passed passed, $failed failed, $skipped skipped"
if [ "${STINT_REQUIRE_BPF:-0}" = 1 ] && [ "$skipped" -gt 0 ]; then
	echo "tests were skipped, and STINT_REQUIRE_BPF=1 says that they must run" >&2
	exit 1
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
