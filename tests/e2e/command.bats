#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint record -- COMMAND: from its first instruction, with its descendants, with its exit status and signals.

load helpers

@test "exits with the command's status" {
	for want in 0 1 42; do
		status=0
		"$recorder" -o c.stint -- sh -c "exit $want" >out 2>err || status=$?
		equal "exit status" $status $want
		"$stint" info c.stint >/dev/null
	done
}

@test "a command that a signal ends: 128 + signal" {
	status=0
	# shellcheck disable=SC2016
	"$recorder" -o c.stint -- sh -c 'kill -SEGV $$' >out 2>err || status=$?
	equal "exit status" $status 139
}

@test "a command that isn't there is a usage error that names it, and leaves no file" {
	run "$recorder" -o c.stint -- ./no-such-program
	equal "exit status" "$status" 2
	[[ $output == *no-such-program* ]]
	[ ! -e c.stint ] || fail "it left $(ls -l c.stint)"
}

@test "SIGINT and SIGTERM to the recorder reach the command, and the file is whole" {
	for signal in INT TERM; do
		start c.out "$recorder" -o c.stint -- "$workloads/asleep"
		wait_for_line c.out '^ready=1$'
		kill -$signal "$started"
		status=0
		end_of "$started" || status=$?
		case $signal in INT) equal "exit status" $status 130 ;; TERM) equal "exit status" $status 143 ;; esac
		equal "complete" "$(info c.stint | jq .recording.complete)" true
		kill -0 "$(said pid c.out)" 2>/dev/null && fail "the command outlived the recorder's SIG$signal"
		rm c.stint c.out
	done
	true
}

@test "arguments, environment, directory, standard input and output are the command's own" {
	# shellcheck disable=SC2016
	echo "from stdin" | A_VARIABLE="a value" "$recorder" -o c.stint -- \
		sh -c 'cat; printf "%s|" "$@"; echo "$A_VARIABLE"; pwd' name "one two" "" '*' >got 2>err
	printf 'from stdin\none two||*|a value\n%s\n' "$PWD" >want
	diff -u want got
}

@test "it is recorded from its first instruction: its loader's mappings and its exec are there" {
	record -F 20000 -o c.stint -- /bin/true
	info c.stint >info.json
	exe=$(readlink -f /bin/true)
	jq -e --arg exe "$exe" '.processes[] | select(.exe == $exe or .exe == "/bin/true")' info.json >/dev/null ||
		fail "the program isn't there: $(jq -c .processes info.json)"
	jq -e '.modules[] | select(.path | test("/ld-linux|/ld-2"))' info.json >/dev/null ||
		fail "the loader isn't there: $(jq -c '[.modules[].path]' info.json)"
}

@test "descendants are recorded, and their neighbours are not" {
	start other.out "$workloads/sleeper" 100000 1000
	# shellcheck disable=SC2016
	record -o c.stint -- sh -c 'sh -c "\"$0\" 40 1000; :"; "$0" 40 1000 & wait' "$workloads/sleeper"
	r=$(rows c.stint --view=off-cpu --group=symbol --state=S)
	equal "both descendants' sleeps" "$(field count.total sleep_here "$r")" 80
}

@test "a command that ends in no time gives a file that is whole" {
	for _ in 1 2 3 4 5; do
		record -o c.stint -- /bin/true
		equal "complete" "$(info c.stint | jq .recording.complete)" true
	done
}

@test "-d ends the recording, and the command with it" {
	status=0
	timeout 20 "$recorder" -d 1 -o c.stint -- "$workloads/sleeper" 100000 1000 >out 2>err || status=$?
	[ $status -ne 124 ] || fail "it didn't end"
	between "duration in ms" $(($(info c.stint | jq .recording.duration_ns) / 1000000)) 900 3000
}

@test "a command that isn't there leaves an older recording of that name" {
	echo precious >c.stint
	run "$recorder" -o c.stint -- ./no-such-program
	equal "exit status" "$status" 2
	equal "the old file" "$(cat c.stint)" precious
	equal "files" "$(ls)" c.stint
}
