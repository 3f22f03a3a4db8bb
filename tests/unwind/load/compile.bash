#!/bin/bash
# SPDX-License-Identifier: MIT
# Compiles the given C files again and again until it is killed. usage: compile.bash COMPILER FILE...
compiler=$1
shift
while :; do
	for file; do
		"$compiler" -std=gnu11 -D_GNU_SOURCE -DSTINT_VERSION='""' -I. -O2 -g -c -o /dev/null "$file"
	done
done
