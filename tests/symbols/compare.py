#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds stint's symbolizer against addr2line, llvm-symbolizer and gdb, address by address.

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
import tempfile

MAX_SECONDS = 600  # of one tool with one file

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
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", check=False,
                              timeout=MAX_SECONDS).stdout
    except subprocess.TimeoutExpired:
        print(f"{command[0]}: no answers after {MAX_SECONDS} s", file=sys.stderr)
        return ""


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


def ask_gdb(path, addrs):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gdb_chains.py")
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("".join(f"{a:#x}\n" for a in addrs))
        f.flush()
        command = ["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load off",
                   "-iex", f"py addresses = {f.name!r}", "-x", script, path]
        return run(command, [])


def ask_all(path, addrs, llvm="llvm-symbolizer-14"):
    return {
        "addr2line": parse_pairs(run(["addr2line", "-ifae", path], addrs), addrs),
        "llvm": parse_pairs(run([llvm, "--no-demangle", "-a", "-f", "--inlines", f"--obj={path}"], addrs), addrs),
        "gdb": parse_pairs(ask_gdb(path, addrs), addrs),
    }


def ask_stint(tool, args, path, addrs):
    return parse_pairs(run([tool, "-m", "none", *args, path], addrs), addrs)


def blind(them):
    """The tools that lose most inlined functions in this file, as binutils does where clang wrote the ranges."""
    depth = {name: sum(len(chain) > 1 for chain in chains) for name, chains in them.items()}
    return {name for name, n in depth.items() if 2 * n < max(depth.values())}


class Verdict:
    """Of the functions, or of the lines, at all addresses of one file."""

    def __init__(self, field, addrs, them, ours):
        self.asked, self.agreed, self.matched, self.differ = len(addrs), 0, 0, []
        out = blind(them)
        for i, addr in enumerate(addrs):
            views = {name: [f[field] for f in chains[i]] for name, chains in them.items()}
            mine = [f[field] for f in ours[i]]
            values = [v for name, v in views.items() if name not in out]
            majority = next((v for v in values if values.count(v) > 1), values[0] if len(values) == 1 else None)
            if not majority:
                continue
            self.agreed += 1
            if majority == mine:
                self.matched += 1
            else:
                self.differ.append((addr, mine, views))


def judge(addrs, them, ours):
    return {what: Verdict(field, addrs, them, ours) for what, field in (("functions", 0), ("lines", 1))}


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
    verdicts = judge(addrs, ask_all(a.file, addrs, a.llvm), ask_stint(a.tool, a.args.split(), a.file, addrs))
    for what, v in verdicts.items():
        for addr, mine, views in v.differ[:10 * a.verbose]:
            print(f"  {what} at {addr:#x}: stint {mine}, " + ", ".join(f"{n} {view}" for n, view in views.items()))
    for what, v in verdicts.items():
        print(f"{a.file}: {what}: two of three agree at {v.agreed} of {v.asked} addresses, "
              f"stint at {v.matched} of these")
    sys.exit(any(v.agreed != v.matched for v in verdicts.values()))


if __name__ == "__main__":
    main()
