#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# stint annotate: events of known addresses stand at their instructions and lines; the instructions are those that
# objdump finds; and a packed recording says the same where there is no program.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export ROOT=$PWD BUILD=$PWD/${STINT_BUILD:-build}
	case ${STINT_BUILD:-build} in /*) BUILD=$STINT_BUILD ;; esac
	export HELPER=$ROOT/tests/symbols/annotate.py
	cd "$BATS_FILE_TMPDIR" || return 1
	# An old file: one that was changed after the recording is another case.
	cp "$ROOT/tests/symbols/annotate.c" source.c
	touch -d 2020-01-01 source.c
	gcc -O2 -g -fno-inline-functions "$PWD/source.c" -o program
	/usr/bin/python3 "$HELPER" describe "$PWD/program" >description
	"$BUILD/tools/make_recording" rec.stint <description
	"$BUILD/stint" pack --code rec.stint -o packed.stint >/dev/null
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return 1
	stint=$BUILD/stint
	[ -e program ] || cp program.kept program
	cp -p source.kept source.c 2>/dev/null || cp -p source.c source.kept
}

annotate() {
	"$stint" annotate "$@" 2>err || { cat err; return 1; }
}

json() {
	annotate --format=json "$@" >out.json && jq -e . out.json >/dev/null
}

# Everything that needs code, of one file.
views() {
	annotate --no-source --limit=0 "$1" .
	annotate --no-source --context=all "$1" divided
	annotate --no-source --no-inline "$1" outer
	annotate --no-source "$1" mixed
	annotate --no-source --demangle=none --syntax=intel --limit=0 "$1" .
	annotate --no-source --order=hottest --bytes --limit=0 "$1" .
	annotate --no-source --group=line "$1" caller
	annotate --no-source --view=off-cpu "$1" caller
	annotate --no-source --format=json --limit=0 "$1" .
}

# usage: lacks FILE REGEX
lacks() {
	grep -nE -- "$2" "$1" || return 0
	echo "$1 has /$2/"
	return 1
}

# The line of the source that has this remark.
line_of() {
	grep -n "$1" source.c | cut -d: -f1
}

equal() { # GOT WANT
	[ "$1" = "$2" ] || { echo "got '$1', want '$2'"; return 1; }
}

@test "annotate: samples stand at their instruction, behind their source line" {
	annotate rec.stint hot >out
	cat out
	grep -q '96 samples in it (68.1% of all), 96 with what it calls (68.1% of all)' out
	grep -qE '^93\.8%  63\.8% +90 +90 +[0-9a-f]+ +imull ' out
	grep -B1 '^93' out | grep -q "source.c:$(line_of 'the hot line') .*2654435761u + n; /\* the hot line \*/"
	equal "$(grep -cE '^ *[0-9.]+% ' out)" 2
	grep -q "build ID $(readelf -n program | sed -n 's/.*Build ID: //p')" out
}

@test "annotate: callers count at the call, and not in self" {
	annotate rec.stint caller >out
	cat out
	grep -qE '^90\.0%  63\.8% +90 +[0-9a-f]+ +callq +0x[0-9a-f]+ <hot>' out
	grep -qE '^ 6\.0%   4\.3% +6 +[0-9a-f]+ +callq +0x[0-9a-f]+ <hot>' out
	grep -qE '^ 4\.0%   2\.8% +4 +4 ' out
	json rec.stint caller
	equal "$(jq -c '.functions[0] | [.self, .total]' out.json)" '[4,100]'
	jq -c '[.functions[0].lines[] | [.line, .self, .total]]' out.json >lines
	equal "$(jq -c '.[:2]' lines)" "[[$(line_of 'the first call'),0,90],[$(line_of 'the second call'),0,6]]"
	equal "$(jq -c '.[2][1:]' lines)" '[4,4]'
}

@test "annotate: an event counts once in a function that calls itself" {
	json rec.stint nested
	equal "$(jq -c '.functions[0] | [.self, .total]' out.json)" '[5,5]'
	equal "$(jq '[.functions[0].parts[].instructions[].total] | add' out.json)" 5
}

@test "annotate: self and total of the instructions, parts and lines add up to the function's" {
	json --limit=0 rec.stint .
	[ "$(jq '.functions | length' out.json)" -gt 10 ]
	jq -e '.total.samples as $all | [.functions[] |
		([.parts[].instructions[].self] | add) == .self and ([.parts[].instructions[].total] | add) == .total and
		([.parts[].self] | add) == .self and ([.parts[].total] | add) == .total and
		([.lines[].self] | add) == .self and ([.lines[].total] | add) == .total and
		(([.parts[].instructions[].total_pct] | add) - 100 | fabs) < 0.001 and
		(.total_pct - 100 * .total / $all | fabs) < 0.001] | all' out.json
	# And the selfs of all functions, each event being in one leaf, to the recording's.
	equal "$(jq '[.functions[].self] | add' out.json)" "$(jq .total.samples out.json)"
}

@test "annotate: the schema comes first, and times are numbers" {
	json --view=off-cpu rec.stint caller
	[[ $(head -c 40 out.json) == '{"schema":"stint.annotate/1",'* ]]
	jq -e '.functions[0].duration_ns == {"self":0,"total":5000000} and .view == "off-cpu" and .by == "duration"' out.json
	jq -e '[.functions[0].parts[0].instructions[] | select(.count.total > 0) |
		[.count.total, .duration_ns.total, .target.name]] == [[1,3000000,"hot"],[1,2000000,"hot"]]' out.json
}

@test "annotate: code that was inlined is shown in each function that has it" {
	annotate rec.stint mixed >out
	cat out
	grep -q "^2 functions match 'mixed'" out
	grep -q '^mixed, inlined into outer$' out
	grep -q '^mixed, inlined into other$' out
	[ "$(grep -c "source.c:$(line_of 'the inlined line') .*\[inlined mixed\]$" out)" -ge 2 ]
	# Its own code only: nothing of the functions around it.
	lacks out 'retq|- sink'
	json rec.stint mixed
	equal "$(jq -c '[.functions[] | [.inlined_into, .self]]' out.json)" '[["outer",3],["other",2]]'
	# The function around it has it too, and says so.
	annotate rec.stint outer | grep -q '\[inlined mixed\]'
}

@test "annotate: a function in two parts" {
	nm program | grep -q divided.cold || skip "this compiler didn't divide it"
	annotate rec.stint divided >out
	cat out
	grep -qE 'part . of 2: .* bytes, divided$' out
	grep -qE 'part . of 2: .* bytes, divided.cold$' out
	grep -qE 'je +0x[0-9a-f]+ <another part>' out
	equal "$(grep -oE '^ *[0-9.]+%' out | tr -d ' ' | sort -r | paste -sd' ')" "66.7% 33.3%"
}

@test "annotate: in a system call, the instruction is the system call" {
	annotate rec.stint enter >out
	grep -qE '^100\.0% +7\.8% +11 +[0-9a-f]+ +syscall$' out
	# Off the CPU too, with the kernel's stack and without.
	annotate --view=off-cpu --by=count rec.stint enter >out
	cat out
	grep -qE '^100\.0% +66\.7% +1 +2 +6\.00 ms +[0-9a-f]+ +syscall$' out
}

@test "annotate: bytes that are no instruction are data" {
	annotate --bytes rec.stint junk >out
	cat out
	grep -qE ' 06 +\.byte +0x06$' out
	grep -qE ' 1f +\.byte +0x1f$' out
	grep -qE '^100\.0% .* c3 +retq$' out
}

@test "annotate: a symbol without a size reaches to the next one" {
	json rec.stint unsized
	equal "$(jq -r '.functions[0].parts[0].instructions[0].mnemonic' out.json)" incl
	jq -e '.functions[0].parts[0].size_bytes | . > 2 and . < 64' out.json
}

@test "annotate: without code there are still addresses" {
	annotate rec.stint work >out
	cat out
	grep -q "no code: the kernel's code is in no file here" out
	grep -qE '^100\.0% .* at \+0x10$' out
	annotate rec.stint entry | grep -qE '^100\.0% .* call before \+0x10$'
	annotate rec.stint generated >out
	grep -q 'no code: code made at run time is in no file' out
	json rec.stint generated
	jq -e '.functions[0].parts[0] | .code == false and (.why | length) > 0 and .instructions[0].self == 8' out.json
	mv program program.kept
	"$stint" pack rec.stint -o names.stint >/dev/null 2>&1
	run -1 "$stint" annotate names.stint hot
	[[ $output == *"no selected stack has a function 'hot'"* ]]
}

@test "annotate: a file of another build is refused, and its names are packed ones" {
	"$stint" pack rec.stint -o names.stint >/dev/null 2>&1
	mv program program.kept
	gcc -O1 -g source.c -o program
	annotate names.stint hot >out
	cat out
	grep -q 'no code: build ID differs: ' out
	lacks out imul
	grep -qE '^93\.8% ' out
	mv program.kept program
}

@test "annotate: a file that is cut off within a function" {
	local at
	at=$(objdump -d program | sed -n 's/^ *\([0-9a-f]*\):.*imul .*9e3779b1.*/\1/p')
	mkdir -p debug
	objcopy --only-keep-debug program debug/program.debug
	mv program program.kept
	head -c $((0x$at + 3)) program.kept >program
	annotate --symbols=debug rec.stint hot >out
	mv program.kept program
	cat out
	grep -q 'the last 14 bytes are not shown' out
	# Half an instruction is none.
	equal "$(grep -c '\.byte' out)" 3
	grep -qE '^93\.8% .*\.byte' out
}

@test "annotate: of a function without end, the limit is shown, and events behind it still count" {
	cat >huge.s <<-'END'
		.text
		.globl huge, main
		.type huge, @function
		huge:	.fill 300000, 1, 0x90
			ret
		.size huge, . - huge
		main:	ret
	END
	gcc huge.s -o huge -Wl,--build-id=0x42
	{
		grep -E '^(meta|thread|clock)' description
		echo "module HUGE file $PWD/huge %42"
		printf 'stack H1 1 1 HUGE:+0x%x\n' "0x$(nm huge | awk '$3 == "huge" {print $1}')"
		printf 'stack H2 1 1 HUGE:+0x%x\n' $((0x$(nm huge | awk '$3 == "huge" {print $1}') + 300000))
		echo "sample 1ms 0 MAIN H1"
		echo "sample 2ms 0 MAIN H2 3"
	} >huge.description
	"$BUILD/tools/make_recording" huge.stint <huge.description
	annotate huge.stint huge >out
	cat out
	grep -q '300,001 bytes; the last 37,857 bytes are not shown' out
	grep -qE '^ *25\.0% .* nop' out
	grep -qE '^ *75\.0% .* at \+0x493e0$' out
	"$stint" pack --code huge.stint -o huge_packed.stint >missing 2>/dev/null
	mv huge huge.kept
	annotate huge_packed.stint huge >packed_out
	cmp out packed_out
}

@test "annotate: the instructions are objdump's, C++" {
	g++ -O2 -g "$ROOT/tests/symbols/program.cc" -o cxx
	/usr/bin/python3 "$HELPER" every "$PWD/cxx" >cxx.description
	"$BUILD/tools/make_recording" cxx.stint <cxx.description
	json --limit=0 cxx.stint .
	/usr/bin/python3 "$HELPER" compare cxx out.json
}

@test "annotate: the instructions are objdump's, aarch64" {
	command -v aarch64-linux-gnu-gcc >/dev/null || skip "aarch64-linux-gnu-gcc is not installed"
	aarch64-linux-gnu-gcc -O2 -g -fno-inline-functions source.c -o arm
	/usr/bin/python3 "$HELPER" describe "$PWD/arm" --arch=aarch64 --objdump=aarch64-linux-gnu-objdump >arm.description
	"$BUILD/tools/make_recording" arm.stint <arm.description
	json --limit=0 arm.stint .
	/usr/bin/python3 "$HELPER" compare arm out.json --objdump=aarch64-linux-gnu-objdump
	annotate arm.stint caller >out
	cat out
	grep -qE '^90\.0% .* bl +#?0x[0-9a-f]+ <hot>' out
	"$stint" pack --code arm.stint -o arm_packed.stint >/dev/null
	mv arm arm.kept
	annotate --no-source arm_packed.stint caller >packed_out
	mv arm.kept arm
	annotate --no-source arm.stint caller >out
	cmp out packed_out
}

@test "annotate: hottest first, by line, with bytes, in Intel's notation" {
	annotate --order=hottest --bytes rec.stint hot >out
	cat out
	equal "$(sed -n '/FUNC/,/^$/p' out | sed -n '2,3p' | grep -oE '^ *[0-9.]+%' | tr -d ' ' | paste -sd' ')" "93.8% 6.2%"
	grep -qE '^93\.8% .* 69 c0 b1 79 37 9e +.*source.c:[0-9]+ +imull ' out
	annotate --group=line rec.stint hot >out
	grep -qE "^93\.8% +63\.8% +90 +90 .*source.c:$(line_of 'the hot line') +x = x \* 2654435761u" out
	annotate --syntax=intel rec.stint hot | grep -qE 'imul +eax, eax, 0x9e3779b1$'
	annotate --order=hottest --rows=1 rec.stint hot | grep -q '1 more instructions with events'
}

@test "annotate: what is far from any event is left out, unless all is asked for" {
	annotate --context=0 rec.stint nested >out
	grep -q '11 instructions left out' out
	annotate --context=all rec.stint nested >out
	lacks out 'left out'
	json rec.stint nested
	equal "$(jq '.functions[0].parts[0].instructions | length' out.json)" 12
}

@test "annotate: sources are found below --source, shown as they are known to be, and said to be newer" {
	mv source.c elsewhere.c
	annotate rec.stint hot >out
	grep -qE "source.c:$(grep -n 'the hot line' elsewhere.c | cut -d: -f1)$" out
	mkdir -p tree/deep
	cp -p elsewhere.c tree/source.c
	annotate --source=tree rec.stint hot | grep -q 'the hot line'
	annotate --source=tree/deep rec.stint hot >out
	lacks out 'the hot line'
	touch tree/source.c
	annotate --source=tree rec.stint hot | grep -q 'was changed after the recording was made'
	annotate --no-source --source=tree rec.stint hot >out
	lacks out 'the hot line'
	# What is no regular file isn't read.
	mkfifo source.c
	timeout 20 "$stint" annotate rec.stint hot >out
	rm source.c
	mv elsewhere.c source.c
}

@test "annotate: names as they are shown, in full, as in the symbol table, and by expression" {
	g++ -O2 -g "$ROOT/tests/symbols/program.cc" -o cxx
	/usr/bin/python3 "$HELPER" every "$PWD/cxx" >cxx.description
	"$BUILD/tools/make_recording" cxx.stint <cxx.description
	local linkage full short
	linkage=$(nm --defined-only cxx | awk '$3 ~ /^_ZN3app/ && $2 ~ /[TtW]/ {print $3; exit}')
	full=$(c++filt "$linkage")
	short=${full%%(*}
	for name in "$linkage" "$full" "$short"; do
		json cxx.stint "$name"
		jq -e --arg linkage "$linkage" '[.functions[].linkage] | index($linkage) != null' out.json
	done
	json cxx.stint '^app::'
	[ "$(jq .n_functions out.json)" -gt 2 ]
	json --demangle=none cxx.stint "$linkage"
	equal "$(jq -r '.functions[0].name' out.json)" "$linkage"
}

@test "annotate: the same name in two files is shown for each, the hotter one first" {
	gcc -O2 -g -fno-inline-functions -DSECOND source.c -o second -Wl,--build-id=0x1234567890
	{
		cat description
		echo "module SECOND file $PWD/second %12%34%56%78%90"
		printf 'stack T1 1 1 SECOND:+0x%x\n' "0x$(nm second | awk '$3 == "hot" {print $1}')"
		echo "sample 900ms 0 MAIN T1 500"
	} >two.description
	"$BUILD/tools/make_recording" two.stint <two.description
	annotate two.stint hot >out
	grep -q "^2 functions match 'hot'" out
	json two.stint hot
	equal "$(jq -r '[.functions[] | [(.module | sub(".*/"; "")), .total | tostring] | join(" ")] | join(", ")' out.json)" \
		"second 500, program 96"
}

@test "annotate: selection options choose the events" {
	json --to=1.5us rec.stint hot
	equal "$(jq -r .functions[0].total out.json)" 90
	json --pid=100 --comm=program rec.stint hot
	equal "$(jq -r .functions[0].total out.json)" 96
	run -0 "$stint" annotate --pid=7 rec.stint hot
	[[ $output == *"No event matches the selection."* ]]
}

@test "annotate: a packed recording is annotated alike without the programs" {
	views rec.stint >before
	mv program program.kept
	views packed.stint >after
	mv program.kept program
	cmp before after
	[ "$(wc -l <before)" -gt 200 ]
}

@test "annotate: in an empty root, byte for byte" {
	[ "$(id -u)" -eq 0 ] || skip "chroot needs root"
	mkdir -p root/lib
	cp "$BUILD/stint" packed.stint root/
	ldd "$BUILD/stint" | grep -oE '/[^ ]+' | while read -r library; do cp "$library" root/lib/; done
	ASAN_OPTIONS=detect_leaks=0 chroot root "/lib/$(basename root/lib/ld-*)" --library-path /lib \
		/stint annotate --no-source --limit=0 packed.stint . >inside
	annotate --no-source --limit=0 rec.stint . >outside
	cmp outside inside
	grep -q imull inside
	rm -rf root
}

@test "annotate: code is packed once, the events stay, and info says how much it is" {
	"$stint" pack --code packed.stint -o again.stint >/dev/null 2>err
	cmp packed.stint again.stint
	grep -q 'the code of 0 functions packed now' err
	"$stint" verify packed.stint
	"$stint" report rec.stint >before
	"$stint" report packed.stint >after
	cmp before after
	"$stint" dump rec.stint | grep -vE '"table":"(string|frame)"' >rows
	"$stint" dump packed.stint | grep -vE '"table":"(string|frame|chain|symbol-source|code)"' >packed_rows
	cmp rows packed_rows
	"$stint" info --format=json packed.stint | jq -e '.code.functions >= 8 and .code.size_bytes > 200'
	"$stint" info packed.stint | grep -qE '^Code +of [0-9]+ functions, '
	"$stint" info rec.stint >out
	lacks out '^Code '
	equal "$("$stint" info --format=json packed.stint | jq .counts.frames)" \
		"$("$stint" info --format=json rec.stint | jq .counts.frames)"
	# Only source lines are packed, never their text.
	"$stint" dump packed.stint >rows
	grep -q "$(printf source.c | od -An -tx1 | tr -d ' \n')" rows
	lacks rows "$(printf 'the hot line' | od -An -tx1 | tr -d ' \n')"
}

@test "annotate: colour on a terminal only, and not with NO_COLOR" {
	command -v script >/dev/null || skip "script is not installed"
	annotate rec.stint hot >out
	lacks out $'\033'
	TERM=xterm NO_COLOR='' script -qec "'$stint' annotate rec.stint hot" /dev/null >out
	grep -q $'\033\[31m' out
	TERM=xterm NO_COLOR=1 script -qec "'$stint' annotate rec.stint hot" /dev/null >out
	lacks out $'\033'
}

@test "annotate: what no stack has is an answer of no, with names that are near" {
	run -1 --separate-stderr "$stint" annotate rec.stint hott
	[ -z "$output" ]
	[[ $stderr == *"no selected stack has a function 'hott'; there is hot"* ]]
	run -1 --separate-stderr "$stint" annotate rec.stint NESTED
	[[ $stderr == *"there is nested"* ]]
	run -1 --separate-stderr "$stint" annotate rec.stint zzz
	[[ $stderr == *"no selected stack has a function 'zzz'" ]]
	run -1 --separate-stderr "$stint" annotate rec.stint 'hot('
	[[ $stderr == *"no regular expression either"* ]]
}

@test "annotate: of more functions than one name may stand for, each that is left out counts once" {
	{
		echo "meta start_ns 0"
		echo "meta end_ns 1000000000"
		echo "thread T 100 100 many"
		echo "module JIT anon [anon]"
		for i in $(seq 4100); do
			echo "stack S$i 1 0 JIT:f$i JIT:f$i"
			echo "sample ${i}us 0 T S$i"
		done
	} | "$BUILD/tools/make_recording" many.stint
	json --limit=1 many.stint '^f[0-9]'
	jq -e '.n_functions == 4096 and .left_out == 4 and (.functions | length) == 1' out.json
	annotate --limit=1 many.stint '^f[0-9]' >out
	grep -qx "More than 4096 functions have that name; the rest is left out." out
}

@test "annotate: usage" {
	run -2 "$stint" annotate
	run -2 "$stint" annotate rec.stint
	[[ $output == *"no function given"* ]]
	run -2 "$stint" annotate rec.stint hot more
	run -2 "$stint" annotate --order=sideways rec.stint hot
	run -2 "$stint" annotate --context=-1 rec.stint hot
	run -2 "$stint" annotate --by=count rec.stint hot
	run -2 "$stint" annotate --source=/no/such/directory rec.stint hot
	run -2 "$stint" annotate --group=line --context=3 rec.stint hot
	run -3 "$stint" annotate program hot
	run -3 "$stint" annotate no-such-file hot
	run -0 "$stint" annotate --help
}
