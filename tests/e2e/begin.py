#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""begin.py RESULT FILE RECORDER ARG…: runs a recorder that writes FILE. Once it records, that is once there is more in the
file than its header, writes the CPU time that it has used so far and the time that has passed as JSON; ends it, and
exits as it does."""
import json
import os
import signal
import sys
import time

HEADER_BYTES = 64


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        user, system = f.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def has_begun(path):
    try:
        return os.stat(path).st_size > HEADER_BYTES
    except FileNotFoundError:
        return False


def main():
    result, path, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    started = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    while not has_begun(path):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            print("the recorder ended before it had begun", file=sys.stderr)
            return os.waitstatus_to_exitcode(status) or 1
        time.sleep(0.005)
    wall = time.monotonic() - started
    with open(result, "w", encoding="utf-8") as f:
        json.dump({"cpu_s": cpu_s(pid), "wall_s": round(wall, 3)}, f)
    os.kill(pid, signal.SIGINT)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
