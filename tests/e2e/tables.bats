#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Unwind tables while they are made: how much memory that takes, and that events are written meanwhile.

load helpers

# start_mapper [FUNCTIONS]: a process that maps a file of so many functions and twice as many rows, once it is told to.
# 400,000 unless said otherwise, as many as libLLVM has.
start_mapper() {
	"$build/tools/huge_elf" huge "${1:-400000}" 2
	start mapped /usr/bin/python3 -c 'import mmap, os, time
print("ready", flush=True)
while not os.path.exists("go"): time.sleep(0.02)
with open("huge", "rb") as f:
    m = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    while True: time.sleep(0.02)'
	mapper=$started
	wait_for_line mapped ready
}

# How many BPF maps a process holds: each 2 MiB of rows are one.
n_bpf_maps() {
	find "/proc/$1/fd" -lname '*bpf-map*' 2>/dev/null | wc -l
}

# until_more COMMAND… THAN: waits until the command prints more than that.
until_more() {
	local i than=${*: -1} now=0
	for ((i = 0; i < 1200; i++)); do
		now=$("${@:1:$#-1}")
		[ "$now" -gt "$than" ] && return
		sleep 0.05
	done
	fail "'${*:1:$#-1}' gives $now, still no more than $than"
}

# How many bytes a process has read, and for how many ticks (10 ms) it has been on a CPU.
read_by() {
	local n
	n=$(awk '$1 == "rchar:" { print $2 }' "/proc/$1/io" 2>/dev/null)
	echo "${n:-0}"
}

ticks_of() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

child_of() {
	pgrep -P "$1" || echo 0
}

# stop_amid PID: an interrupt while that recorder reads the huge file. It makes no use of the CPU to go on with it.
stop_amid() {
	local before ticks
	before=$(read_by "$1")
	[ -e go ] || : >go
	until_more read_by "$1" $((before + 100000000))
	ticks=$(ticks_of "$1")
	kill -INT "$1"
	end_of "$wrapper" && status=0 || status=$?
	echo "# at the signal: $ticks ticks; recorder: $(jq -c . rss.json)" >&3
	between "CPU time after the signal, in ms" \
		"$(jq "(.user_s + .system_s) * 1000 - $ticks * 10 | floor" rss.json)" -20 700
}

size_of() {
	stat -c %s "$1"
}

@test "at most 32 MB of memory while a table as large as libLLVM's is prepared" {
	start_mapper
	start out /usr/bin/python3 "$BATS_TEST_DIRNAME/rss.py" rss.json "$recorder" -p "$mapper" -o x.stint
	local wrapper=$started pid before
	wait_for_recorder x.stint
	pid=$(pgrep -P "$wrapper")
	before=$(n_bpf_maps "$pid")
	: >go
	until_more n_bpf_maps "$pid" $((before + 2))
	kill -INT "$pid"
	end_of "$wrapper" || fail "the recorder exited with $?: $(cat out.err)"
	echo "# recorder: $(jq -c . rss.json)" >&3
	between "peak memory in KiB" "$(jq .max_rss_kib rss.json)" 1000 $((32 * 1024))
}

@test "events are written while a table is being prepared, however long that takes" {
	start_mapper
	start out "$recorder" -p "$mapper" -o x.stint
	local pid=$started before size thread="" i
	wait_for_recorder x.stint
	for i in /proc/"$pid"/task/*; do
		[ "$(cat "$i/comm")" = stint-tables ] && thread=${i##*/}
	done
	[ -n "$thread" ] || fail "no thread of its own prepares tables"
	before=$(n_bpf_maps "$pid")
	mkfifo hold
	/usr/bin/python3 "$BATS_TEST_DIRNAME/hold_thread.py" "$thread" 40 <hold >held 2>held.err 3>&- &
	started_pids+=($!)
	exec 5>hold
	wait_for_line held watching
	: >go
	wait_for_line held held
	# It stands still in the middle of its work. Two flushes and what is between them need nothing of it.
	size=$(size_of x.stint)
	until_more size_of x.stint "$size"
	size=$(size_of x.stint)
	until_more size_of x.stint "$size"
	equal "maps of rows meanwhile" "$(n_bpf_maps "$pid")" "$before"
	exec 5>&-
	wait_for_line held released
	until_more n_bpf_maps "$pid" $((before + 2))
	kill -INT "$pid"
	end_of "$pid" || fail "the recorder exited with $?: $(cat out.err)"
	"$stint" verify x.stint >verify.out || fail "$(cat verify.out)"
}

@test "who stops a recording needn't wait for a table that is being prepared" {
	start_mapper 2000000
	start out /usr/bin/python3 "$BATS_TEST_DIRNAME/rss.py" rss.json "$recorder" -p "$mapper" -o x.stint
	local wrapper=$started status
	wait_for_recorder x.stint
	stop_amid "$(pgrep -P "$wrapper")"
	equal "exit status" "$status" 0
	"$stint" verify x.stint >verify.out || fail "$(cat verify.out)"
}

@test "nor who stops it before it has begun" {
	start_mapper 2000000
	: >go
	wait_for_line "/proc/$mapper/maps" /huge
	start out /usr/bin/python3 "$BATS_TEST_DIRNAME/rss.py" rss.json "$recorder" -p "$mapper" -o x.stint
	local wrapper=$started status
	until_more child_of "$wrapper" 0
	stop_amid "$(pgrep -P "$wrapper")"
	[ "$status" -ne 0 ] || fail "it recorded: $(cat out.err)"
	grep -q "stopped before recording began" out.err || fail "$(cat out.err)"
	[ ! -e x.stint ] || fail "it left a file"
}
