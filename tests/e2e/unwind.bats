#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# User stacks, walked in the kernel and from outside, name the very frames that eu-stack and gdb name.

load helpers

# Each case is a program asleep at the bottom of a known stack (tests/unwind/compare.py).
as_others_see() {
	STINT_BUILD=$build /usr/bin/python3 "$root/tests/unwind/compare.py" "$@"
}

@test "frames of a size not known before, large, realigned, deep, jumped out of, tail calls and cold parts" {
	as_others_see frames
}

@test "through signal handlers, nested and on a stack of their own, and after a fault" {
	as_others_see signals
}

@test "from where threads, vfork and makecontext start" {
	as_others_see starts
}

@test "what gcc -O3 makes" {
	as_others_see O3
}

@test "what gcc -O0 makes" {
	as_others_see O0
}

@test "what clang makes" {
	as_others_see clang
}

@test "static, stripped programs" {
	as_others_see static
}

@test "programs with control-flow protection" {
	as_others_see cet
}

@test "link-time optimization, no section table, a library mapped again and again, a C++ exception on its way" {
	as_others_see files
}

# Debian's nginx, stripped and without frame pointers, busy with compressed pages and its log. One process, for
# teardown to end.
start_busy_nginx() {
	local port i
	port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mkdir -p html
	seq -f '%g the quick brown fox jumps over the lazy dog' 200 >html/index.html
	cat >nginx.conf <<-END
		daemon off;
		master_process off;
		pid $PWD/nginx.pid;
		error_log $PWD/error.log;
		events { worker_connections 256; }
		http {
			access_log $PWD/access.log;
			client_body_temp_path $PWD/body;
			proxy_temp_path $PWD/proxy;
			fastcgi_temp_path $PWD/fastcgi;
			uwsgi_temp_path $PWD/uwsgi;
			scgi_temp_path $PWD/scgi;
			gzip on;
			server { listen 127.0.0.1:$port; root $PWD/html; }
		}
	END
	PATH=$PATH:/usr/sbin start nginx.out nginx -p "$PWD" -c "$PWD/nginx.conf"
	nginx=$started
	for ((i = 0; i < 200; i++)); do
		(exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
		sleep 0.05
	done
	start wrk.out wrk -t1 -c16 -d60s -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/"
	sleep 0.3
	kill -0 "$nginx" "$started" || fail "nginx or wrk ended:" "$(cat nginx.out.err wrk.out.err error.log)"
}

# How many of nginx's user stacks there are, and how many ended as the walk's own word 'complete'.
complete_of_all() {
	info "$1" | jq -r --argjson pid "$nginx" '[.processes[] | select(.pid == $pid) | .user_stacks[]] |
		"\([.[] | select(.end == "complete") | .count] | add // 0) \([.[].count] | add // 0)"'
}

# The same from the frames themselves: how many events' outermost frame is in _start, which nginx exports.
rooted_of_all() {
	local view
	for view in "--view=on-cpu" "--view=off-cpu --by=count"; do
		# shellcheck disable=SC2086
		"$stint" flame --format=folded $view --pid="$nginx" -o - "$1" 2>flame.err || fail "$(cat flame.err)" || return
	done | awk '{ all += $NF; if ($0 ~ /^nginx;_start[; ]/) good += $NF } END { print good + 0, all + 0 }'
}

# share WHAT FILE: percent of the events, rounded down; fails where there are too few to tell.
share() {
	local good all
	read -r good all < <("$1" "$2") || fail "$1 $2 says nothing" || return
	[ "${all:-0}" -ge 200 ] || fail "$2 has only ${all:-0} events of nginx" || return
	echo "$1 $2: $good of $all" >&2
	echo $((good * 100 / all))
}

@test "a stripped nginx without frame pointers: 99% of its stacks are complete, and few by frame pointers" {
	start_busy_nginx
	record -p "$nginx" -F 499 -d 2 --unwind=auto -o auto.stint
	record -p "$nginx" -F 499 -d 2 --unwind=fp -o fp.stint
	between "% complete" "$(share complete_of_all auto.stint)" 99 100
	between "% that reach _start" "$(share rooted_of_all auto.stint)" 99 100
	between "% complete by frame pointers" "$(share complete_of_all fp.stint)" 0 50
	between "% that reach _start by frame pointers" "$(share rooted_of_all fp.stint)" 0 50
}

# How many samples were taken while the kernel copied a page, and how their user stacks ended, as JSON.
ends_while_copying() {
	"$stint" replay --format=json "$1" 2>replay.err | jq -c '[.events[] | select(.kind == "sample") |
		select(any(.frames[]; .kernel and .name == "ptep_clear_flush")) | .user_end] |
		reduce .[] as $how ({}; .[$how] += 1)' || fail "$(cat replay.err)"
}

@test "a stack whose page is being copied at the moment of the sample is walked as soon as it is there" {
	local ends expected='.complete > 5 and .complete > (.unreadable // 0)'
	# A kernel that doesn't call back at a return to user mode (before 6.18) leaves them as they are, and they say so.
	bpftool btf dump file /sys/kernel/btf/vmlinux | grep -q "'bpf_task_work_schedule_resume_impl'" ||
		expected='.unreadable > 5'
	record -F 1999 --off-cpu=none -o heir.stint -- "$workloads/heir" 2000
	ends=$(ends_while_copying heir.stint)
	echo "$ends" >&2
	jq -e "$expected" <<<"$ends" >jq.out || fail "how they ended: $ends"
	"$stint" verify heir.stint
	exact "$(info heir.stint)"
}
