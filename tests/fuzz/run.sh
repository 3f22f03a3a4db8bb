#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: tests/fuzz/run.sh                 fuzz the reader for FUZZ_SECONDS (60)
#        tests/fuzz/run.sh --regression    run the known inputs only, with whatever compiler there is
# New inputs are kept in $STINT_BUILD/fuzz/corpus; one that fails is left in $STINT_BUILD/fuzz.
set -eu
cd "$(dirname "$0")/../.."
out=${STINT_BUILD:-build}/fuzz
seconds=${FUZZ_SECONDS:-60}
sources="tests/fuzz/fuzz_reader.c format/*.c base/*.c"
flags="-std=c11 -D_GNU_SOURCE -I. -O1 -g -Wall -Wextra -Werror -fno-omit-frame-pointer"
mkdir -p "$out/corpus"

build_standalone() {
	# shellcheck disable=SC2086 # the lists are meant to be split
	"${CC:-gcc}" $flags -DSTANDALONE -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		$sources -lzstd -lxxhash -o "$out/standalone"
}

if [ "${1-}" = --regression ]; then
	build_standalone
	"$out/standalone" testdata/*.stint testdata/fuzz/*
	exit
fi

# shellcheck disable=SC2086
"${CLANG:-clang-14}" $flags -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	$sources -lzstd -lxxhash -o "$out/fuzz_reader"
"$out/fuzz_reader" -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=1024 \
	-artifact_prefix="$out/" -print_final_stats=1 "$out/corpus" testdata/fuzz testdata
