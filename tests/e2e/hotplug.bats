#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A CPU goes offline, or comes online, while recording: what it does from then on is recorded, and what was missed is said.

load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	require_bpf || return
	lock_host || return
	removable_cpu
}

limit_file=/proc/sys/kernel/perf_event_max_sample_rate

# Whatever happens, the CPU is online again afterwards, and the limit is what it was.
teardown() {
	if [ -n "$cpu" ]; then
		[ ! -w "$cpu_fail" ] || echo -1 >"$cpu_fail" || true
		[ "$(cat "$cpu_online")" = 1 ] || echo 1 >"$cpu_online" || true
	fi
	[ -z "$limit" ] || echo "$limit" >"$limit_file" || true
	end_started
	[ -z "$cpu" ] || equal "CPU $cpu is online" "$(cat "$cpu_online")" 1
}

# The last CPU that can be taken offline, in $cpu, and its switch, in $cpu_online; empty where there is none.
removable_cpu() {
	local file
	cpu='' cpu_online='' cpu_fail='' limit=''
	for file in /sys/devices/system/cpu/cpu[1-9]*/online; do
		[ -w "$file" ] && [ "$(cat "$file")" = 1 ] || continue
		cpu_online=$file
		cpu=${file#*/cpu/cpu}
		cpu=${cpu%/online}
		cpu_fail=${cpu_online%/online}/hotplug/fail
	done
}

# A machine where no CPU can be taken offline can't show more than that nothing is made up.
nothing_comes() {
	echo "# no CPU can be taken offline here: checked only that none is said to have come online" >&3
	record -a -d 0.5 -o h.stint
	equal "said of CPUs" "$(info h.stint | jq -c '[.recording.cpus_offline, .recording.cpus_late]')" '[null,null]'
	equal "missed" "$(came h.stint)" 0
}

# What the ledger has of CPUs that came online.
came() {
	info "$1" | jq '[.loss[] | select(.cause == "cpu-came") | .count] | add // 0'
}

wait_until_noticed() {
	local until=$((SECONDS + patience))
	while [ $SECONDS -lt $until ]; do
		[ "$(came h.stint)" -gt 0 ] && return
		sleep 0.05
	done
	fail "no word of the CPU in the ledger:" "$("$stint" info h.stint)"
}

# A program that nobody has seen before, on that CPU alone: its samples, its stacks by tables that are made for it while
# it runs, and its name.
is_recorded_there() {
	local ns got stacks
	cp "$workloads/burner" newcomer
	taskset -c "$cpu" ./newcomer 1500 70 >newcomer.out
	kill -INT "$started"
	end_of "$started" || fail "the recorder: $(cat rec.out.err)"
	"$stint" verify h.stint
	ns=$(($(said most_ns newcomer.out) + $(said rest_ns newcomer.out)))
	got=$(rows h.stint --cpu="$cpu" --comm=newcomer | jq '[.[].self] | add // 0')
	# Without its event there would be none; with it a virtual machine's timers may be late.
	[ "$got" -ge $((ns * 999 / 2000000000)) ] || fail "only $got samples in $ns ns: $("$stint" info h.stint)"
	stacks=$(info h.stint | jq -c --arg exe "$PWD/newcomer" '[.processes[] | select(.exe == $exe) | .user_stacks[]] |
		[(map(select(.end == "complete") | .count) | add // 0), (map(.count) | add // 0)]')
	echo "# $got samples in $((ns / 1000000)) ms, stacks complete and in all: $stacks" >&3
	jq -e '.[0] * 10 >= .[1] * 9 and .[1] > 0' <<<"$stacks" || fail "$stacks of its stacks are complete"
	exact "$(info h.stint)"
	"$stint" report h.stint | grep -qE 'may be missing: (a CPU|CPUs) came online'
	grep -q 'on CPUs that came online' rec.out.err || fail "the last line doesn't say so: $(cat rec.out.err)"
}

@test "a CPU that only goes offline isn't said to have come online" {
	[ -n "$cpu" ] || { nothing_comes; return; }
	start rec.out "$recorder" -a -F 999 --flush=100ms -o h.stint
	wait_for_recorder h.stint
	echo 0 >"$cpu_online"
	sleep 0.2
	kill -INT "$started"
	end_of "$started" || fail "the recorder: $(cat rec.out.err)"
	equal "said to have come" "$(came h.stint)" 0
	! grep -q 'came online' rec.out.err || fail "the last line says so: $(cat rec.out.err)"
	equal "CPUs that are not recorded" "$(info h.stint | jq .recording.cpus_late)" null
}

@test "a CPU that goes offline and comes back" {
	[ -n "$cpu" ] || { nothing_comes; return; }
	start rec.out "$recorder" -a -F 999 --unwind=cfi --flush=100ms -o h.stint
	wait_for_recorder h.stint
	echo 0 >"$cpu_online"
	echo 1 >"$cpu_online"
	wait_until_noticed
	is_recorded_there
	equal "CPUs that are not recorded" "$(info h.stint | jq .recording.cpus_late)" null
}

@test "a CPU that is offline at the start and comes later" {
	[ -n "$cpu" ] || { nothing_comes; return; }
	echo 0 >"$cpu_online"
	start rec.out "$recorder" -a -F 999 --unwind=cfi --flush=100ms -o h.stint
	wait_for_recorder h.stint
	equal "missed so far" "$(came h.stint)" 0
	echo 1 >"$cpu_online"
	wait_until_noticed
	is_recorded_there
	i=$(info h.stint)
	equal "offline at the start" "$(jq -r .recording.cpus_offline <<<"$i")" "$cpu"
	equal "CPUs that are not recorded" "$(jq .recording.cpus_late <<<"$i")" null
}

# The kernel lets a step fail for tests. One above perf's, on the way down: the CPU comes back with the events it had.
@test "a CPU that new events are refused on keeps those it has" {
	limit=$(cat "$limit_file")
	before=$(sed -n 's/^ *\([0-9]*\): workqueue:online$/\1/p' /sys/devices/system/cpu/hotplug/states)
	if [ -z "$cpu" ] || [ -z "$before" ] || ! { echo "$before" >"$cpu_fail" && echo 4000 >"$limit_file"; } 2>err; then
		echo "# no step can be made to fail here, or the limit not be changed: not checked" >&3
		return
	fi
	start rec.out "$recorder" -a -F 2000 --flush=100ms -o h.stint
	wait_for_recorder h.stint
	echo 1000 >"$limit_file"
	! echo 0 2>err >"$cpu_online" || fail "CPU $cpu went offline, though step $before was to fail"
	sleep 0.2
	cp "$workloads/burner" newcomer
	taskset -c "$cpu" ./newcomer 500 70 >newcomer.out
	kill -INT "$started"
	end_of "$started" || fail "the recorder: $(cat rec.out.err)"
	got=$(rows h.stint --cpu="$cpu" --comm=newcomer | jq '[.[].self] | add // 0')
	echo "# $got samples in 500 ms" >&3
	[ "$got" -gt 0 ] || fail "no samples: $("$stint" info h.stint)"
}

@test "what opens events on a CPU that comes is without effect at any other time" {
	start rec.out "$recorder" -a -o h.stint
	wait_for_recorder h.stint
	[ -z "$cpu" ] || { echo 0 >"$cpu_online" && echo 1 >"$cpu_online" && wait_until_noticed; }
	effective=$((0x$(sed -n 's/^CapEff:\s*//p' "/proc/$started/status")))
	equal "CAP_PERFMON, CAP_SYS_ADMIN" "$((effective >> 38 & 1))$((effective >> 21 & 1))" 00
	kill -INT "$started"
	end_of "$started"
}
