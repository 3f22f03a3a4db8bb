# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
# What the end-to-end tests share: where things are, what must be there, starting and ending processes, and asking
# the file a question. bats removes $BATS_TEST_TMPDIR; teardown ends what a test started.

root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
build=${STINT_BUILD:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
stint=$build/stint
recorder=$build/stint-record
workloads=$build/workloads
started_pids=()

# Why the recorder can't run here; empty when it can. Asks the kernel, not the recorder, so that a broken one fails.
reason_against_bpf() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "not root"
	elif [ ! -e /sys/kernel/btf/vmlinux ]; then
		echo "the kernel has no BTF"
	elif [ ! -x "$recorder" ]; then
		echo "$recorder isn't built"
	else
		PATH=$PATH:/usr/sbin bpftool prog show >/dev/null 2>&1 || echo "bpf() is refused here"
	fi
}

require_bpf() {
	local reason
	reason=$(reason_against_bpf)
	[ -z "$reason" ] && return
	if [ -n "${STINT_REQUIRE_BPF:-}" ]; then
		echo "the recorder must be tested here (STINT_REQUIRE_BPF), but: $reason" >&2
		return 1
	fi
	skip "$reason"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	require_bpf
}

teardown() {
	end_started
}

# For tests that change the whole host: one of them at a time, in any run of them. Held until the test's shell ends.
lock_host() {
	exec {host_lock}</sys/devices/system/cpu
	flock -w $((patience * 5)) "$host_lock" || fail "another test changes the host's CPUs or limits all the time"
}

end_started() {
	local pid
	# All of them before any is waited for: a traced one isn't gone before its tracer is.
	for pid in "${started_pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	for pid in "${started_pids[@]}"; do
		wait "$pid" 2>/dev/null
	done
	return 0
}

fail() {
	printf '%s\n' "$*" >&2
	return 1
}

# start FILE COMMAND…: starts a program in the background with its output in FILE (errors in FILE.err). Its pid is in
# $started. Standard input is a FIFO that never ends, so that a program that waits for its end keeps running.
start() {
	local out=$1
	shift
	[ -p stdin ] || mkfifo stdin
	# A shell's background jobs ignore SIGINT, unless told otherwise.
	env --default-signal=INT,QUIT "$@" >"$out" 2>"$out.err" <>stdin 3>&- &
	started=$!
	started_pids+=("$started")
}

# How long conditions are waited for, in s. What takes that long has failed: no machine is that slow.
patience=120

# wait_for_line FILE REGEX: until a line of the file matches.
wait_for_line() {
	local until=$((SECONDS + patience))
	while [ $SECONDS -lt $until ]; do
		grep -qE "$2" "$1" 2>/dev/null && return
		sleep 0.05
	done
	fail "no line /$2/ in $1:" "$(cat "$1" "$1.err" 2>/dev/null)"
}

# Until recording has begun: until the file has blocks behind its header.
wait_for_recorder() {
	local until=$((SECONDS + patience))
	while [ $SECONDS -lt $until ]; do
		[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt 64 ] && return
		kill -0 "$started" 2>/dev/null || break
		sleep 0.05
	done
	fail "the recorder wrote nothing to $1:" "$(cat ./*.err 2>/dev/null)"
}

# record ARG…: runs the recorder to its end; output in ./out and ./err, and fails where it fails.
record() {
	local status=0
	"$recorder" "$@" >out 2>err </dev/null || status=$?
	[ $status -eq 0 ] || fail "stint-record $* exited with $status:" "$(cat err)"
}

# The value that the workload printed for KEY.
said() {
	sed -n "s/^$1=//p" "${2:-out}"
}

# rows FILE REPORT-ARG…: the rows of a JSON report.
rows() {
	"$stint" report --format=json --limit=0 "${@:2}" "$1" >report.json 2>report.err ||
		fail "stint report ${*:2} $1 exited with $?:" "$(cat report.err)" || return
	jq -e -c .rows report.json || fail "no rows in the report" "$(head -c 500 report.json)"
}

# number JQ-FILTER JSON: one integer; 0 for null.
number() {
	jq -r "($1) // 0" <<<"$2"
}

# A field of the row of one name, as `field count.total NAME ROWS`; 0 where there is no such row.
field() {
	jq -r --arg name "$2" "[.[] | select(.name == \$name) | .$1] | add // 0" <<<"$3"
}

info() {
	"$stint" info --format=json "$1" 2>info.err || fail "stint info $1 exited with $?:" "$(cat info.err)"
}

# The losses of one cause, or all but those on request (below-min).
lost() {
	info "$1" | jq '[.loss[] | select(.cause != "below-min") | .count] | add'
}

# Waits for a process that start started to end by itself, and gives its exit status; 124 where it doesn't end.
end_of() {
	local until=$((SECONDS + patience))
	while kill -0 "$1" 2>/dev/null; do
		[ $SECONDS -lt $until ] || return 124
		sleep 0.05
	done
	wait "$1"
}

equal() { # WHAT GOT WANT
	[ "$2" = "$3" ] || fail "$1: got $2, want $3"
}

between() { # WHAT GOT LOW HIGH
	[ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1: got $2, want $3 to $4"
}

# Everything that was seen is in the file or in the ledger.
exact() { # INFO-JSON
	jq -e '([.loss[] | select(.cause | IN("ring-full", "no-storage", "below-min", "size-limit")) | .count] | add) as $lost
		| .on_cpu.seen_is_final and .off_cpu.seen_is_final and
		.on_cpu.seen + .off_cpu.seen == .on_cpu.samples + .off_cpu.count + $lost' <<<"$1" >exact.out ||
		fail "the sums aren't exact: $(jq -c '[.on_cpu, .off_cpu, .loss]' <<<"$1")"
}
