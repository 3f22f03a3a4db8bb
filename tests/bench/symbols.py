#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Addresses per CPU second and peak memory of stint, addr2line, eu-addr2line and llvm-symbolizer, in one run.

Usage: symbols.py [-n N,N] [-r ROUNDS] [--tool PATH] [--skip NAMES] [--units N | FILE]
Without FILE, a program of so many units of C++ (81: more than 100 MB of DWARF) is compiled first. Addresses are
shuffled, the output is included, each round asks all tools in turn, and the best round of each counts.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "symbols"))
import compare as oracle  # noqa: E402

UNITS = 81


def build(directory, units):
    """deep.cc many times over, each time in a namespace of its own; returns the program's path.

    Compiled twice, with and without main. All others are the second one with another namespace's name of the same
    length in its strings, which is what compiling it would give, in a hundredth of the time.
    """
    def unit(number, part):
        out = f"{directory}/unit{number}.o"
        subprocess.run(["g++", "-O2", "-g", f"-DDEEP_NAMESPACE=deep_{number:03}", *part, "-c",
                        f"{ROOT}/tests/symbols/deep.cc", "-o", out], check=True)
        return out

    objects = [unit(0, []), unit(1, ["-DDEEP_PART"])]
    with open(objects[1], "rb") as f:
        compiled = f.read()
    for number in range(2, units):
        objects.append(f"{directory}/unit{number}.o")
        with open(objects[-1], "wb") as f:
            f.write(compiled.replace(b"deep_001", f"deep_{number:03}".encode()))
    path = f"{directory}/program"
    subprocess.run(["g++", *objects, "-o", path], check=True)
    for name in objects:
        os.unlink(name)
    return path


def dwarf_bytes(path):
    out = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout
    rows = (line.replace("[ ", "[").split() for line in out.splitlines() if " .debug_" in line)
    return sum(int(row[5], 16) for row in rows)


def measure(command, path):
    """(CPU seconds, peak MiB) of the command with the addresses on its standard input."""
    with open(path) as stdin:
        child = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command[0]} exited with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def ask(path, addrs, tools, rounds, log):
    """The best of each tool's rounds by name; a tool that isn't here is left out."""
    best = {}
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("".join(f"0x{addr:x}\n" for addr in addrs))
        f.flush()
        for _ in range(rounds):
            for name, command in tools.items():
                try:
                    best[name] = min(best.get(name, (float("inf"), 0.0)), measure(command, f.name))
                except (OSError, RuntimeError) as error:
                    log(f"  {name}: {error}")
    return best


def table(path, counts, tool, rounds, skip, log):
    tools = {
        "stint": [tool, path],
        "llvm-symbolizer": ["llvm-symbolizer-14", "--demangle", "-f", "--inlines", f"--obj={path}"],
        "addr2line": ["addr2line", "-ifCe", path],
        "eu-addr2line": ["eu-addr2line", "-C", "-ife", path],
    }
    tools = {name: command for name, command in tools.items() if name not in skip}
    print(f"\n### Addresses to functions and lines: {dwarf_bytes(path) / 1e6:.0f} MB of DWARF\n")
    print("| | addresses | CPU, s | addresses a CPU second | peak memory, MiB | times stint's CPU time |")
    print("|---|--:|--:|--:|--:|--:|")
    for count in counts:
        addrs = oracle.pick(path, count, 1)
        random.Random(1).shuffle(addrs)
        best = ask(path, addrs, tools, rounds, log)
        for name, (seconds, mib) in best.items():
            ratio = f"{seconds / best['stint'][0]:.1f}" if "stint" in best else "-"
            print(f"| {name} | {len(addrs):,} | {seconds:.3f} | {len(addrs) / seconds:,.0f} | {mib:.0f} | {ratio} |",
                  flush=True)


def compare(options, log):
    """As a part of bench.py."""
    with tempfile.TemporaryDirectory(prefix="stint-bench-", dir=options.tmp) as directory:
        log(f"  compiling {options.symbol_units} units of C++")
        path = build(directory, options.symbol_units)
        table(path, [10000, 100000], options.symbolize, min(3, options.rounds), ["eu-addr2line"], log)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("-n", default="10000,100000")
    ap.add_argument("-r", "--rounds", type=int, default=3)
    ap.add_argument("--tool", default=os.path.join(ROOT, os.environ.get("STINT_BUILD", "build"), "tools/symbolize"))
    ap.add_argument("--skip", default="")
    ap.add_argument("--units", type=int, default=UNITS)
    ap.add_argument("file", nargs="?")
    a = ap.parse_args()
    with tempfile.TemporaryDirectory(prefix="stint-bench-") as directory:
        path = a.file or build(directory, a.units)
        table(path, [int(n) for n in a.n.split(",")], a.tool, a.rounds, a.skip.split(","),
              lambda text: print(text, file=sys.stderr))


if __name__ == "__main__":
    main()
