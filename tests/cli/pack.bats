#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint pack: a recording with its symbols in it reads the same where the program isn't any more.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export ROOT=$PWD BUILD=$PWD/${STINT_BUILD:-build}
	case ${STINT_BUILD:-build} in /*) BUILD=$STINT_BUILD ;; esac
	cd "$BATS_FILE_TMPDIR" || return 1
	g++ -O2 -g "$ROOT/tests/symbols/program.cc" -o program
	describe >description
	"$BUILD/tools/make_recording" rec.stint <description
}

# A recording of stacks of two frames anywhere in the program's code, and one without any name.
describe() {
	local id addr i=0
	id=$(readelf -n program | sed -n 's/.*Build ID: //p' | sed 's/../%&/g')
	echo "meta host here"
	echo "meta start_ns 1000000000000"
	echo "meta end_ns 1000100000000"
	echo "thread MAIN 100 100 program"
	echo "module APP file $PWD/program $id"
	echo "module GONE file /nowhere/library.so %01%02%03%04"
	echo "module JIT anon [anon]"
	for addr in $(nm --defined-only program | awk '$2 ~ /^[TtWw]$/ {print $1}' | sort -u); do
		echo "stack S$i 1 0 APP:+0x$(printf '%x' $((0x$addr + 9))) APP:+0x$(printf '%x' $((0x$addr + 23)))"
		echo "sample ${i}us 0 MAIN S$i"
		i=$((i + 1))
	done
	echo "stack X 1 0 GONE:+0x1234 JIT:+0x7f0000001000"
	echo "sample ${i}us 0 MAIN X"
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	stint=$BUILD/stint
	[ -e program ] || cp program.kept program
}

# Everything that shows names, of one file.
views() {
	local mode
	"$stint" report "$1"
	"$stint" report --group=line "$1"
	"$stint" report --group=stack --format=json "$1"
	"$stint" report --no-inline "$1"
	for mode in full none; do
		"$stint" report --demangle=$mode "$1"
	done
	"$stint" replay --format=json "$1"
	"$stint" flame --format=folded -o - "$1"
}

@test "the same bytes without the program" {
	"$stint" pack rec.stint -o packed.stint >missing
	views rec.stint >before
	grep -q 'app::' before
	grep -q 'program.cc' before
	grep -q 'library.so+0x' before
	mv program program.kept
	"$stint" report rec.stint >without
	! grep -q 'app::' without || false
	cp packed.stint moved.stint
	views moved.stint | sed 's/moved\.stint/rec.stint/g' >after
	cmp before after
}

@test "the events and everything else are untouched" {
	"$stint" pack rec.stint -o packed.stint >missing
	"$stint" verify packed.stint
	"$stint" dump rec.stint 2>/dev/null | grep -v '"table":"string"' >rows
	"$stint" dump packed.stint | grep -vE '"table":"(string|chain|symbol-source)"' >packed_rows
	cmp rows packed_rows
}

@test "packing twice changes nothing, with and without the program" {
	"$stint" pack rec.stint -o packed.stint >missing
	"$stint" pack packed.stint -o twice.stint >missing_twice
	cmp packed.stint twice.stint
	cmp missing missing_twice
	mv program program.kept
	"$stint" pack packed.stint -o twice.stint >missing_twice
	cmp packed.stint twice.stint
}

@test "what nobody has a name for is listed by build ID, for someone who has" {
	"$stint" pack rec.stint -o packed.stint >missing
	grep -q '^01020304 1 /nowhere/library.so (not found)$' missing
	! grep -q anon missing || false
	mv program program.kept
	"$stint" pack rec.stint -o packed.stint >missing
	grep -q "$(readelf -n program.kept | sed -n 's/.*Build ID: //p') .* (not found)" missing
	# Someone who has the program packs again.
	mkdir -p there
	cp program.kept there/program
	"$stint" pack --symbols=there packed.stint -o again.stint >missing
	! grep -q 'program (not found)' missing || false
	cp program.kept program
	"$stint" report rec.stint >before
	"$stint" report again.stint | sed 's/again\.stint/rec.stint/g' >after
	cmp before after
}

@test "the list for programs, and info, say what is packed and what is missing" {
	"$stint" pack --format=json rec.stint -o packed.stint >missing.json
	jq -e '.schema == "stint.pack/1" and .without_name >= 2 and .packed > 50' missing.json
	jq -e '.missing | map(select(.build_id == "01020304")) | . == [{"build_id": "01020304", "path": "/nowhere/library.so",
		"addresses": 1, "why": "not found"}]' missing.json
	"$stint" info --format=json packed.stint >info.json
	# Code without a file is in neither.
	jq -e --slurpfile said missing.json '.packed.with_name + .packed.without_name == $said[0].packed' info.json
	jq -e '.modules[] | select(.path == "/nowhere/library.so") | .packed == {"with_name": 0, "without_name": 1} and
		.symbols == "not found"' info.json
	jq -e '.modules[] | select(.path | endswith("/program")) | .packed.with_name > 30 and .symbols == "recording"' info.json
	"$stint" info packed.stint |
		grep -q "^Packed  *$(jq -r '"\(.packed.with_name) addresses with a name, \(.packed.without_name) that"' info.json) nobody"
	! "$stint" info rec.stint | grep -q ^Packed || false
	# Packed again, there is nothing to add, and the same is missing.
	"$stint" pack --format=json packed.stint -o twice.stint >again.json
	cmp packed.stint twice.stint
	jq -e --slurpfile said missing.json '.packed == 0 and .missing == $said[0].missing' again.json
}

@test "--only-missing leaves alone what the recording has a name for" {
	{
		cat description
		echo "symbol APP 0x$(nm program | awk '$3 == "main" {print $1}') 0x1000 recorded_name"
	} | "$BUILD/tools/make_recording" named.stint
	"$stint" pack --only-missing named.stint -o few.stint >missing
	"$stint" pack named.stint -o all.stint >missing
	few=$("$stint" dump few.stint | grep -c '"table":"chain"')
	all=$("$stint" dump all.stint | grep -c '"table":"chain"')
	[ "$few" -gt 10 ]
	[ "$few" -lt "$all" ]
	mv program program.kept
	"$stint" report --limit=0 few.stint | grep -q recorded_name
	"$stint" report --limit=0 few.stint | grep -q 'app::'
}

@test "packing goes through pipes" {
	"$stint" pack rec.stint -o packed.stint >missing
	"$stint" pack - -o - <rec.stint >piped.stint 2>err
	cmp packed.stint piped.stint
	grep -q library.so err
}

@test "a killed recording is packed as far as it goes" {
	head -c -300 rec.stint >cut.stint
	"$stint" pack cut.stint -o packed.stint >missing
	"$stint" verify packed.stint || [ $? -eq 1 ]
	"$stint" report packed.stint >/dev/null
}

@test "faults" {
	run -2 "$stint" pack rec.stint
	run -2 "$stint" pack rec.stint -o rec.stint
	run -2 "$stint" pack -o out.stint
	run -3 "$stint" pack program -o out.stint
	[ ! -e out.stint ]
	run -3 "$stint" pack no-such-file -o out.stint
	run -4 "$stint" pack rec.stint -o /no/such/dir/out.stint
}
