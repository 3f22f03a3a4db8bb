#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make bench: see bench.py --help. The last results are in docs/benchmarks.md.
exec /usr/bin/python3 "$(dirname "$0")/bench.py" "$@"
