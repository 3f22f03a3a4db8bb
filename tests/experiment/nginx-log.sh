#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The experiment of docs/nginx-log-experiment.md; see --help. Needs root, nginx and wrk.
exec /usr/bin/python3 "$(dirname "$0")/nginx_log.py" "$@"
