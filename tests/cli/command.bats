#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint's command line as a whole: help, usage errors, exit statuses.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	bin=${STINT_BUILD:-build}/stint
	host=testdata/host.stint
}

# fault STATUS TEXT ARG...: standard error is exactly TEXT, and nothing is on standard output. A usage error names the
# fault and points to help, in one line.
fault() {
	local want=$1 text=$2 status=0
	[ "$want" -ne 2 ] || text+="; see '${text%%:*} --help'"
	shift 2
	"$bin" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
	cat "$BATS_TEST_TMPDIR/err"
	[ "$status" -eq "$want" ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = "$text" ]
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
}

@test "stint: help and version" {
	"$bin" --version | grep -qE '^stint [0-9]+\.[0-9]+\.[0-9]+$'
	for command in $("$bin" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | grep -v record); do
		for help in "$command --help" "$command -h" "help $command"; do
			run "$bin" $help
			[ "$status" -eq 0 ]
			[[ $output == "Usage: stint $command "* ]]
			[[ $output != *"Mandatory or optional"* ]]
		done
	done
}

@test "stint: manual pages have the options that --help has" {
	for command in $("$bin" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | grep -v record); do
		python3 tests/cli/manual.py "$bin" "$command"
	done
	[ ! -x "${bin}-record" ] || python3 tests/cli/manual.py "${bin}-record"
}

@test "stint: wrong commands" {
	fault 2 "stint: no command given"
	fault 2 "stint: there is no command 'repot'" repot
	fault 2 "stint: unknown option '--frob'" --frob
}

@test "stint: wrong options name the fault" {
	fault 2 "stint report: no recording given" report
	fault 2 "stint report: one recording at a time, not also 'b'" report a b
	fault 2 "stint report: one recording at a time, not also 'b'" report -- a b
	fault 2 "stint report: unknown option '--frob'" report --frob "$host"
	fault 2 "stint report: unknown option '--frob'" report "$host" --frob=2
	fault 2 "stint report: unknown option '-x'" report -x "$host"
	fault 2 "stint report: '--s' may mean more than one option" report --s=1 "$host"
	fault 2 "stint report: --view needs a value" report "$host" --view
	fault 2 "stint report: --no-inline takes no value" report --no-inl=1 "$host"
	fault 2 "stint flame: -o needs a value" flame "$host" -o
	fault 2 "stint flame: unknown option '-x'" flame -xo "$host"
	fault 2 "stint report: --view: 'x' is not one of on-cpu, off-cpu" report --view=x "$host"
	fault 2 "stint report: --by=duration is for --view=off-cpu" report --by=duration "$host"
	fault 2 "stint report: --by=samples is for --view=on-cpu" report --view=off-cpu --by=samples "$host"
	fault 2 "stint report: --group=waker is for --view=off-cpu" report --group=waker "$host"
	fault 2 "stint report: --state is for --view=off-cpu" report --state=S "$host"
	fault 2 "stint report: --histogram is for --view=off-cpu" report --histogram "$host"
	fault 2 "stint report: --limit: '-1' is no number of rows" report --limit=-1 "$host"
	fault 2 "stint report: --format: 'xml' is not one of text, json, csv" report --format=xml "$host"
	fault 2 "stint report: --callers, --callees and --histogram exclude each other" report --callers=a --callees=b "$host"
	fault 2 "stint diff: two recordings are needed, or several with a ':' between the sides" diff "$host"
	fault 2 "stint diff: no recording on one side of ':'" diff "$host" :
	fault 2 "stint info: --format: 'csv' is not one of text, json" info --format=csv "$host"
}

@test "stint: wrong selections name the fault" {
	fault 2 "stint report: --pid: '1x' is no number, nor a list of numbers like 3,5-7" report --pid=1x "$host"
	fault 2 "stint report: --tid: '' is no number, nor a list of numbers like 3,5-7" report --tid= "$host"
	fault 2 "stint report: --cpu: '3-1' is no number, nor a list of numbers like 3,5-7" report --cpu=3-1 "$host"
	fault 2 "stint report: --pid: '99999999999' is no number, nor a list of numbers like 3,5-7" report --pid=99999999999 "$host"
	fault 2 "stint report: --state: 'Q' is not made of the letters R, S, D, T, t, X, Z, P and I" report --state=Q "$host"
	fault 2 "stint report: --min: '5' is no time with its unit (ns, us, ms, s, m or h), as 50us" report --min=5 "$host"
	fault 2 "stint report: --max: '1.5' is no time with its unit (ns, us, ms, s, m or h), as 50us" report --max=1.5 "$host"
	fault 2 "stint report: --min is greater than --max" report --view=off-cpu --min=2ms --max=1ms "$host"
	fault 2 "stint report: --from: '2x' is no time; write seconds (2.5), a unit (250ms) or a share (30%)" report --from=2x "$host"
	fault 2 "stint report: --to: '101%' is no time; write seconds (2.5), a unit (250ms) or a share (30%)" report --to=101% "$host"
	fault 2 "stint report: --to is not after --from" report --from=50% --to=20% "$host"
	fault 2 "stint report: --syscall: x86_64 has no system call 'frob'; its number will do too" report --view=off-cpu --syscall=frob "$host"
	fault 2 "stint report: --symbol: '(' is no regular expression: Unmatched ( or \\(" report '--symbol=(' "$host"
	fault 2 "stint report: --demangle: 'some' is not one of short, full, none" report --demangle=some "$host"
}

@test "stint: bad input names the file" {
	fault 3 "stint report: /nonexistent: cannot open: No such file or directory" report /nonexistent
	fault 3 "stint info: /etc/passwd: not a stint recording" info /etc/passwd
	fault 3 "stint report: /tmp: is neither a file nor a pipe" report /tmp
	fault 3 "stint verify: /dev/null: is neither a file nor a pipe" verify /dev/null
	fault 2 "stint diff: only one recording can come from standard input" diff - -
	fault 3 "stint diff: /etc/passwd: not a stint recording" diff "$host" /etc/passwd
	fault 3 "stint report: standard input: not a stint recording" report - </etc/passwd
}

@test "stint: an empty name is a usage error" {
	for command in report info replay flame verify dump "pack -o x" "annotate"; do
		fault 2 "stint ${command%% *}: the name of the recording is empty" $command ""
	done
	fault 2 "stint diff: the name of a recording is empty" diff "$host" ""
	for command in flame pack "verify --repair"; do
		fault 2 "stint ${command%% *}: -o: the name of the output is empty" $command "$host" -o ""
	done
	fault 2 "stint report: --symbols: the name of the directory is empty" report --symbols= "$host"
	fault 2 "stint annotate: --source: the name of the directory is empty" annotate --source= "$host" f
	fault 2 "stint report: the name of the function is empty" report --callers= "$host"
	fault 2 "stint annotate: no function given; 'stint report' lists them" annotate "$host" ""
}

@test "stint: an option that would do nothing is a usage error" {
	local off=--view=off-cpu
	fault 2 "stint report: --sort=total has no meaning with --callers, --callees or --histogram" report --sort=total --callers=f "$host"
	fault 2 "stint report: --group has no meaning with --callers, --callees or --histogram" report --group=line --callees=f "$host"
	fault 2 "stint report: --sort=total has no meaning with --callers, --callees or --histogram" report $off --histogram --sort=total "$host"
	fault 2 "stint report: --histogram shows duration, blocked or runqueue, not --by=count" report $off --histogram --by=count "$host"
	"$bin" report $off --histogram --by=blocked "$host" | grep -q 'the bars show blocked'
	fault 2 "stint diff: --group=thread has no meaning with --format=folded, which has stacks" diff --group=thread --format=folded "$host" "$host"
	fault 2 "stint diff: --value=total has no meaning with --format=folded" diff --value=total --format=folded "$host" "$host"
	fault 2 "stint diff: --limit has no meaning with --format=folded" diff --limit=1 --format=folded "$host" "$host"
	fault 2 "stint diff: --value=total is for --group=symbol: a thread has only values of its own" diff --value=total --group=thread "$host" "$host"
	cmp <("$bin" diff --group=stack --format=folded "$host" "$host") <("$bin" diff --format=folded "$host" "$host")
	fault 2 "stint replay: --depth has no meaning with --stacks=none" replay --depth=3 --stacks=none "$host"
	fault 2 "stint annotate: --bytes is for instructions, not for --group=line" annotate --bytes --group=line "$host" f
	fault 2 "stint annotate: --syntax is for instructions, not for --group=line" annotate --syntax=att --group=line "$host" f
	fault 2 "stint annotate: --order=address is for instructions, not for --group=line" annotate --order=address --group=line "$host" f
	fault 2 "stint annotate: --order is for text: as JSON, all instructions are written, by address" annotate --order=hottest --format=json "$host" f
	fault 2 "stint annotate: --context is for text: as JSON, all instructions are written, by address" annotate --context=3 --format=json "$host" f
	fault 2 "stint annotate: --context is for instructions by address" annotate --context=3 --group=line "$host" f
	fault 2 "stint annotate: --rows is for --group=line or --order=hottest; by address, there is --context" annotate --rows=3 "$host" f
}

# same ARG... -- ARG...: both write the same.
same() {
	local ours=()
	while [ "$1" != -- ]; do
		ours+=("$1")
		shift
	done
	shift
	"$bin" "${ours[@]}" >"$BATS_TEST_TMPDIR/ours"
	[ -s "$BATS_TEST_TMPDIR/ours" ]
	"$bin" "$@" | cmp "$BATS_TEST_TMPDIR/ours"
}

@test "stint: what is the default anyway can be said, and what is harmless" {
	local off=--view=off-cpu name
	name=$("$bin" report --format=json "$host" | jq -r '.rows[0].name')
	same report $off --histogram --limit=0 "$host" -- report $off --histogram "$host"
	same report $off --histogram --limit=1 --sort=self --group=symbol "$host" -- report $off --histogram "$host"
	same report "--callers=$name" --sort=self --group=symbol "$host" -- report "--callers=$name" "$host"
	for option in group=symbol group=stack value=self limit=0; do
		same diff --format=folded --$option "$host" "$host" -- diff --format=folded "$host" "$host"
	done
	same diff --group=thread --value=self "$host" "$host" -- diff --group=thread "$host" "$host"
	same report --debuginfod= "$host" -- report --debuginfod=none "$host"
}

@test "stint: what is made of a recording is no more open than the recording" {
	local in=$BATS_TEST_TMPDIR/in.stint out=$BATS_TEST_TMPDIR/out mode command
	umask 022
	cp "$host" "$in"
	for mode in 600 640 666; do
		chmod $mode "$in"
		for command in pack "verify --repair" "flame --format=svg"; do
			rm -f "$out"
			"$bin" $command "$in" -o "$out" >/dev/null
			[ "$(stat -c %a "$out")" = "$(printf '%o' $((0$mode & 0644)))" ] || { echo "$command: $mode"; false; }
		done
		"$bin" pack - -o "$out" <"$in" >/dev/null
		[ "$(stat -c %a "$out")" = "$(printf '%o' $((0$mode & 0644)))" ]
	done
	# Of what comes through a pipe, nothing is known.
	cat "$in" | "$bin" verify - --repair -o "$out" >/dev/null
	[ "$(stat -c %a "$out")" = 644 ]
}

@test "stint: output that can't be written is an error" {
	[ -w /dev/full ] || skip "no /dev/full"
	for command in report info "diff $host"; do
		status=0
		"$bin" $command "$host" >/dev/full 2>"$BATS_TEST_TMPDIR/err" || status=$?
		[ "$status" -eq 4 ]
		grep -q 'No space left on device' "$BATS_TEST_TMPDIR/err"
	done
}

@test "stint record: says where the recorder should be" {
	cp "$bin" "$BATS_TEST_TMPDIR/stint"
	run env PATH=/nowhere "$BATS_TEST_TMPDIR/stint" record
	[ "$status" -eq 4 ]
	[[ $output == *"stint-record is neither beside this program nor in PATH"* ]]
	printf '#!/bin/sh\necho "recorder: $*"\nexit 7\n' >"$BATS_TEST_TMPDIR/stint-record"
	chmod +x "$BATS_TEST_TMPDIR/stint-record"
	run "$BATS_TEST_TMPDIR/stint" record -d 1 -- a b
	[ "$status" -eq 7 ]
	[ "$output" = "recorder: -d 1 -- a b" ]
}
