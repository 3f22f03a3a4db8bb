#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds stint's symbolizer against addr2line, llvm-symbolizer and eu-addr2line, address by address.

Usage: compare.py [-n N] [-s SEED] [--tool PATH] [--args ARGS] FILE
Takes N seeded addresses of FILE's code. Where two of the three agree on the chain of functions (or on the chain of
lines), stint must agree with them. A tool that can't expand most of the file's inlined functions has no say; where
only one is left, stint must agree with that. Exit status: 0 it does, 1 it doesn't.
"""
import argparse
import bisect
import itertools
import os
import random
import re
import subprocess
import sys

SUFFIX = re.compile(r"(\.(isra|constprop|part|cold|lto_priv|llvm|localalias)(\.\d+)*)+$|@@?[A-Z][\w.]*$")

# Constructors and destructors for complete and for base objects are mostly the same code under two names.
TWINS = re.compile(r"([CD])[0-5](?=E)")


def functions(path):
    """(address, size) of each function that a symbol table gives a size: between them is only padding."""
    out = subprocess.run(["readelf", "-sW", path], capture_output=True, text=True, check=True).stdout
    found = set()
    for line in out.splitlines():
        m = re.match(r"\s*\d+:\s+([0-9a-f]+)\s+(\S+)\s+FUNC\s+\S+\s+\S+\s+(\d+)\s", line)
        if m and int(m.group(2), 0):
            found.add((int(m.group(1), 16), int(m.group(2), 0)))
    return sorted(found)


def pick(path, n, seed):
    rng = random.Random(seed)
    parts = functions(path)
    ends = list(itertools.accumulate(size for _, size in parts))
    picked = set()
    while len(picked) < min(n, ends[-1] // 2):
        at = rng.randrange(ends[-1])
        i = bisect.bisect_right(ends, at)
        picked.add(parts[i][0] + at - (ends[i] - parts[i][1]))
    return sorted(picked)


def run(command, addrs):
    text = "".join(f"0x{a:x}\n" for a in addrs)
    return subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", check=False).stdout


def clean_name(name):
    while SUFFIX.search(name):
        name = SUFFIX.sub("", name)
    return TWINS.sub(r"\1x", name)


def clean_place(place):
    place = re.sub(r" \(discriminator \d+\)", "", place)
    m = re.match(r"(.*?):(\d+|\?)(:\d+)?$", place)
    if not m or m.group(1) in ("??", ""):
        return "?"
    line = m.group(2)
    return "?" if line in ("0", "?") else f"{os.path.basename(m.group(1))}:{line}"


def parse_pairs(text, addrs):
    """addr2line's format with -a: an address, then function and place by turns."""
    chains = {}
    current = None
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        if re.match(r"0x[0-9a-f]+$", lines[i]):
            current = chains.setdefault(int(lines[i], 16), [])
            i += 1
        elif not lines[i]:
            i += 1
        else:
            place = lines[i + 1] if i + 1 < len(lines) else "??:0"
            current.append((clean_name(lines[i]), clean_place(place)))
            i += 2
    return [chains.get(a, []) for a in addrs]


def blind(them):
    """The tools that lose most inlined functions in this file, as binutils and elfutils do where clang wrote the ranges."""
    depth = {name: sum(len(chain) > 1 for chain in chains) for name, chains in them.items()}
    return {name for name, n in depth.items() if 2 * n < max(depth.values())}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("-n", type=int, default=1000)
    ap.add_argument("-s", "--seed", type=int, default=1)
    ap.add_argument("--tool", default=os.path.join(os.environ.get("BUILD", "build"), "tools/symbolize"))
    ap.add_argument("--args", default="")
    ap.add_argument("--llvm", default="llvm-symbolizer-14")
    ap.add_argument("-v", "--verbose", action="count", default=0)
    ap.add_argument("file")
    a = ap.parse_args()
    addrs = pick(a.file, a.n, a.seed)
    them = {
        "addr2line": parse_pairs(run(["addr2line", "-ifae", a.file], addrs), addrs),
        "llvm": parse_pairs(run([a.llvm, "--no-demangle", "-a", "-f", "--inlines", f"--obj={a.file}"], addrs), addrs),
        "eu": parse_pairs(run(["eu-addr2line", "-ifae", a.file], addrs), addrs),
    }
    ours = parse_pairs(run([a.tool, "-m", "none", *a.args.split(), a.file], addrs), addrs)
    out = blind(them)
    result = {}
    for what, field in (("functions", 0), ("lines", 1)):
        agreed = matched = 0
        for i, addr in enumerate(addrs):
            views = {name: [f[field] for f in chains[i]] for name, chains in them.items()}
            mine = [f[field] for f in ours[i]]
            values = [v for name, v in views.items() if name not in out]
            majority = next((v for v in values if values.count(v) > 1), values[0] if len(values) == 1 else None)
            if majority is None or not majority:
                continue
            agreed += 1
            if majority == mine:
                matched += 1
            elif a.verbose and agreed - matched <= 10 * a.verbose:
                print(f"  {what} at {addr:#x}: stint {mine}, " + ", ".join(f"{n} {v}" for n, v in views.items()))
        result[what] = (agreed, matched)
    for what, (agreed, matched) in result.items():
        print(f"{a.file}: {what}: two of three agree at {agreed} of {len(addrs)} addresses, stint at {matched} of these")
    sys.exit(any(agreed != matched for agreed, matched in result.values()))


if __name__ == "__main__":
    main()
