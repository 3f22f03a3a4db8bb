#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""rss.py RESULT COMMAND ARG…: runs the command, exits as it does, and writes its peak memory and CPU time as JSON."""
import json
import os
import sys
import time


def main():
    started = time.monotonic()
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(pid, 0)
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump({"max_rss_kib": usage.ru_maxrss, "user_s": round(usage.ru_utime, 3),
                   "system_s": round(usage.ru_stime, 3), "wall_s": round(time.monotonic() - started, 3)}, f)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
