#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Unwind tables of files that the host can't reach by their path, of many processes, and within a small budget.

load helpers

# Programs without frame pointers that sleep again and again at the bottom of a known stack.
shapes() {
	gcc -O2 "$root/tests/unwind/shapes.c" -o "$1" -ldl -lpthread
}

# How many of a process's user stacks there are in a recording, and how many of them ended otherwise than complete.
incomplete_of_all() { # FILE PID
	info "$1" | jq -r --argjson pid "$2" '[.processes[] | select(.pid == $pid) | .user_stacks[]] |
		"\([.[] | select(.end != "complete") | .count] | add // 0) \([.[].count] | add // 0)"'
}

# all_complete FILE PID [MISSES]: fails where there are too few stacks, or more misses than allowed.
all_complete() {
	local bad all
	read -r bad all < <(incomplete_of_all "$1" "$2")
	[ "${all:-0}" -ge 10 ] || fail "$1 has only ${all:-0} stacks of process $2:" "$(cat out.err 2>/dev/null)" || return
	[ "$bad" -le "${3:-0}" ] || fail "$bad of $all stacks are incomplete:" "$("$stint" info "$1")"
}

# A recording of a process that runs already.
record_running() {
	record -p "$1" -F 0 -d 0.7 -o before.stint
	all_complete before.stint "$1"
}

@test "a program on an overlay file system of another mount namespace" {
	shapes app
	cat >inside <<-'END'
		set -e
		mount -t tmpfs tmpfs hidden
		mkdir hidden/lower hidden/upper hidden/work hidden/merged
		cp app hidden/lower/app
		mount -t overlay overlay -o lowerdir=hidden/lower,upperdir=hidden/upper,workdir=hidden/work hidden/merged
		exec hidden/merged/app qsort
	END
	mkdir hidden
	unshare -m true 2>/dev/null || skip "no mount namespace can be made here"
	start out unshare -m sh inside
	wait_for_line out ready
	[ ! -e hidden/merged ] || fail "the program isn't hidden"
	record_running "$started"
	"$recorder" -F 0 -o under.stint -- timeout 2 unshare -m sh inside >out2 2>err || true # the timeout's status
	"$stint" info --format=json under.stint >info.json || fail "$(cat err)"
	jq '[.processes[] | select(.name | startswith("app")) | .user_stacks[]]' info.json >ends
	between "stacks of the program" "$(jq 'map(.count) | add // 0' ends)" 10 1000
	between "incomplete ones" "$(jq 'map(select(.end != "complete") | .count) | add // 0' ends)" 0 5
}

@test "a deleted program with a deleted library" {
	shapes app
	gcc -O2 -shared -fPIC "$root/tests/unwind/library.c" -o library.so
	start out "$PWD/app" library "$PWD/library.so"
	wait_for_line out ready
	sleep 0.2
	rm app library.so
	record_running "$started"
}

@test "a program without a name: executed from memory" {
	shapes app
	start out /usr/bin/python3 -c 'import os, sys
fd = os.memfd_create("nameless")
os.write(fd, open("app", "rb").read())
os.execve(fd, ["app", "alloca"], {})'
	wait_for_line out ready
	record_running "$started"
}

@test "a library that is loaded where another one was" {
	gcc -O2 "$root/tests/unwind/replaced.c" -o replaced -ldl
	gcc -O2 -shared -fPIC "$root/tests/unwind/library.c" -o one.so
	gcc -O2 -shared -fPIC "$root/tests/unwind/library.c" -o two.so -Wl,-soname,two.so
	record -F 0 -o x.stint -- ./replaced 1500 "$PWD/one.so" "$PWD/two.so" "$PWD/one.so"
	equal "places of the libraries" "$(said at | sort -u | wc -l)" 1
	local one two
	"$stint" report --view=off-cpu --by=count --group=module --format=json x.stint >report.json
	one=$(jq '[.rows[] | select(.name | endswith("one.so")) | .count.total] | add // 0' report.json)
	two=$(jq '[.rows[] | select(.name | endswith("two.so")) | .count.total] | add // 0' report.json)
	echo "one.so $one, two.so $two" >&2
	# One slept twice as long in total. What was on its way when the library changed may count as the other's.
	[ "$two" -ge 50 ] && [ $((one * 10)) -ge $((two * 13)) ] && [ $((one * 10)) -le $((two * 28)) ] ||
		fail "one.so has $one intervals, two.so $two"
}

# Faster than the recorder can be told. Its rows are those of another library's until then: what a walk finds by them is
# wrong, or even looks whole.
@test "libraries that take each other's place all the time, with frames of different sizes" {
	local both stacks
	gcc -O2 "$root/tests/unwind/replaced.c" -o replaced -ldl
	gcc -O2 -shared -fPIC -DROOM=40 "$root/tests/unwind/library.c" -o small.so
	gcc -O2 -shared -fPIC -DROOM=3000 "$root/tests/unwind/library.c" -o large.so
	mapfile -t both < <(for _ in {1..75}; do printf '%s\n' "$PWD/small.so" "$PWD/large.so"; done)
	record -F 0 -o x.stint -- ./replaced 4 "${both[@]}"
	equal "places of the libraries" "$(said at | sort -u | wc -l)" 1
	"$stint" flame --format=folded --view=off-cpu --by=count x.stint 2>/dev/null | grep ';nap;' >naps
	[ "$(awk '{ n += $NF } END { print n }' naps)" -ge 150 ]
	stacks=$(grep -v ';main;call_back;nap;' naps || true)
	[ -z "$stacks" ] || fail "wrong stacks: $stacks"
	all_complete x.stint "$(info x.stint | jq '.processes[] | select(.name | startswith("replaced")) | .pid')"
}

# The recorder is stopped while another program runs from the same inode, so the walker has nothing to go by but what it
# was told of that file before.
@test "a program that was written over doesn't get the tables of the one before" {
	local inode recorder_pid stacks
	gcc -O2 -DPADDING=64 "$root/tests/unwind/padded.c" -o program
	gcc -O2 -DPADDING=4096 "$root/tests/unwind/padded.c" -o other
	inode=$(stat -c %i program)
	start rec.out "$recorder" -F 0 -p $$ -o x.stint
	recorder_pid=$started
	wait_for_recorder x.stint
	start out ./program
	wait_for_line out ready
	sleep 0.5
	kill -KILL "$started"
	end_of "$started" || true
	kill -STOP "$recorder_pid"
	cat other >program
	equal "inode" "$(stat -c %i program)" "$inode"
	start out2 ./program
	wait_for_line out2 ready
	sleep 0.5
	kill -CONT "$recorder_pid"
	sleep 0.5
	kill -INT "$recorder_pid"
	end_of "$recorder_pid"
	all_complete x.stint "$started"
	stacks=$("$stint" flame --format=folded --view=off-cpu --by=count --pid="$started" x.stint 2>/dev/null |
		grep ';leaf;' | grep -v ';main;outer;inner;leaf;' || true)
	[ -z "$stacks" ] || fail "wrong stacks: $stacks"
}

# Debian's musl has no call frame information: walks end where they come to its code, and say so.
@test "programs of a C library without call frame information end there, and it is said" {
	command -v musl-gcc >/dev/null || skip "musl-gcc isn't installed"
	local linked
	for linked in "" -static; do
		# shellcheck disable=SC2086
		musl-gcc -O2 $linked -DNO_DLOPEN -DNO_CONTEXT "$root/tests/unwind/shapes.c" -o app
		start out ./app tail
		wait_for_line out ready
		record -p "$started" -F 0 -d 0.5 -o x.stint
		info x.stint | jq -e --argjson pid "$started" '[.processes[] | select(.pid == $pid) | .user_stacks[]] |
			length > 0 and all(.end == "no-rows")' >/dev/null || fail "$("$stint" info x.stint)"
	done
}

# Copies of bash, each asleep in a read of its own: their tables alone are 140 KB each. Their pids are in $copies.
start_copies_of_bash() {
	local i
	copies=()
	for ((i = 0; i < $1; i++)); do
		cp "$(command -v bash)" "copy$i"
		start "out$i" "./copy$i" --norc -c 'while :; do read -r -t 0.03; done'
		copies+=("$started")
	done
	sleep 0.3
}

@test "copies of a file have one table" {
	start_copies_of_bash 40
	record -p "$(IFS=,; echo "${copies[*]}")" -F 0 -d 0.7 --unwind-memory=4M -o x.stint
	equal "tables left out" "$(info x.stint | jq '[.loss[] | select(.cause == "unwind") | .count] | add // 0')" 0
	all_complete x.stint "${copies[0]}"
	all_complete x.stint "${copies[39]}"
}

@test "tables that find no room in a small budget are in the ledger, and those in use stay" {
	local program known=()
	for program in /usr/lib/x86_64-linux-gnu/libLLVM-14.so.1 /usr/lib/x86_64-linux-gnu/libclang-cpp.so.14; do
		[ -e "$program" ] && known+=("$program")
	done
	[ ${#known[@]} -eq 2 ] || skip "no libraries with large tables are installed"
	start_copies_of_bash 1
	start out /usr/bin/python3 -c 'import ctypes, sys, time
for path in sys.argv[1:]: ctypes.CDLL(path)
print("ready", flush=True)
while True: time.sleep(0.02)' "${known[@]}"
	wait_for_line out ready
	record -p "${copies[0]},$started" -F 0 -d 1 --unwind-memory=4M -o x.stint
	between "tables left out" "$(info x.stint | jq '[.loss[] | select(.cause == "unwind") | .count] | add // 0')" 1 1000
	"$stint" info x.stint | grep -q "left out for want of memory" || fail "$("$stint" info x.stint)"
	all_complete x.stint "${copies[0]}"
}

@test "hundreds of processes are complete from the start of a recording" {
	local i pids=() began
	shapes app
	for ((i = 0; i < 300; i++)); do
		start out ./app qsort
		pids+=("$started")
	done
	wait_for_line out ready
	sleep 0.5
	began=$(date +%s%N)
	record -a -F 0 -d 0.5 -o x.stint
	echo "recorded for $((($(date +%s%N) - began) / 1000000)) ms, of which 500 were asked for" >&2
	info x.stint | jq '[.processes[] | select(.name | startswith("app")) | .user_stacks]' >ends
	between "processes with stacks" "$(jq 'map(select(length > 0)) | length' ends)" 300 300
	# A thread that ran while it was its turn in the list of sleepers has no stack, and stands in the ledger.
	equal "incomplete stacks" "$(jq -c '[.[][] | select(.end | IN("complete", "not-taken") | not)]' ends)" '[]'
	between "stacks that were not taken" "$(jq '[.[][] | select(.end == "not-taken") | .count] | add // 0' ends)" 0 \
		"$(info x.stint | jq '[.loss[] | select(.cause == "cut-off") | .count] | add // 0')"
}
