#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that know what they did, recorded, and asked for in the file.

load helpers

@test "a program that sleeps 200 times: exactly 200 intervals in that stack, durations within 1%" {
	record -o s.stint -- "$workloads/sleeper" 200 20000
	r=$(rows s.stint --view=off-cpu --group=symbol --state=S)
	equal "switch count" "$(field count.total sleep_here "$r")" 200
	equal "callers' switch count" "$(field count.total sleep_outer "$r")" 200
	equal "own sleeps" "$(said sleeps)" 200

	# All of it, preemptions inside the system call included: that is what the program timed.
	r=$(rows s.stint --view=off-cpu --group=symbol)
	slept=$(said slept_ns)
	between "switch duration" "$(field duration_ns.total sleep_here "$r")" $((slept / 100 * 99)) $((slept / 100 * 101))
	duration=$(field duration_ns.total sleep_here "$r")
	equal "blocked + runqueue" \
		$(($(field blocked_ns.total sleep_here "$r") + $(field runqueue_ns.total sleep_here "$r"))) "$duration"
	equal "losses" "$(lost s.stint)" 0
}

@test "the sleeps are said to be in their system call, state and thread" {
	record -o s.stint -- "$workloads/sleeper" 100 2000
	equal "nanosleep" "$(field count.total nanosleep "$(rows s.stint --view=off-cpu --group=syscall --symbol='^sleep_here$' --state=S)")" 100
	equal "comm" "$(field count.total sleeper "$(rows s.stint --view=off-cpu --group=comm --symbol='^sleep_here$' --state=S)")" 100
	equal "by --syscall" "$(field count.total sleep_here "$(rows s.stint --view=off-cpu --syscall=nanosleep --state=S)")" 100
	# Every grouping adds up to the same.
	for group in symbol module thread process comm syscall state cpu waker stack; do
		sum=$(jq '[.[].count.self] | add' <<<"$(rows s.stint --view=off-cpu --group=$group)")
		echo "$group $sum"
	done >sums
	equal "different sums over the groups ($(tr '\n' ' ' <sums))" "$(cut -d' ' -f2 sums | sort -u | wc -l)" 1
}

@test "an interval's stack has the caller's chain, leaf first, with the kernel's part marked" {
	record -o s.stint -- "$workloads/sleeper" 50 2000
	r=$(rows s.stint --view=off-cpu --group=stack --state=S)
	chain=$(jq -c '[.[] | select([.frames[].name] | index("sleep_here"))] | max_by(.count.self)
		| [.frames[] | select(.kernel | not) | .name] | .[0:4]' <<<"$r")
	equal "user frames" "$chain" '["sleep_here","sleep_middle","sleep_outer","main"]'
	kernel=$(jq '[.[] | select([.frames[].name] | index("sleep_here")) | select(.frames[0].kernel) | .count.self] | add' <<<"$r")
	equal "intervals with a kernel stack" "$kernel" 50
}

@test "a thread that leaves again and again with the same registers: its stack is that of each time" {
	for unwind in auto fp; do
		record --unwind=$unwind -o t.stint -- "$workloads/twins" 400 1000
		r=$(rows t.stint --view=off-cpu --group=symbol --state=S)
		equal "under left_twin ($unwind)" "$(field count.total left_twin "$r")" "$(said left)"
		equal "under right_twin ($unwind)" "$(field count.total right_twin "$r")" "$(said right)"
	done
}

# The time in ms that a hypervisor kept from this machine so far, on all CPUs.
stolen_ms() {
	awk -v hz="$(getconf CLK_TCK)" '$1 == "cpu" { printf "%d\n", $9 * 1000 / hz }' /proc/stat
}

# 7,000 samples at random times would miss by 5.5 standard deviations: once in 25 million runs.
@test "a 70/30 burner: shares within 3 points at 999 Hz over 7 s" {
	stolen=$(stolen_ms)
	record -F 999 -o b.stint -- "$workloads/burner" 7000 70
	stolen=$(($(stolen_ms) - stolen))
	r=$(rows b.stint --view=on-cpu --group=symbol)
	most=$(field self burn_most "$r")
	rest=$(field self burn_rest "$r")
	samples=$((most + rest))
	true_share=$(($(said most_ns) * 1000 / ($(said most_ns) + $(said rest_ns))))
	between "share of burn_most in permille" $((most * 1000 / samples)) $((true_share - 30)) $((true_share + 30))
	# 7 s of CPU at 999 Hz. A timer may be late, but not by a tenth; while the whole machine stood still none fired.
	want=$((($(said most_ns) + $(said rest_ns)) * 999 / 1000000000))
	between "samples ($stolen ms were stolen)" $samples $((want * 9 / 10 - stolen)) $((want * 11 / 10))
	equal "main's total" "$(field total main "$r")" "$(jq '[.[] | .self] | add' <<<"$(rows b.stint --view=on-cpu --symbol='^main$')")"
}

@test "a mutex fight: the waker of each interval is the thread that unlocked" {
	record -o f.stint -- "$workloads/fight" 4 60 2000
	equal "losses" "$(lost f.stint)" 0
	for waiter in $(said woken | cut -d, -f1 | sort -u); do
		r=$(rows f.stint --view=off-cpu --group=waker --symbol='^lock_wait$' --state=S --tid="$waiter")
		# Names of wakers are "comm (tid)" or alike: compare by the tid that stands in them.
		jq -r '.[] | select(.count.self > 0) | "\(.name) \(.count.self)"' <<<"$r" |
			sed -E 's/^.*\b([0-9]+)\b[^0-9 ]* ([0-9]+)$/\1,\2/' | sed "s/^/$waiter,/"
	done | sort >got
	said woken | sort >want
	diff -u want got || fail "who woke whom differs"
}

@test "a relay: every runner is woken by the one before it, as often as it says" {
	record -o r.stint -- "$workloads/relay" 5 40
	mapfile -t runners < <(said runner)
	for i in "${!runners[@]}"; do
		before=${runners[(i + ${#runners[@]} - 1) % ${#runners[@]}]%,*}
		r=$(rows r.stint --view=off-cpu --group=waker --symbol='^wait_for_baton$' --state=S --tid="${runners[i]%,*}")
		equal "wake-ups of runner $i by $before" \
			"$(jq --arg tid "$before" '[.[] | select(.name | test("\\b" + $tid + "\\b")) | .count.self] | add // 0' <<<"$r")" \
			"${runners[i]#*,}"
	done
}

@test "a pipe: each message ends one wait of its receiver, who was woken by the sender" {
	record -o m.stint -- "$workloads/messaging" 100 2000
	receiver=$(said receiver)
	sender=$(said sender)
	r=$(rows m.stint --view=off-cpu --group=waker --symbol='^receive_message$' --state=S --pid="$receiver")
	# The last wait ends with the pipe, which the sender closes.
	equal "waits ended by the sender" \
		"$(jq --arg tid "$sender" '[.[] | select(.name | test("\\b" + $tid + "\\b")) | .count.self] | add // 0' <<<"$r")" \
		"$(said waits)"
	equal "waits: 100 messages, and the end" "$(said waits)" 101
}

@test "timers that expire while another thread runs: it isn't the waker" {
	record -o t.stint -- "$workloads/timeouts" 60 12
	equal "waits" "$(said waits)" 60
	equal "intervals" "$(field count.total wait_for_data "$(rows t.stint --view=off-cpu --symbol='^wait_for_data$' --state=S)")" 60
	r=$(rows t.stint --view=off-cpu --group=waker --symbol='^wait_for_data$' --state=S)
	equal "intervals ended by the bystander" \
		"$(jq --arg tid "$(said bystander)" '[.[] | select(.name | test("\\b" + $tid + "\\b")) | .count.self] | add // 0' <<<"$r")" 0
}

@test "threads asleep before the start and at the end are there, open, with their stacks" {
	start asleep.out "$workloads/asleep"
	wait_for_line asleep.out '^ready=1$'
	record -p "$(said pid asleep.out)" -d 1.5 -o a.stint
	for where in read futex poll sleep; do
		tid=$(said "in-$where" asleep.out)
		r=$(rows a.stint --view=off-cpu --group=symbol --tid="$tid")
		equal "asleep_in_$where open" "$(field open.total "asleep_in_$where" "$r")" 1
		equal "asleep_in_$where completed" "$(field count.total "asleep_in_$where" "$r")" 0
	done
	between "open intervals" "$(info a.stint | jq .off_cpu.open)" 5 5
}

@test "one thread under three names: each interval has the name of its time" {
	record -o n.stint -- "$workloads/renamer" 60
	r=$(rows n.stint --view=off-cpu --group=comm --symbol='^sleep_under_name$' --state=S)
	for name in "name-one" "name-two" "name three"; do
		equal "$name" "$(field count.total "$name" "$r")" 60
	done
}

@test "a signal handler's sleeps stand above what was interrupted" {
	record -o i.stint -- "$workloads/interrupted" 80
	r=$(rows i.stint --view=off-cpu --group=symbol --state=S)
	equal "handler_sleep" "$(field count.total handler_sleep "$r")" 80
	# Each signal cuts one sleep short, and the knocker's own sleeps are elsewhere.
	between "long_sleep as the leaf" "$(field count.total long_sleep "$(rows i.stint --view=off-cpu --state=S --tid="$(said pid)" --group=symbol)")" 80 200
}

@test "a deep recursion: all of its frames, or the number of those that are cut off" {
	record -F 999 -o d.stint -- "$workloads/deep" 50 50 200
	r=$(rows d.stint --view=off-cpu --group=stack --state=S --symbol='^at_the_bottom$')
	depth=$(jq '[.[] | [.frames[] | select(.name == "go_down")] | length] | max' <<<"$r")
	equal "frames of go_down" "$depth" 50
	equal "sleeps at the bottom" "$(jq '[.[].count.self] | add' <<<"$r")" 50
}

@test "threads that are killed in their sleep end their intervals" {
	record -o g.stint -- "$workloads/goner" 8 5
	r=$(rows g.stint --view=off-cpu --group=symbol)
	# 8 threads, 5 rounds; each sleep ends by the kill, and none is left open.
	count=$(field count.total doomed_sleep "$r")
	open=$(field open.total doomed_sleep "$r")
	equal "sleeps of the doomed, ended or open" $((count + open)) 40
	equal "losses" "$(lost g.stint)" 0
}

@test "a storm of 1,000 processes: every one is in the file, with its mappings" {
	record -o p.stint -- "$workloads/storm" 1000
	info p.stint >info.json
	said child | sort >want
	jq -r '.processes[].pid' info.json | sort >all
	comm -23 want all >missing
	equal "children that are not in the file" "$(wc -l <missing)" 0
	jq -r --arg exe "$(readlink -f /bin/true)" '.processes[] | select(.exe == $exe or .exe == "/bin/true") | .pid' \
		info.json | sort >with_exe
	equal "children whose program is not known" "$(comm -23 want with_exe | wc -l)" 0
	# Each has mapped its program, its loader and libc, says the other reader of the format.
	/usr/bin/python3 "$root/tests/reference/stint_ref.py" p.stint | /usr/bin/python3 "$BATS_TEST_DIRNAME/mappings.py" |
		grep -E ' [^ ]*/true .*/ld-linux.*/libc\.so' | cut -d' ' -f1 | sort -u >with_maps
	equal "children whose mappings are not complete" "$(comm -23 want with_maps | wc -l)" 0
	equal "losses of task events" "$(jq '[.loss[] | select(.cause == "task-event") | .count] | add // 0' info.json)" 0
}
