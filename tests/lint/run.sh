#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make lint: the house rules, after a test that the checker itself finds what it should; headers that stand alone;
# one layout; shell scripts, where shellcheck is installed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root" || exit 1
status=0

if ! out=$(PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$here/test_check_source.py" 2>&1); then
	printf '%s\n' "$out" >&2
	echo "lint: the checker doesn't find what it should" >&2
	exit 1
fi

/usr/bin/python3 "$here/check_source.py" "$root" || status=1

# A header must compile alone, so that nobody depends on the order of includes.
cc=${CC:-cc}
if command -v "$cc" >/dev/null; then
	for header in base/*.h format/*.h record/*.h analyze/*.h; do
		"$cc" -std=c11 -D_GNU_SOURCE -DSTINT_VERSION='"lint"' -I. -fsyntax-only -Wall -Wno-unused -x c "$header" \
			2>&1 | grep -v 'pragma once' | sed "s|^|$header doesn't compile alone: |" | head -3 | grep . && status=1
	done
fi

if command -v clang-format-14 >/dev/null; then
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format-14 --dry-run -Werror --ferror-limit=1 || status=1
else
	echo "lint: clang-format-14 isn't installed; the layout is not checked"
fi

if command -v shellcheck >/dev/null; then
	mapfile -t scripts < <(git ls-files '*.sh' '*.bash' .ci/run 2>/dev/null)
	if [ ${#scripts[@]} -gt 0 ]; then
		shellcheck --severity=warning "${scripts[@]}" || status=1
	fi
else
	echo "lint: shellcheck isn't installed; shell scripts are not checked"
fi

if [ $status -eq 0 ]; then
	echo "lint: ok"
else
	echo "lint: some rules are broken (above)" >&2
fi
exit $status
