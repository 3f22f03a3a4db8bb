#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Names of code compiled at run time: by real run-time compilers, and where one address had two functions.

bats_require_minimum_version 1.5.0
load helpers

# shares_of KIND PERMILLE: records recode, whose two functions have one address, and holds each one's samples against
# the CPU time that the program itself says it took.
shares_of() {
	local pid first second got_first got_second want
	record -F 999 --off-cpu=none -o r.stint -- "$workloads/recode" "$1" 1500 2500
	pid=$(said pid)
	rm -f "/tmp/perf-$pid.map" "/tmp/jit-$pid.dump"
	first=$(said first_ns) second=$(said second_ns)
	rows r.stint --comm=recode >rows
	got_first=$(field self compiled_first "$(cat rows)")
	got_second=$(field self compiled_second "$(cat rows)")
	echo "first $got_first of $((first / 1001001)), second $got_second of $((second / 1001001))"
	[ $((got_first + got_second)) -gt 1000 ] || fail "few samples: $got_first and $got_second"
	want=$((first * 1000 / (first + second)))
	between "permille of the first" $((got_first * 1000 / (got_first + got_second))) $((want - $2)) $((want + $2))
}

# A map has no times: when it grew is seen within 0.1 s, 25 of 1,000 here.
@test "two functions at one address, by perf map" {
	shares_of map 60
}

@test "two functions at one address, by jitdump: to the sample" {
	shares_of dump 15
}

# share FILE REGEX: the percentage of all samples in functions whose name matches.
share() {
	rows "$1" >rows
	jq -r --arg re "$2" '(map(select(.name | test($re)) | .self) | add // 0) * 100 / (map(.self) | add) | floor' rows
}

@test "node --perf-basic-prof: a hot function has its name, and lives on in the file" {
	command -v node >/dev/null || skip "node is not installed"
	cat >hot.js <<-'END'
		function hotInner(n) { let s = 0; for (let i = 0; i < n; i++) s = (s * 31 + i) % 1000003; return s; }
		const end = Date.now() + 2500;
		let x = 0;
		while (Date.now() < end) x += hotInner(200000);
		console.log(`pid=${process.pid}`);
	END
	record -F 499 --off-cpu=none -o n.stint -- node --perf-basic-prof hot.js
	rm -f "/tmp/perf-$(said pid).map"
	between "hotInner's share" "$(share n.stint '^JS:.*hotInner .*hot\.js')" 50 100
}

@test "OpenJDK: jcmd Compiler.perfmap while it is recorded" {
	command -v javac >/dev/null || skip "no JDK is installed"
	cat >Hot.java <<-'END'
		class Hot {
			static int inner(int n) { int s = 0; for (int i = 0; i < n; i++) s = (s * 31 + i) % 1000003; return s; }
			public static void main(String[] a) {
				long end = System.currentTimeMillis() + 60000, x = 0;
				while (System.currentTimeMillis() < end) x += inner(200000);
				System.out.println(x >= 0);
			}
		}
	END
	javac Hot.java
	start java.out java -XX:+PreserveFramePointer -cp . Hot
	local java=$started
	sleep 1
	start record.out "$recorder" -F 499 --off-cpu=none -o j.stint -p "$java"
	local recording=$started
	wait_for_recorder j.stint
	sleep 1
	jcmd "$java" Compiler.perfmap
	sleep 1
	kill -INT "$recording"
	end_of "$recording" || fail "the recorder: $(cat record.out.err)"
	rm -f "/tmp/perf-$java.map"
	between "Hot.inner's share" "$(share j.stint 'Hot\.inner')" 50 100
}
