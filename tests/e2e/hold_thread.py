#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hold_thread.py TID MS: waits until the thread has used so many ms of CPU time more, stops it and nothing else of its
process, says "held", and lets it go at the end of its standard input. Exits with 1 where it doesn't come to that."""
import ctypes
import os
import sys
import time

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000


def cpu_ns(tid):
    with open(f"/proc/{tid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


def ptrace(request, tid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(request, tid, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")


def main():
    tid, want_ns = int(sys.argv[1]), int(sys.argv[2]) * 1000000
    ptrace(PTRACE_SEIZE, tid)
    print("watching", flush=True)
    began, until = cpu_ns(tid), time.monotonic() + 60
    while cpu_ns(tid) - began < want_ns:
        if time.monotonic() > until:
            return 1
        time.sleep(0.002)
    ptrace(PTRACE_INTERRUPT, tid)
    os.waitpid(tid, WALL)
    print("held", flush=True)
    sys.stdin.read()
    ptrace(PTRACE_DETACH, tid)
    print("released", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
