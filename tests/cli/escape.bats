#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A recording from a stranger whose every name has terminal escapes, control characters and broken UTF-8: no command
# lets one of them through to a terminal, in no format, neither on standard output nor on standard error.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	build=${STINT_BUILD:-build}
	bin=$build/stint
	rec=$BATS_TEST_TMPDIR/$(printf 'r\033[31mec.stint')
	local e
	e=$(printf '\033[31m\r\007\302\233\377')
	"$build/tools/make_recording" "$rec" <<-END
		meta start_ns 1000000000000
		meta end_ns 1000100000000
		meta host host$e
		meta kernel kernel$e
		meta arch arch$e
		meta freq_hz 9$e
		meta kernel_stack_min_ns 9$e
		meta cpus_late 9$e
		meta unwind how$e
		thread M 100 100 main$e
		thread W 100 101 work$e
		module APP file /x$e/app$e
		module MOD kmod mod$e
		module JIT anon jit$e
		module GONE file /y$e/gone$e 0102030405
		stack S 1 1 APP:f$e JIT:j$e GONE:+0x10
		stack T 2 2 k!MOD:k$e APP:f$e APP:main
		sample 1us 0 M S
		sample 2us 0 W T
		offcpu 3us 4us 5us - 0 M 1 1 S W
		offcpu 3us - 50us s 0 W 2 - T -
		loss 1 5 1us 2us 3
	END
}

# clean STATUS ARG...: stint ends so, and what it writes has no control character but line ends.
clean() {
	local want=$1 status=0
	shift
	"$bin" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
	if [ "$status" -ne "$want" ] || LC_ALL=C grep -qP '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!$)|\xc2[\x80-\x9f]|\xff' \
		"$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/err"; then
		echo "status $status of: stint $*"
		cat -v "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/err"
		return 1
	fi
}

@test "hostile names: report and diff" {
	for group in symbol stack module line thread process comm syscall state cpu waker; do
		for format in text csv json; do
			clean 0 report --view=off-cpu --group=$group --format=$format "$rec"
		done
	done
	for format in text csv json; do
		clean 0 report --format=$format "$rec"
		clean 0 report --callers=main --format=$format "$rec"
		clean 0 report --callees=main --format=$format "$rec"
		clean 0 report --view=off-cpu --histogram --format=$format "$rec"
	done
	for group in symbol thread stack; do
		clean 0 diff --group=$group "$rec" "$rec"
		clean 0 diff --group=$group --format=json "$rec" "$rec"
	done
	clean 0 diff --format=folded "$rec" "$rec"
}

@test "hostile names: info, replay, flame, dump, verify, annotate, pack" {
	for format in text json; do
		clean 0 info --format=$format "$rec"
		clean 0 verify --format=$format "$rec"
		clean 0 annotate --format=$format "$rec" f
		clean 0 annotate --view=off-cpu --group=line --format=$format "$rec" k
		for stacks in line full none; do
			clean 0 replay --stacks=$stacks --format=$format "$rec"
		done
		clean 0 pack --format=$format "$rec" -o "$BATS_TEST_TMPDIR/packed.stint"
	done
	for format in html svg folded; do
		clean 0 flame --format=$format "$rec"
		clean 0 flame --view=off-cpu --lines --format=$format "$rec"
	done
	clean 0 dump "$rec"
	clean 0 verify --repair -o "$BATS_TEST_TMPDIR/$(printf 'o\033ut')" "$rec"
}

@test "hostile names: errors" {
	clean 1 annotate "$rec" nothing
	clean 1 report --callers=nothing "$rec"
	clean 3 pack --code -o "$BATS_TEST_TMPDIR/packed.stint" "$rec"
	grep -q 'r\\x1b\[31mec\.stint: --code: there is no disassembler for the recording.s machine, .arch\\x1b' "$BATS_TEST_TMPDIR/err"
	clean 2 report --view=off-cpu --syscall=frob "$rec"
	clean 2 report "$rec" "$rec"
	clean 3 info "$(printf '/nonexistent\033[0m')"
	clean 2 flame -o "$rec" "$rec" --view="$(printf 'x\033')"
	head -c 100 "$rec" >"$BATS_TEST_TMPDIR/$(printf 'cut\033')"
	clean 0 info "$BATS_TEST_TMPDIR/$(printf 'cut\033')"
}
