#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: tests/fuzz/run.sh [reader] [symbols]           fuzz both, or one of them, for FUZZ_SECONDS (60) each
#        tests/fuzz/run.sh --regression                 run the known inputs only, with whatever compiler there is
# New inputs are kept in $STINT_BUILD/fuzz/NAME-corpus; one that fails is left in $STINT_BUILD/fuzz. No input may take
# more than 20 s or 1 GB.
set -eu
cd "$(dirname "$0")/../.."
out=${STINT_BUILD:-build}/fuzz
seconds=${FUZZ_SECONDS:-60}
flags="-std=c11 -D_GNU_SOURCE -I. -O1 -g -Wall -Wextra -Werror -fno-omit-frame-pointer"
checks="address,undefined -fno-sanitize-recover=undefined"
mkdir -p "$out"

# Sources of a harness and the libraries that they need.
parts() {
	case $1 in
	reader) echo "format/*.c base/*.c -lzstd -lxxhash" ;;
	symbols) echo "analyze/symbolize*.c analyze/elf_*.c analyze/dwarf*.c analyze/debug*.c analyze/demangle.c" \
		"analyze/program*.c analyze/addr_*.c analyze/progress.c base/*.c -liberty -lzstd -lz -llzma -ldl" ;;
	*) echo "tests/fuzz/run.sh: no harness '$1'" >&2; return 2 ;;
	esac
}

run_known() {
	local name=$1 from
	shift
	from=$(parts "$name")
	# shellcheck disable=SC2086 # the lists are meant to be split
	"${CC:-gcc}" $flags -DSTANDALONE -fsanitize=$checks "tests/fuzz/fuzz_$name.c" tests/fuzz/standalone.c \
		$from -o "$out/standalone_$name"
	"$out/standalone_$name" "$@"
}

fuzz() {
	local name=$1 max=$2 from
	shift 2
	from=$(parts "$name")
	mkdir -p "$out/$name-corpus"
	# shellcheck disable=SC2086
	"${CLANG:-clang-14}" $flags -fsanitize=fuzzer,$checks "tests/fuzz/fuzz_$name.c" $from -o "$out/fuzz_$name"
	"$out/fuzz_$name" -max_total_time="$seconds" -max_len="$max" -timeout=20 -rss_limit_mb=1024 \
		-artifact_prefix="$out/$name-" -print_final_stats=1 "$out/$name-corpus" "$@"
}

fuzz_symbols() {
	# Whole files of each form, as far as the tools to make them are here; the kept ones are damaged already.
	rm -rf "$out/elf"
	mkdir -p "$out/elf"
	tests/fuzz/mutate_elf.py build "$out/elf"
	fuzz symbols 16384 "$out/elf" testdata/elf
}

if [ "${1-}" = --regression ]; then
	run_known reader testdata/*.stint testdata/fuzz/*
	run_known symbols testdata/elf/*/*
	exit
fi
[ $# -gt 0 ] || set -- reader symbols
for name; do
	case $name in
	reader) fuzz reader 8192 testdata/fuzz testdata ;;
	symbols) fuzz_symbols ;;
	*) parts "$name" ;;
	esac
done
