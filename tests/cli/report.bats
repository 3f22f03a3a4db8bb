#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint report on a recording whose every number is known: recordings/service.txt.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit 1
	build=${STINT_BUILD:-build}
	bin=$build/stint
	rec=$BATS_TEST_TMPDIR/service.stint
	"$build/tools/make_recording" "$rec" <tests/cli/recordings/service.txt
}

report() {
	"$bin" report --debuginfod=none "$@" "$rec"
}

json() {
	report --format=json "$@"
}

# row NAME KEY...: the values of a JSON row, from standard input
row() {
	jq -c --arg name "$1" ".rows[] | select(.name == \$name) | [$2]"
}

@test "report: self and total by symbol, a recursive function once" {
	json >"$BATS_TEST_TMPDIR/j"
	[ "$(jq -r 'keys_unsorted[0]' "$BATS_TEST_TMPDIR/j")" = schema ]
	[ "$(jq -c '[.schema, .view, .group, .by, .total.samples]' "$BATS_TEST_TMPDIR/j")" = '["stint.report/1","on-cpu","symbol","samples",15]' ]
	[ "$(row hot .self,.total <"$BATS_TEST_TMPDIR/j")" = '[7,7]' ]
	[ "$(row rec .self,.total <"$BATS_TEST_TMPDIR/j")" = '[4,4]' ]
	[ "$(row work .self,.total <"$BATS_TEST_TMPDIR/j")" = '[0,10]' ]
	[ "$(row main .self,.total,.total_pct <"$BATS_TEST_TMPDIR/j")" = '[0,15,100]' ]
	[ "$(row '[anon]+0x1234' .self,.total <"$BATS_TEST_TMPDIR/j")" = '[1,1]' ]
	# by value, then by name
	[ "$(jq -r '.rows[].name' "$BATS_TEST_TMPDIR/j" | tr '\n' ' ')" = 'hot rec cold,"quoted" [anon]+0x1234 main work ' ]
	[ "$(json --sort=total | jq -r '.rows[0].name')" = main ]
}

@test "report: off-CPU count, duration, blocked, runqueue, max and open" {
	json --view=off-cpu >"$BATS_TEST_TMPDIR/j"
	[ "$(jq -c .total "$BATS_TEST_TMPDIR/j")" = '{"count":3,"duration_ns":59000000,"blocked_ns":57000000,"runqueue_ns":2000000,"max_ns":50000000,"open":1}' ]
	[ "$(row do_sleep .count.self,.duration_ns.self,.blocked_ns.self,.runqueue_ns.self,.max_ns.self,.open.self <"$BATS_TEST_TMPDIR/j")" = '[2,58000000,57000000,1000000,50000000,1]' ]
	[ "$(row main .count.self,.count.total <"$BATS_TEST_TMPDIR/j")" = '[0,2]' ]
	[ "$(row '[no stack]' .count.self,.duration_ns.self <"$BATS_TEST_TMPDIR/j")" = '[1,1000000]' ]
	[ "$(json --view=off-cpu --group=state | jq -c '[.rows[] | [.name, .count.self, .open.self]]')" = '[["S (sleeping)",1,1],["D (uninterruptible)",1,0],["R (preempted)",1,0]]' ]
	[ "$(json --view=off-cpu --group=syscall --by=count | jq -c '[.rows[] | [.name, .count.self]]')" = '[["[no syscall]",1],["nanosleep",1],["read",1]]' ]
	[ "$(json --view=off-cpu --group=waker --by=count | jq -c '[.rows[] | [.name, .count.self]]')" = '[["[no waker]",2],["server (100)",1]]' ]
}

@test "report: threads, processes, comms, CPUs and modules" {
	[ "$(json --group=thread | jq -c '[.rows[] | [.name, .self]]')" = '[["worker (101)",8],["server (100)",6],["e\u001b[31m\nvil (200)",1]]' ]
	[ "$(json --group=process | jq -c '[.rows[] | [.name, .self]]')" = '[["server (100)",14],["e\u001b[31m\nvil (200)",1]]' ]
	[ "$(json --group=comm | jq -c '[.rows[].self]')" = '[8,6,1]' ]
	[ "$(json --group=cpu | jq -c '[.rows[] | [.name, .self]]')" = '[["CPU 1",8],["CPU 0",7]]' ]
	[ "$(json --group=module | jq -c '[.rows[] | [.name, .self, .total]]')" = '[["/usr/bin/app",14,15],["[anon]",1,1]]' ]
	# the same name in two files is two functions
	[ "$(json --view=off-cpu --by=count --sort=total | jq -c '[.rows[] | select(.name == "hot") | [.module, .count.total]]')" = '[["/usr/lib/libx.so.6",2]]' ]
}

@test "report: stacks have their frames, leaf first" {
	json --view=off-cpu --group=stack >"$BATS_TEST_TMPDIR/j"
	[ "$(jq -c '.rows[0] | [.name, .count.self, .open.self]' "$BATS_TEST_TMPDIR/j")" = '["main;work;hot;sys_nanosleep;do_sleep",2,1]' ]
	[ "$(jq -c '[.rows[0].frames[] | [.name, .module, .kernel, .inline]]' "$BATS_TEST_TMPDIR/j")" = '[["do_sleep","[kernel]",true,false],["sys_nanosleep","[kernel]",true,false],["hot","/usr/lib/libx.so.6",false,false],["work","/usr/bin/app",false,false],["main","/usr/bin/app",false,false]]' ]
	[ "$(jq -c '.rows[1] | [.name, .frames]' "$BATS_TEST_TMPDIR/j")" = '["[no stack]",[]]' ]
}

@test "report: --symbols must be a directory" {
	run report --symbols=/nonexistent
	[ "$status" -eq 2 ]
	[ "$output" = "stint report: --symbols: /nonexistent: No such file or directory; see 'stint report --help'" ]
	run report --symbols="$rec"
	[ "$status" -eq 2 ]
	[ "$output" = "stint report: --symbols: $rec: Not a directory; see 'stint report --help'" ]
	report --symbols="$BATS_TEST_TMPDIR" >/dev/null
}

@test "report: who calls a function, and what it calls" {
	[ "$(json --callers=hot | jq -c '[.callers[] | [.depth, .name, .total, .self]]')" = '[[0,"hot",7,0],[1,"work",7,0],[2,"main",7,7]]' ]
	[ "$(json --callees=work | jq -c '[.callees[] | [.depth, .name, .total, .self]]')" = '[[0,"work",10,0],[1,"hot",7,7],[1,"cold,\"quoted\"",3,3]]' ]
	[ "$(json --callers=rec | jq -c '[.callers[] | [.depth, .name, .total]]')" = '[[0,"rec",4],[1,"rec",4],[2,"rec",4],[3,"main",4]]' ]
	run report --callers=nosuch
	[ "$status" -eq 1 ]
	[[ $output == *"no selected stack has a function 'nosuch'"* ]]
	"$bin" report --help | grep -qE '^Exit status: 0 done; 1 no selected stack has the function'
}

@test "report: intervals by their length" {
	[ "$(json --view=off-cpu --histogram | jq -c '[.histogram[] | [.from_ns, .duration, .blocked, .runqueue]]')" = '[[0,0,1,1],[524288,1,0,2],[2097152,1,2,0],[4194304,1,0,0]]' ]
	report --view=off-cpu --histogram | grep -qE '^4\.19 ms +8\.39 ms +1 +0 +0 +#+$'
}

@test "report: selections" {
	total() { json "$@" | jq .total.samples; }
	count() { json --view=off-cpu "$@" | jq -c '[.total.count, .total.open]'; }
	[ "$(total --tid=101)" = 8 ]
	[ "$(total --pid=100)" = 14 ]
	[ "$(total --pid=100 --tid=100)" = 6 ]
	[ "$(total --comm=worker)" = 8 ]
	[ "$(total --comm='*er')" = 14 ]
	[ "$(total --comm=server --comm=worker)" = 14 ]
	[ "$(total --cpu=0)" = 7 ]
	[ "$(total --cpu=0-1)" = 15 ]
	[ "$(total --symbol='^cold')" = 3 ]
	[ "$(total --symbol='^(cold|rec)')" = 7 ]
	[ "$(total --module=anon)" = 1 ]
	[ "$(total --from=10ms --to=20ms)" = 3 ]
	[ "$(total --from=0.011 --to=12ms)" = 1 ]
	[ "$(total --to=10%)" = 7 ]
	[ "$(total --from=90%)" = 1 ]
	[ "$(count --state=S)" = '[1,1]' ]
	[ "$(count --state=DR)" = '[2,0]' ]
	[ "$(count --syscall=read)" = '[1,0]' ]
	[ "$(count --syscall=35,0)" = '[2,1]' ]
	[ "$(count --min=3ms)" = '[2,1]' ]
	[ "$(count --min=3ms --max=5ms)" = '[2,0]' ]
}

@test "report: a window is what a recording of just that time would be" {
	json --view=off-cpu --from=12ms --to=22ms >"$BATS_TEST_TMPDIR/j"
	# 3 ms of the first interval (2 blocked), and 2 ms of the second, which is still open at 22 ms
	[ "$(jq -c .total "$BATS_TEST_TMPDIR/j")" = '{"count":1,"duration_ns":5000000,"blocked_ns":4000000,"runqueue_ns":1000000,"max_ns":3000000,"open":1}' ]
}

@test "report: what was lost is said where it touches, in every format" {
	report --view=off-cpu | grep -qx '5 events were lost: the ring between kernel and recorder was full.'
	[ "$(json --view=off-cpu | jq -c '[.notes[] | select(.kind == "ring-full") | .count]')" = '[5]' ]
	report --view=off-cpu --format=csv 2>&1 >/dev/null | grep -qx 'stint report: 5 events were lost: the ring between kernel and recorder was full.'
	# not in the other view, nor in another time
	! report | grep -q 'ring' || false
	! report --view=off-cpu --from=50ms | grep -q 'ring' || false
	report | grep -qx '1 sample (6.7%): user stack cut short: code without unwind information.'
	report | grep -qE '^1 sample \(6\.7%\) is in a function without a name: \[anon\] \(.*\)\.$'
	report --group=cpu | grep -qx 'Nothing was lost.'
}

@test "report: text for people" {
	report >"$BATS_TEST_TMPDIR/t"
	grep -qx 'web1 (Linux 6.1.0, x86_64), recorded 2023-11-14 22:13:20 UTC for 100 ms' "$BATS_TEST_TMPDIR/t"
	grep -qx 'On-CPU: 15 samples at 99 Hz, about 152 ms of CPU time' "$BATS_TEST_TMPDIR/t"
	grep -qE '^ *46\.7% +46\.7% +7 +app +hot$' "$BATS_TEST_TMPDIR/t"
	report --view=off-cpu | grep -qx 'Off-CPU: 3 switches, 59.0 ms = blocked 57.0 ms + runqueue 2.00 ms; longest 50.0 ms; 1 still off at the end'
	# a name can't harm the terminal
	report --group=thread >"$BATS_TEST_TMPDIR/t"
	grep -qF 'e\x1b[31m\x0avil (200)' "$BATS_TEST_TMPDIR/t"
	! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$BATS_TEST_TMPDIR/t" || false
	report --limit=2 | grep -qx '... and 4 more (--limit=0 shows all)'
}

@test "report: CSV is quoted where it must be" {
	report --format=csv 2>/dev/null >"$BATS_TEST_TMPDIR/c"
	[ "$(head -n 1 "$BATS_TEST_TMPDIR/c")" = $'name,module,self,total,self_pct,total_pct\r' ]
	grep -q '^"cold,""quoted""",/usr/bin/app,3,3,' "$BATS_TEST_TMPDIR/c"
	python3 - "$BATS_TEST_TMPDIR/c" <<-'EOF'
		import csv, sys
		rows = list(csv.DictReader(open(sys.argv[1], newline="")))
		assert sum(int(row["self"]) for row in rows) == 15, rows
		assert rows[2]["name"] == 'cold,"quoted"', rows
	EOF
}

@test "report: a name's control characters and broken UTF-8 do no harm in CSV and JSON" {
	sed 's/EVIL 200 200 .*/EVIL 200 200 e%1b[31m%0avi%ffl,%22/' tests/cli/recordings/service.txt >"$BATS_TEST_TMPDIR/d"
	"$build/tools/make_recording" "$BATS_TEST_TMPDIR/evil.stint" <"$BATS_TEST_TMPDIR/d"
	"$bin" report --group=thread --format=csv "$BATS_TEST_TMPDIR/evil.stint" 2>/dev/null >"$BATS_TEST_TMPDIR/c"
	"$bin" report --group=thread --format=json "$BATS_TEST_TMPDIR/evil.stint" >"$BATS_TEST_TMPDIR/j"
	cat -A "$BATS_TEST_TMPDIR/c"
	! LC_ALL=C grep -qP '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]' "$BATS_TEST_TMPDIR/c" || false
	[ "$(wc -l <"$BATS_TEST_TMPDIR/c")" -eq 4 ]
	grep -qF '"e\x1b[31m\x0avi\xffl,"" (200)"' "$BATS_TEST_TMPDIR/c"
	python3 - "$BATS_TEST_TMPDIR/j" <<-'EOF'
		import json, sys
		text = open(sys.argv[1], encoding="utf-8", errors="strict").read()
		assert '"e\\u001b[31m\\nvi\ufffdl,\\" (200)"' in text, text
		json.loads(text)
	EOF
}

@test "report: no events after a selection is said, and is no error" {
	run report --tid=4711
	[ "$status" -eq 0 ]
	[[ $output == *"No event matches the selection."* ]]
	run report --callers=hot --tid=4711
	[ "$status" -eq 0 ]
	[ "$(json --tid=4711 | jq -c '[.total.samples, .rows]')" = '[0,[]]' ]
	grep -v '^sample' tests/cli/recordings/service.txt | "$build/tools/make_recording" "$rec"
	run report
	[ "$status" -eq 0 ]
	[[ $output == *"The recording has no on-CPU samples"* ]]
}

@test "report: a recording without an end is read, and that is said" {
	{ cat tests/cli/recordings/service.txt; echo nofinish; } | "$build/tools/make_recording" "$rec"
	run report
	[ "$status" -eq 0 ]
	[[ $output == *"On-CPU: 15 samples"* ]]
	[[ $output == *"The recording has no end"* ]]
	[ "$(json | jq .recording.complete)" = false ]
	# cut anywhere, it reads or is refused, but nothing else
	size=$(stat -c %s "$rec")
	for ((at = 0; at < size; at += 61)); do
		head -c "$at" "$rec" >"$BATS_TEST_TMPDIR/cut.stint"
		run "$bin" report "$BATS_TEST_TMPDIR/cut.stint"
		[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	done
}

@test "report: the same from standard input" {
	[ "$(report)" = "$("$bin" report --debuginfod=none - <"$rec")" ]
}
