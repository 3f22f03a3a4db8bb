#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A switch storm of two futex ping-pong pairs for 20 s: sums are exact, memory is bounded.

load helpers

@test "20 s of switch storm: seen = in the file + in the ledger, at most 32 MB of memory" {
	start load.out "$workloads/pingpong" 21000 2
	status=0
	/usr/bin/python3 "$BATS_TEST_DIRNAME/rss.py" rss.json "$recorder" -a -d 20 -o o.stint >out 2>err </dev/null || status=$?
	equal "exit status ($(cat err))" $status 0
	wait "${started_pids[0]}"
	i=$(info o.stint)
	echo "# recorder: $(jq -c . rss.json); $(tail -1 err)" >&3
	echo "# file: $(stat -c %s o.stint) bytes, $(jq -c '{off: .off_cpu.count, on: .on_cpu.samples, loss: [.loss[] | select(.count > 0)]}' <<<"$i")" >&3
	"$stint" verify --format=json o.stint >verify.json || fail "verify: $(cat verify.json)"
	equal "problems" "$(jq '.problems | length' verify.json)" 0
	exact "$i"
	# All of it: what it allocated, and the ring and the tables of the kernel as far as they are mapped.
	between "peak memory in KiB" "$(jq .max_rss_kib rss.json)" 1000 $((32 * 1024))
}

@test "the kernel's own count of a program's switches is what the file has" {
	record -o k.stint -- "$workloads/pingpong" 3000 1
	r=$(rows k.stint --view=off-cpu --group=comm)
	count=$(($(field count.total ping "$r") + $(field count.total pong "$r")))
	want=$(($(said blocked_switches) + $(said preempted_switches)))
	missing=$(info k.stint | jq '[.loss[] | select(.cause | IN("ring-full", "no-storage", "size-limit")) | .count] | add')
	# Around what the program counted there is a thread's start: its first steps may be preempted.
	between "intervals and losses" $((count + missing)) "$want" $((want + 20))
}
