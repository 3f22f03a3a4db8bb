#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Sizes of the unwind tables, and the CPU time to make them, of well-known files and of everything that is mapped on
# this host. usage: table_sizes.sh [FILE...]
set -eu
tool=${STINT_BUILD:-$(dirname "$0")/../../build}/tools/unwind_sizes
if [ $# -gt 0 ]; then
	exec "$tool" 5 "$@"
fi
known=()
for name in bash nginx python3 node perl redis-server clang-14 gdb; do
	path=$(PATH=/usr/sbin:/usr/bin:/bin command -v "$name") && known+=("$(readlink -f "$path")")
done
for path in /usr/lib/x86_64-linux-gnu/{libc.so.6,libstdc++.so.6,libcrypto.so.3,libLLVM-14.so.1,libclang-cpp.so.14} \
	/usr/lib/gcc/x86_64-linux-gnu/*/cc1 /usr/lib/postgresql/*/bin/postgres; do
	[ -e "$path" ] && known+=("$path")
done
"$tool" 5 "${known[@]}"
echo
echo "The whole host:"
mapfile -t mapped < <(cat /proc/[0-9]*/maps 2>/dev/null | awk '$2 ~ /x/ && $6 ~ /^\// && NF == 6 { print $6 }' | sort -u)
"$tool" 1 "${mapped[@]}" 2>/dev/null | tail -1
