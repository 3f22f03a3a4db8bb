#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that know where their time goes, recorded and annotated.

load helpers

annotate() { # FILE SYMBOL OPTION…
	"$stint" annotate --format=json "${@:3}" "$1" "$2" >annotate.json 2>annotate.err ||
		fail "stint annotate exited with $?:" "$(cat annotate.err)"
}

@test "a loop has nearly all samples of its function, on its source line" {
	record -F 999 -o b.stint -- "$workloads/burner" 1500 70
	annotate b.stint burn_most
	self=$(jq '.functions[0].self' annotate.json)
	[ "$self" -gt 300 ] || fail "only $self samples"
	# The report counts the same samples.
	equal "self" "$self" "$(field self burn_most "$(rows b.stint)")"
	# The loop is between the jump back and where it goes.
	in_loop=$(jq '[.functions[0].parts[].instructions] | add |
		(map(select(.target.name == "burn_most" and .target.offset < .offset)) | last) as $jump |
		map(select(.offset >= $jump.target.offset and .offset <= $jump.offset) | .self) | add' annotate.json)
	between "samples in the loop" "$in_loop" $((self * 98 / 100)) "$self"
	line=$(grep -n 'BURN(units);' "$root/tests/workloads/burner.c" | head -1 | cut -d: -f1)
	on_line=$(jq "[.functions[0].lines[] | select(.line == $line) | .self] | add" annotate.json)
	between "samples on its line" "$on_line" $((self * 98 / 100)) "$self"
	jq -e ".functions[0].lines[0].text | contains(\"BURN(units)\")" annotate.json
	# The caller has them at its call.
	annotate b.stint main
	jq -e '[.functions[0].parts[].instructions[] | select(.target.name == "burn_most") | .total] | add' annotate.json >at_call
	equal "at the call" "$(cat at_call)" "$(field total burn_most "$(rows b.stint)")"
}

@test "200 sleeps leave the CPU at one instruction, the system call, exactly 200 times" {
	record -o s.stint -- "$workloads/sleeper" 200 5000
	annotate s.stint sleep_here --view=off-cpu --by=count --state=S
	equal "switches" "$(jq '.functions[0].count.total' annotate.json)" 200
	equal "instructions that have them" \
		"$(jq -c '[.functions[0].parts[].instructions[] | select(.count.total > 0) | .count.total]' annotate.json)" '[200]'
	equal "the instruction" "$(jq -r '.functions[0].parts[].instructions[] | select(.count.total > 0) |
		if .mnemonic | test("call|syscall|svc") then "ok" else .mnemonic end' annotate.json)" ok
	annotate s.stint sleep_outer --view=off-cpu --by=count --state=S
	equal "at the caller's call" "$(jq -r '[.functions[0].parts[].instructions[] |
		select(.count.total > 0) | .target.name, .count.total] | join(" ")' annotate.json)" "sleep_middle 200"
}

@test "packed with code, the same on a machine without the program" {
	cp "$workloads/burner" prog
	record -F 999 -o b.stint -- ./prog 800 70
	"$stint" pack --code b.stint -o packed.stint >missing 2>pack.err
	"$stint" annotate --no-source --limit=0 b.stint . >before
	mkdir -p nowhere/x
	cp "$stint" nowhere/x/stint
	ldd "$stint" | grep -o '/[^ ]*' | while read -r lib; do cp "$lib" nowhere/x/; done
	cp packed.stint nowhere/
	chroot nowhere "/x/$(basename nowhere/x/ld-linux*)" --library-path /x /x/stint annotate --no-source --limit=0 \
		packed.stint . >after
	cmp before after || fail "$(diff before after | head -20)"
	grep -qE ' (imul|shl|xor)' after
	# All of libc's functions that were on a stack are in it too.
	[ "$("$stint" info --format=json packed.stint | jq .code.functions)" -gt 3 ]
}
