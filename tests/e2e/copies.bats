#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# User stacks that are copied instead of walked: always with --unwind=dump, and while unwind tables are being loaded.

load helpers

# ends FILE [COMM]: see ends.py.
ends() {
	/usr/bin/python3 "$BATS_TEST_DIRNAME/ends.py" "$stint" "$@"
}

@test "--unwind=dump: copied stacks unwind offline to the frames that eu-stack and gdb name" {
	STINT_BUILD=$build /usr/bin/python3 "$root/tests/unwind/compare.py" --dump frames starts
}

@test "--unwind=dump: every user stack is a window of at most 8 KiB, those of threads asleep from the start, too" {
	start o.out "$workloads/asleep" 5
	wait_for_line o.out .
	record --unwind=dump --wakers=stack -F 499 -p "${started_pids[0]}" -d 2 -o asleep.stint
	record --unwind=dump --wakers=stack -F 999 -o d.stint -- "$workloads/relay" 4 100
	"$stint" info d.stint >info.txt
	grep -q dump info.txt || fail "info doesn't say how stacks were taken: $(cat info.txt)"
	for f in d asleep; do
		"$stint" verify $f.stint >verify.out || fail "$(cat verify.out)"
		ends $f.stint >$f.json
		echo "# $f: $(cat $f.json)" >&3
		equal "stacks that were walked in $f" "$(jq '[.ends | to_entries[] | select(.key | IN("0", "6", "8", "9") | not) | .value] | add // 0' $f.json)" 0
		# 6: its memory couldn't be read at that moment, as where a new program is about to touch its stack first.
		between "stacks that couldn't be read in $f" "$(jq '.ends["6"] // 0' $f.json)" 0 5
		equal "stacks without their window in $f" "$(jq .missing $f.json)" 0
		between "windows in $f" "$(jq .n_windows $f.json)" 3 100000
		between "bytes of the largest in $f" "$(jq .max_bytes $f.json)" 100 8192
	done
}

@test "--unwind=dump: more than fits into the ring is lost in the ledger's sight, and memory stays bounded" {
	start load.out "$workloads/pingpong" 8000 4
	/usr/bin/python3 "$BATS_TEST_DIRNAME/rss.py" rss.json "$recorder" --unwind=dump -p "$started" -F 999 -d 5 -o o.stint \
		>out 2>err </dev/null || fail "$(cat err)"
	i=$(info o.stint)
	echo "# $(tail -1 err); $(jq -c . rss.json)" >&3
	exact "$i"
	"$stint" verify o.stint >verify.out || fail "$(cat verify.out)"
	ends o.stint >ends.json
	equal "stacks without their window" "$(jq .missing ends.json)" 0
	between "peak memory in KiB" "$(jq .max_rss_kib rss.json)" 1000 $((40 * 1024))
}

@test "--max-size holds with --unwind=dump" {
	start load.out "$workloads/pingpong" 8000 2
	record --unwind=dump -p "$started" -F 999 -d 5 --max-size=300K -o m.stint
	between "size" "$(stat -c %s m.stint)" 10000 $((300 * 1024))
	exact "$(info m.stint)"
	"$stint" verify m.stint >verify.out || fail "$(cat verify.out)"
}

@test "a large program that has just started: its stacks are whole though its unwind tables come later" {
	printf '#include <map>\n#include <string>\n#include <regex>\nint main() { std::map<std::string, int> m; std::regex r("a+"); return m["a"]; }\n' >x.cc
	command -v clang-14 >/dev/null || skip "no clang-14"
	record -F 999 -d 3 -o c.stint -- timeout -s KILL 20 clang-14 -O1 -c x.cc -o x.o
	"$stint" verify c.stint >verify.out || fail "$(cat verify.out)"
	ends c.stint clang >c.json
	echo "# $(cat c.json)" >&3
	equal "stacks without their window" "$(jq .missing c.json)" 0
	# 0 no user stack, 1 complete, 2 too deep, 9 to be unwound offline.
	all=$(jq '[.ends | to_entries[] | select(.key != "0") | .value] | add' c.json)
	whole=$(jq '[.ends | to_entries[] | select(.key | IN("1", "2", "9")) | .value] | add' c.json)
	between "per mille of $all stacks that are whole" $((1000 * whole / all)) 985 1000
}
