#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds stint's symbolizer against addr2line, llvm-symbolizer and eu-addr2line, address by address.

Usage: compare.py [-n N] [-s SEED] [--tool PATH] [--args ARGS] FILE
Takes N seeded addresses of FILE's code. Where two of the three agree on the chain of functions (or on the chain of
lines), stint must agree with them. Exit status: 0 it does, 1 it doesn't.
"""
import argparse
import os
import random
import re
import subprocess
import sys

SUFFIX = re.compile(r"(\.(isra|constprop|part|cold|lto_priv|llvm|localalias)(\.\d+)*)+$|@@?[A-Z][\w.]*$")


def sections(path):
    """(address, size) of each executable section that has contents or is NOBITS in a debug file."""
    out = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout
    found = []
    for line in out.splitlines():
        m = re.match(r"\s*\[\s*\d+\]\s+(\S+)\s+(\S+)\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\S+\s+(\S*)", line)
        if m and "X" in m.group(5) and "A" in m.group(5) and not m.group(1).startswith((".plt", ".init", ".fini")):
            found.append((int(m.group(3), 16), int(m.group(4), 16)))
    return found


def pick(path, n, seed):
    rng = random.Random(seed)
    parts = [(a, s) for a, s in sections(path) if s]
    total = sum(s for _, s in parts)
    picked = set()
    while len(picked) < min(n, total // 2):
        at = rng.randrange(total)
        for addr, size in parts:
            if at < size:
                picked.add(addr + at)
                break
            at -= size
    return sorted(picked)


def run(command, addrs):
    text = "".join(f"0x{a:x}\n" for a in addrs)
    return subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", check=True).stdout


def clean_name(name):
    while SUFFIX.search(name):
        name = SUFFIX.sub("", name)
    return name


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
    result = {}
    for what, field in (("functions", 0), ("lines", 1)):
        agreed = matched = 0
        for i, addr in enumerate(addrs):
            views = {name: [f[field] for f in chains[i]] for name, chains in them.items()}
            mine = [f[field] for f in ours[i]]
            values = list(views.values())
            majority = next((v for v in values if values.count(v) > 1), None)
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
