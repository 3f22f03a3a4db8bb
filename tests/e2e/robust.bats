#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What must hold when things go wrong: killed, cut, damaged, out of space, without rights.

load helpers

@test "SIGINT ends the recording: exit status 0, a whole file, a last line that says what was recorded" {
	for signal in INT TERM; do
		start rec.out "$recorder" -a -o i.stint
		wait_for_recorder i.stint
		sleep 1
		kill -$signal "$started"
		end_of "$started"
		equal "complete" "$(info i.stint | jq .recording.complete)" true
		tail -1 rec.out.err | grep -qE '[0-9]' || fail "the last line: $(cat rec.out.err)"
		"$stint" verify i.stint
		rm i.stint
	done
}

@test "kill -9 after 5 s: at least 4 s are readable" {
	start load.out "$workloads/sleeper" 1000000 1000
	start rec.out "$recorder" -a -o k.stint
	wait_for_recorder k.stint
	sleep 5
	kill -KILL "$started"
	end_of "$started" || true
	i=$(info k.stint)
	equal "complete" "$(jq .recording.complete <<<"$i")" false
	between "readable ms" $(($(jq .recording.duration_ns <<<"$i") / 1000000)) 4000 20000
	[ "$(field count.total sleep_here "$(rows k.stint --view=off-cpu --state=S)")" -gt 2000 ]
}

@test "cut at 1,000 random places: every whole block before the cut is read" {
	start load.out "$workloads/pingpong" 60000 1 1
	record -a -F 999 -d 3 -o large.stint
	kill -KILL "${started_pids[0]}"
	/usr/bin/python3 "$BATS_TEST_DIRNAME/cut.py" "$stint" large.stint 1000
}

@test "one flipped bit: found by verify, never a crash, and only its block is lost" {
	start load.out "$workloads/pingpong" 60000 1
	record -a -F 999 -d 2 -o whole.stint
	kill -KILL "${started_pids[0]}"
	/usr/bin/python3 "$BATS_TEST_DIRNAME/flip.py" "$stint" whole.stint 60
}

@test "--max-size is never passed, and the file is whole" {
	start load.out "$workloads/pingpong" 60000 2
	record -a -d 3 --max-size 200K -o m.stint
	between "size" "$(stat -c %s m.stint)" 1000 $((200 * 1024))
	"$stint" verify m.stint
	between "events not written" "$(info m.stint | jq '[.loss[] | select(.cause == "size-limit") | .count] | add')" 1 1000000000
}

@test "--max-size that is reached in the list of sleepers at the end: whole, and none is forgotten" {
	start crowd.out "$workloads/crowd" 8000
	wait_for_line crowd.out '^ready=1$'
	record -p "$(said pid crowd.out)" -d 0.2 --max-size 128K -o c.stint
	between "size" "$(stat -c %s c.stint)" 1000 $((128 * 1024))
	"$stint" verify c.stint
	i=$(info c.stint)
	equal "complete" "$(jq .recording.complete <<<"$i")" true
	left_out=$(jq '[.loss[] | select(.cause == "size-limit") | .count] | add // 0' <<<"$i")
	equal "open or left out" $(($(jq .off_cpu.open <<<"$i") + left_out)) 8001
}

@test "a full disk: said, exit status 4, and what was written is readable" {
	mkdir full
	mount -t tmpfs -o size=256k tmpfs full || skip "no tmpfs can be mounted"
	start load.out "$workloads/pingpong" 60000 2
	status=0
	timeout 30 "$recorder" -a -F 999 -d 4 -o full/f.stint >out 2>err </dev/null || status=$?
	cp full/f.stint f.stint
	umount full
	equal "exit status ($(cat err))" $status 4
	grep -qiE 'space|full' err || fail "no word about space: $(cat err)"
	info f.stint | jq -e '.off_cpu.count > 0'
}

@test "-o - streams into a pipe, and stint reads it from there" {
	# shellcheck disable=SC2016
	"$recorder" -d 1 -o - -- sh -c 'echo first line; "$0" 100 2000; echo last line' "$workloads/sleeper" 2>err |
		tee copy.stint | "$stint" report --view=off-cpu --format=json --limit=0 - >report.json
	# The command's own output isn't in the stream: it is where messages go.
	"$stint" verify copy.stint
	! grep -aqE '(first|last) line' copy.stint || fail "the command writes into the recording"
	equal "the command's lines" "$(grep -cE '^(first|last) line$' err)" 2
	equal "sleeps" "$(field count.total sleep_here "$(rows copy.stint --view=off-cpu --state=S)")" \
		"$(jq '[.rows[] | select(.name == "sleep_here") | .count.total] | add' <<<"$("$stint" report --view=off-cpu --state=S --format=json copy.stint)")"
	jq -e '.rows | length > 0' report.json
}

@test "-o - refuses a terminal" {
	command -v script >/dev/null || skip "script(1) isn't installed"
	script -qec "'$recorder' -a -d 1 -o -" /dev/null >out </dev/null && fail "it wrote to a terminal"
	grep -qi terminal out || fail "$(cat out)"
}

@test "without root: one or two lines that say what to do, exit status 4" {
	command -v setpriv >/dev/null || skip "setpriv isn't installed"
	mkdir open
	chmod 777 open "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" 2>/dev/null || true
	cp "$recorder" open/stint-record
	chmod 755 open/stint-record
	status=0
	setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs ./open/stint-record -a -d 1 -o - >out 2>err </dev/null || status=$?
	equal "exit status ($(cat err))" $status 4
	between "lines" "$(wc -l <err)" 1 3
	grep -qiE 'root|cap_|sudo|capabilit' err || fail "no word about what to do: $(cat err)"
	equal "bytes written" "$(wc -c <out)" 0
}

@test "without CAP_SYS_PTRACE the end says what that does to stacks" {
	command -v setpriv >/dev/null || skip "setpriv isn't installed"
	setpriv --bounding-set -sys_ptrace "$recorder" -F 0 -d 0.2 -o x.stint 2>err || fail "$(cat err)"
	grep -q 'without CAP_SYS_PTRACE.*stacks' err || fail "$(cat err)"
	"$recorder" -F 0 -d 0.2 -o x.stint 2>err || fail "$(cat err)"
	! grep -q CAP_SYS_PTRACE err || fail "$(cat err)"
}

@test "too low a limit of open files is called that, not the kernel's fault" {
	status=0
	(ulimit -n 24 && exec "$recorder" -d 0.2 -o x.stint) 2>err || status=$?
	equal "exit status ($(cat err))" $status 4
	grep -q 'ulimit -n' err || fail "$(cat err)"
}

@test "most capabilities are given up, and CAP_SYS_ADMIN stays only where CAP_BPF isn't there" {
	caps_of() { # of a recorder that runs with these options of setpriv
		start rec.out setpriv "$@" "$recorder" -o c.stint
		wait_for_recorder c.stint
		caps=$((0x$(sed -n 's/^CapEff:\s*//p' "/proc/$started/status")))
		kill -INT "$started"
		end_of "$started"
		rm c.stint
	}
	caps_of
	equal "with everything: CAP_BPF, CAP_SYS_ADMIN, CAP_PERFMON" "$((caps >> 39 & 1))$((caps >> 21 & 1))$((caps >> 38 & 1))" 100
	caps_of --bounding-set=-bpf,-perfmon
	equal "with CAP_SYS_ADMIN alone" "$((caps >> 39 & 1))$((caps >> 21 & 1))$((caps >> 38 & 1))" 010
}

@test "an output that can't be created is refused before anything is recorded" {
	run "$recorder" -a -d 1 -o /no/such/directory/x.stint
	equal "exit status" "$status" 4
	[[ $output == */no/such/directory* ]]
}

@test "as long as a name can be, a recording of that name is replaced by the next; a longer one is refused at once" {
	printf -v name 'n%.0s' {1..255}
	record -p $$ -d 0.1 -o "$name"
	record -p $$ -d 0.1 -o "$name"
	"$stint" verify "$name"
	equal "files" "$(find . -type f ! -name out ! -name err -printf '%f')" "$name"
	run "$recorder" -p $$ -d 0.1 -o "${name}n"
	equal "exit status" "$status" 4
	[[ $output == *"name too long"* ]] || fail "$output"
}

@test "a second signal stops at once, and the file is readable" {
	start load.out "$workloads/pingpong" 60000 2
	start rec.out "$recorder" -a -o s.stint
	wait_for_recorder s.stint
	sleep 1.5
	kill -INT "$started"
	kill -INT "$started" 2>/dev/null || true
	end_of "$started" || true
	info s.stint | jq -e '.off_cpu.count > 0'
}

@test "two recorders at once: neither sees the other, both files are whole" {
	start one.out "$recorder" -a -d 2 -o one.stint
	first=$started
	start two.out "$recorder" -a -d 2 -o two.stint
	second=$started
	end_of "$first"
	end_of "$second"
	"$stint" verify one.stint
	"$stint" verify two.stint
}

# Until the recorder has its file open, which has no name yet.
wait_for_output() {
	for ((i = 0; i < 400; i++)); do
		[ -n "$(find "/proc/$1/fd" -lname '*/#* (deleted)' -o -lname '/memfd:recording*' 2>/dev/null)" ] && break
		sleep 0.005
	done
}

@test "kill -9 before recording begins leaves nothing behind, and an older file as it was" {
	echo precious >q.stint
	start rec.out "$recorder" -a -o q.stint
	wait_for_output "$started"
	kill -KILL "$started"
	end_of "$started" || true
	rm -f rec.out* stdin
	equal "the old file" "$(head -c 8 q.stint)" precious
	equal "files" "$(ls)" q.stint
}

@test "a file in a directory of somebody else, as sudo makes it, is that user's" {
	install -d -o 1000 -g 1000 -m 755 theirs
	for how in new again; do
		SUDO_UID=1000 SUDO_GID=1001 "$recorder" -d 0.1 -p $$ -o theirs/c.stint 2>err || fail "$how: $(cat err)"
		equal "files" "$(ls theirs)" c.stint
		equal "mode and owner" "$(stat -c %a:%u:%g theirs/c.stint)" 600:1000:1001
		"$stint" verify theirs/c.stint
	done
}

@test "a signal before recording begins leaves nothing behind, and an older file as it was" {
	for ((n = 0; n < 3; n++)); do
		echo precious >q.stint
		start rec.out "$recorder" -a -o q.stint
		wait_for_output "$started"
		kill -TERM "$started"
		status=0
		end_of "$started" || status=$?
		compgen -G '.stint-*' && fail "left behind"
		# It may have begun just before.
		[ $status -eq 0 ] && continue
		equal "exit status" $status 4
		equal "the old file" "$(cat q.stint)" precious
		grep -q 'before recording began' rec.out.err || fail "$(cat rec.out.err)"
	done
}

@test "a hangup finishes the file, unless it is ignored" {
	start c.out "$recorder" -o c.stint -p $$
	wait_for_recorder c.stint
	kill -HUP "$started"
	end_of "$started"
	equal "complete" "$(info c.stint | jq .recording.complete)" true
	rm c.stint
	start c.out nohup "$recorder" -o c.stint -p $$
	wait_for_recorder c.stint
	kill -HUP "$started"
	sleep 0.1
	kill -0 "$started"
	kill -INT "$started"
	end_of "$started"
}

@test "a limit on the size of files is an error like a full disk, and the file is readable" {
	# A quiet host writes little: this load alone makes more than the limit.
	start load.out "$workloads/pingpong" 10000 1
	run bash -c "ulimit -f 64; exec '$recorder' -o c.stint -F 999 -d 10"
	equal "exit status" "$status" 4
	[[ $output == *"File too large"* ]]
	"$stint" verify c.stint
}

@test "in a pid namespace of its own, where no id would be right, it says so and records nothing" {
	run unshare --pid --fork --mount-proc "$recorder" -o n.stint -- true
	equal "exit status" "$status" 4
	[[ $output == *"pid namespace"* ]]
	[ ! -e n.stint ]
}

@test "a second SIGINT ends it even where a pipe's reader doesn't read" {
	mkfifo pipe
	start reader.out sleep 60
	exec {held}<>pipe
	start rec.out "$recorder" -a -F 9999 --flush=10ms -o pipe
	# Nobody reads: the pipe is full once its writer sleeps in it.
	for ((i = 0; i < 200; i++)); do
		grep -q pipe_write "/proc/$started/wchan" && break
		sleep 0.1
	done
	kill -INT "$started"
	sleep 0.5
	kill -0 "$started" || fail "it is gone after the first one"
	kill -INT "$started"
	status=0
	end_of "$started" || status=$?
	equal "exit status" "$status" 130
	exec {held}>&-
}

# Until the recorder takes signals, which is before it opens its output.
wait_for_handlers() {
	for ((i = 0; i < 400; i++)); do
		((0x$(sed -n 's/^SigCgt:\s*//p' "/proc/$1/status") & 1 << 14)) && return
		sleep 0.05
	done
	fail "it takes no signals"
}

@test "a FIFO that nobody reads is waited for, until a signal" {
	mkfifo pipe
	start rec.out "$recorder" -p $$ -o pipe
	wait_for_handlers "$started"
	sleep 0.3
	kill -TERM "$started"
	status=0
	patience=10 end_of "$started" || status=$?
	equal "exit status" "$status" 4
	grep -q 'before recording began' rec.out.err || fail "$(cat rec.out.err)"
	# A reader that comes late gets all of it.
	start rec.out "$recorder" -p $$ -d 0.3 -o pipe
	wait_for_handlers "$started"
	sleep 0.3
	cat pipe >copy.stint
	end_of "$started"
	"$stint" verify copy.stint
}

@test "few descriptors are no obstacle where more are to be had" {
	run bash -c "ulimit -S -n 50; exec '$recorder' -o n.stint -d 0.2"
	equal "exit status" "$status" 0
}
