#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Addresses per CPU second and peak memory of stint, addr2line, eu-addr2line and llvm-symbolizer, in one run.

Usage: bench.py [-n N] [-r ROUNDS] [--tool PATH] FILE
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare  # noqa: E402


def measure(command, path):
    """(CPU seconds, peak MiB) of the command with the addresses on its standard input."""
    with open(path) as stdin:
        child = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(child.pid, 0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("-n", type=int, default=10000)
    ap.add_argument("-r", "--rounds", type=int, default=3)
    ap.add_argument("--tool", default=os.path.join(os.environ.get("BUILD", "build"), "tools/symbolize"))
    ap.add_argument("--skip", default="")
    ap.add_argument("file")
    a = ap.parse_args()
    addrs = compare.pick(a.file, a.n, 1)
    random.Random(1).shuffle(addrs)
    tools = {
        "stint": [a.tool, a.file],
        "llvm-symbolizer": ["llvm-symbolizer-14", "--demangle", "-f", "--inlines", f"--obj={a.file}"],
        "addr2line": ["addr2line", "-ifCe", a.file],
        "eu-addr2line": ["eu-addr2line", "-C", "-ife", a.file],
    }
    tools = {name: command for name, command in tools.items() if name not in a.skip.split(",")}
    best = {name: (float("inf"), 0.0) for name in tools}
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("".join(f"0x{addr:x}\n" for addr in addrs))
        f.flush()
        for _ in range(a.rounds):
            for name, command in tools.items():
                best[name] = min(best[name], measure(command, f.name))
    for name, (seconds, mib) in best.items():
        print(f"{name:16} {seconds:8.3f} s {len(addrs) / seconds:10.0f} addresses/CPU s {mib:7.0f} MiB peak "
              f"{seconds / best['stint'][0]:7.1f} x the time of stint")


if __name__ == "__main__":
    main()
