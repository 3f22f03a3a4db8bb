#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Who is recorded: -a, -p, --tid, --comm, --cgroup; children; and never the recorder itself.

load helpers

# Two programs that sleep all the time, to tell apart.
start_two() {
	start one.out "$workloads/sleeper" 100000 1000
	one=$started
	start two.out "$workloads/sleeper" 100000 1000
	two=$started
}

pids_with_events() {
	{
		rows "$1" --view=off-cpu --group=process
		rows "$1" --view=on-cpu --group=process
	} | jq -r '.[].name' | grep -oE '\b[0-9]+\b' | sort -u
}

@test "-p records that process, its threads, and nobody else" {
	start_two
	start p.out "$workloads/pingpong" 60000 1
	record -p "$one" -d 1 -o p.stint
	equal "processes with events" "$(pids_with_events p.stint)" "$one"
	between "its switches" "$(rows p.stint --view=off-cpu | jq '[.[].count.self] | add')" 100 2000
}

@test "-p takes a list, and a thread's siblings with it" {
	start_two
	start p.out "$workloads/pingpong" 60000 1
	record -p "$one,$started" -d 1 -o p.stint
	equal "processes with events" "$(pids_with_events p.stint)" "$(printf '%s\n' "$one" "$started" | sort)"
	r=$(rows p.stint --view=off-cpu --group=comm)
	for comm in ping pong sleeper; do
		[ "$(field count.total "$comm" "$r")" -gt 0 ] || fail "no switches of $comm: $r"
	done
}

@test "-p follows the children that the process starts" {
	# shellcheck disable=SC2016
	start parent.out bash -c 'while :; do "$0" 2 1000 >/dev/null; done' "$workloads/sleeper"
	record -p "$started" -d 1 -o c.stint
	between "switches of its children" "$(field count.total sleep_here "$(rows c.stint --view=off-cpu --group=symbol --comm=sleeper --state=S)")" 10 2000
}

@test "-p and --tid end by themselves once their processes, children included, have ended" {
	# shellcheck disable=SC2016
	start parent.out bash -c 'trap "\"\$0\" 100000 1000 >/dev/null & echo child=\$!" USR1; echo ready=1; while :; do sleep 0.1; done' "$workloads/sleeper"
	parent=$started
	wait_for_line parent.out '^ready='
	start rec.out "$recorder" -p "$parent" -o c.stint
	rec=$started
	wait_for_recorder c.stint
	kill -USR1 "$parent"
	wait_for_line parent.out '^child='
	kill -KILL "$parent"
	sleep 0.5
	kill -0 "$rec" || fail "it ended before the child"
	kill "$(said child parent.out)"
	end_of "$rec"
	grep -q 'every process and thread to record has ended$' rec.out.err || fail "$(cat rec.out.err)"
	"$stint" verify c.stint
	start one.out "$workloads/sleeper" 100000 1000
	start rec.out "$recorder" --tid "$started" -o t.stint
	wait_for_recorder t.stint
	sleep 0.5
	kill "${started_pids[-2]}"
	end_of "$started"
	grep -q 'every process and thread to record has ended$' rec.out.err || fail "$(cat rec.out.err)"
	between "its sleeps" "$(rows t.stint --view=off-cpu | jq '[.[].count.self] | add')" 1 4000
}

@test "a process that is not there is refused, naming it" {
	run "$recorder" -p 4194000 -d 1 -o n.stint
	[ "$status" -ne 0 ]
	[[ $output == *4194000* ]]
	# shellcheck disable=SC2016
	start parent.out bash -c 'true & echo "zombie=$!"; exec sleep 100'
	wait_for_line parent.out '^zombie='
	sleep 0.5
	run "$recorder" -p "$(said zombie parent.out)" -d 1 -o n.stint
	equal "status, of one that only waits to be reaped" "$status" 2
	[[ $output == *"no such process: $(said zombie parent.out)"* ]]
}

@test "--tid records one thread" {
	start p.out "$workloads/asleep"
	wait_for_line p.out '^ready=1$'
	record --tid "$(said in-futex p.out)" -d 1 -o t.stint
	r=$(rows t.stint --view=off-cpu --group=thread)
	equal "threads" "$(jq length <<<"$r")" 1
	equal "open" "$(jq '[.[].open.self] | add' <<<"$r")" 1
}

@test "--comm records the threads of that name, and those that take it later" {
	start_two
	start p.out "$workloads/pingpong" 60000 1
	record --comm ping -d 1 -o c.stint
	r=$(rows c.stint --view=off-cpu --group=comm)
	equal "names" "$(jq -r '.[] | select(.count.self > 0) | .name' <<<"$r")" ping
}

@test "--cgroup records what runs in it" {
	local base
	base=$(findmnt -nt cgroup2 -o TARGET | head -1)
	[ -n "$base" ] || skip "no cgroup v2 hierarchy is mounted"
	group=$base/stint-test-$$
	mkdir "$group" || skip "no cgroup can be made in $base"
	start_two
	echo "$one" >"$group/cgroup.procs"
	status=0
	"$recorder" --cgroup "$group" -d 1 -o g.stint >out 2>err </dev/null || status=$?
	kill -KILL "$one"
	wait "$one" || true
	for ((i = 0; i < 50; i++)); do
		rmdir "$group" 2>/dev/null && break
		sleep 0.05
	done
	equal "exit status ($(cat err))" $status 0
	equal "processes with events" "$(pids_with_events g.stint)" "$one"
}

@test "-a records everything but the recorder" {
	start_two
	start rec.out "$recorder" -a -d 1.5 -o a.stint
	recorder_pid=$started
	end_of "$recorder_pid"
	pids=$(pids_with_events a.stint)
	grep -qx "$one" <<<"$pids" || fail "no events of $one in $pids"
	grep -qx "$two" <<<"$pids" || fail "no events of $two in $pids"
	! grep -qx "$recorder_pid" <<<"$pids" || fail "the recorder recorded itself"
}

@test "-F 0 takes no samples, --off-cpu=none no intervals" {
	record -F 0 -o f.stint -- "$workloads/burner" 300
	equal "samples" "$(info f.stint | jq .on_cpu.samples)" 0
	record --off-cpu=none -F 999 -o o.stint -- "$workloads/burner" 300
	equal "intervals" "$(info o.stint | jq .off_cpu.count)" 0
	between "samples" "$(info o.stint | jq .on_cpu.samples)" 100 1000
}

@test "--off-cpu=MIN leaves shorter intervals out, and counts them" {
	record --off-cpu=5ms -o m.stint -- "$workloads/sleeper" 50 1000
	equal "short intervals" "$(rows m.stint --view=off-cpu --max=4999us | jq '[.[].count.self] | add // 0')" 0
	between "counted" "$(info m.stint | jq '[.loss[] | select(.cause == "below-min") | .count] | add')" 50 1000
	record --off-cpu=5ms -o l.stint -- "$workloads/sleeper" 50 8000
	equal "long sleeps" "$(field count.total sleep_here "$(rows l.stint --view=off-cpu --state=S)")" 50
}

@test "--wakers: none, task, or with the waker's stack" {
	record --wakers=none -o n.stint -- "$workloads/messaging" 20 1000
	record --wakers=stack -o s.stint -- "$workloads/messaging" 20 1000
	"$stint" replay --format=json --symbol='^receive_message$' s.stint >s.json
	grep -q send_message s.json || fail "no waker's stack: $(head -c 2000 s.json)"
	"$stint" replay --symbol='^receive_message$' n.stint >n.txt
	! grep -qi 'send_message' n.txt || fail "a waker's stack though none was asked for"
}

@test "a thread that ceases to be a target while it sleeps: its interval is still there at the end" {
	cat >napper.py <<-'END'
		import os, threading, time
		name = lambda tid, comm: open(f'/proc/self/task/{tid}/comm', 'w').write(comm)
		def until(path):
		    while not os.path.exists(path):
		        time.sleep(0.05)
		def rename():
		    name(threading.get_native_id(), 'renamer')
		    until('now')
		    name(os.getpid(), 'renamed')
		    print('renamed=1', flush=True)
		    time.sleep(60)
		name(os.getpid(), 'napper')
		threading.Thread(target=rename, daemon=True).start()
		print('ready=1', flush=True)
		until('begun')
		print('asleep=1', flush=True)
		time.sleep(60)
	END
	start napper.out /usr/bin/python3 napper.py
	wait_for_line napper.out '^ready=1$'
	start rec.out "$recorder" --comm napper -o n.stint
	wait_for_recorder n.stint
	touch begun
	wait_for_line napper.out '^asleep=1$'
	sleep 0.2
	touch now
	wait_for_line napper.out '^renamed=1$'
	kill -INT "$started"
	end_of "$started"
	i=$(info n.stint)
	equal "open" "$(jq .off_cpu.open <<<"$i")" 1
	equal "seen" "$("$stint" dump n.stint | jq -s 'map(select(.table == "total" and .of_table == 33))[-1].seen')" \
		"$(jq .off_cpu.count <<<"$i")"
}
