#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""rss.py RESULT COMMAND ARG…: runs the command, exits as it does, and writes its peak memory and CPU time as JSON. Of the
memory, "anon" is what the program allocated, "mapped" what it has mapped: its own file, and memory of BPF maps that
it shares with the kernel."""
import json
import os
import re
import sys
import time


def sample(pid, peaks):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            for key, value in re.findall(r"^(RssAnon|RssFile|RssShmem):\s+(\d+) kB", f.read(), re.M):
                peaks[key] = max(peaks.get(key, 0), int(value))
    except (FileNotFoundError, ProcessLookupError):
        pass


def main():
    started = time.monotonic()
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    peaks = {}
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            break
        sample(pid, peaks)
        time.sleep(0.1)
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump({"max_rss_kib": usage.ru_maxrss, "anon_kib": peaks.get("RssAnon", 0),
                   "mapped_kib": peaks.get("RssFile", 0) + peaks.get("RssShmem", 0),
                   "user_s": round(usage.ru_utime, 3), "system_s": round(usage.ru_stime, 3),
                   "wall_s": round(time.monotonic() - started, 3)}, f)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
