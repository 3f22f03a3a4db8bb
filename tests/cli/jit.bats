#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Code compiled at run time, in place of which other code was compiled later: each event has the name of its time.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export ROOT=$PWD BUILD=$PWD/${STINT_BUILD:-build}
	case ${STINT_BUILD:-build} in /*) BUILD=$STINT_BUILD ;; esac
	cd "$BATS_FILE_TMPDIR" || return 1
	describe >description
	"$BUILD/tools/make_recording" rec.stint <description
}

# 0x1000 is "first" up to 2 s, "second" up to 5 s, then "first" again; its caller, at 0x2010, was replaced at 4 s.
# At 0x3010 two names are of the same time: the later row counts. 0x4010 is of another process.
describe() {
	echo "meta start_ns 1000000000000"
	echo "meta end_ns 1010000000000"
	echo "thread MAIN 100 100 jit"
	echo "module JIT anon [anon]"
	echo "module OTHER anon [anon] %00"
	echo "symbol JIT 0x1000 0x100 first"
	echo "symbol JIT 0x1000 0x80 second 2s"
	echo "symbol JIT 0x1000 0x100 first 5s"
	echo "symbol JIT 0x2000 0x100 caller"
	echo "symbol JIT 0x2000 0x40 new-caller 4s"
	echo "symbol JIT 0x3000 0x100 stale"
	echo "symbol JIT 0x3000 0x100 fresh"
	echo "symbol OTHER 0x1000 0x100 elsewhere"
	echo "stack A 1 0 JIT:+0x1000 JIT:+0x2010"
	echo "stack B 1 0 JIT:+0x3010"
	echo "stack C 1 0 OTHER:+0x1000"
	echo "stack D 1 0 JIT:+0x10c0 JIT:+0x2010"
	for i in 0 1 2 3 4 5 6 7 8 9; do
		echo "sample $((i * 1000 + 500))ms 0 MAIN A"
		echo "sample $((i * 1000 + 600))ms 0 MAIN B"
		echo "sample $((i * 1000 + 700))ms 0 MAIN C"
	done
	echo "sample 3s 0 MAIN D"
	echo "offcpu 1s 3s 3100ms - 0 MAIN 1 0 A -"
	echo "offcpu 6s 7s 7100ms - 0 MAIN 1 0 A -"
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	stint=$BUILD/stint
}

@test "samples have the function of their time" {
	"$stint" verify rec.stint
	"$stint" report --group=stack --format=json rec.stint | jq -r '.rows[] | "\(.self) \([.frames[].name] | join(" "))"' |
		sort >rows
	sort >wanted <<-END
		2 first caller
		2 second caller
		1 second new-caller
		5 first new-caller
		10 fresh
		10 elsewhere
		1 first caller
	END
	# D's own 1 "first caller" at 0x10c0, which "second" never covered, is a stack of the same names.
	sed -i '/^[12] first caller$/d' wanted
	echo "3 first caller" | sort -o wanted - wanted
	diff wanted rows
}

@test "an interval has the function of when it began" {
	"$stint" report --view=off-cpu --group=stack --by=count --format=json rec.stint |
		jq -r '.rows[] | "\(.count.self) \([.frames[].name] | join(" "))"' | sort >rows
	printf '%s\n' "1 first caller" "1 first new-caller" | diff - rows
}

@test "by symbol, by time, by regular expression, replayed and folded" {
	"$stint" report --format=json rec.stint | jq -e '[.rows[] | select(.name == "second")][0].self == 3'
	"$stint" report --from=2s --to=4s --format=json rec.stint |
		jq -e '[.rows[] | select(.name == "second")][0].self == 2'
	"$stint" report --symbol='^second$' --format=json rec.stint | jq -e '[.rows[].self] | add == 3'
	"$stint" replay --format=json rec.stint >replayed
	[ "$(grep -o "\"second\"" replayed | wc -l)" -eq 3 ]
	"$stint" flame --format=folded -o - rec.stint | grep -q '^jit;new-caller;second 1$'
}

@test "info counts the file's own stacks and frames" {
	"$stint" info --format=json rec.stint | jq -e '.counts.stacks == 4 and .counts.frames == 5'
}

@test "packing leaves them as they are" {
	"$stint" pack rec.stint -o packed.stint
	"$stint" report --group=stack --format=json rec.stint | jq .rows >before
	"$stint" report --group=stack --format=json packed.stint | jq .rows >after
	cmp before after
	"$stint" pack packed.stint -o twice.stint
	cmp packed.stint twice.stint
}

@test "a copied stack that nobody unwound, in code that was replaced, has no file to miss" {
	{
		describe
		echo "symbol JIT 0x1000 0x80 third 8s"
		echo "stack W 9 0 JIT:+0x1000"
		for at in 1s 3s 6s 9s; do
			echo "sample $at 0 MAIN W"
		done
	} | "$BUILD/tools/make_recording" window.stint
	"$stint" report window.stint >report
	grep -F "4 samples (11.4%): user stack not unwound to its end: its memory is in the recording, but the file of its" report
	"$stint" report --symbol='^third$' --format=json window.stint | jq -e '[.rows[].self] | add == 3'
}
