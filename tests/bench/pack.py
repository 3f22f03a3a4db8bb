#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
How much larger a recording gets when symbols go into it, beside what `perf archive` makes of the same run: nginx under
wrk, its workers recorded by stint (twice, with and without --embed=symtab) and perf (99 Hz) at the same time.
usage: pack.py [--seconds 30] [--keep DIR]     as root; the last results are in docs/symbols.md
"""
import argparse
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/experiment"))
import load  # noqa: E402


def run(command, **more):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **more)


def measure(directory, seconds):
    build = os.path.join(ROOT, os.environ.get("STINT_BUILD", "build"))
    stint, recorder = f"{build}/stint", f"{build}/stint-record"
    env = dict(os.environ, HOME=directory)  # perf keeps files by build ID in ~/.debug
    with load.Nginx(f"{directory}/nginx") as nginx:
        wrk = load.start_wrk(nginx.url("/text.txt"), seconds + 3)
        pids = ",".join(map(str, nginx.workers()))
        recorders = [
            subprocess.Popen([recorder, "-p", pids, "-d", str(seconds), "-o", f"{directory}/plain.stint"]),
            subprocess.Popen([recorder, "-p", pids, "-d", str(seconds), "--embed=kernel,jit,symtab", "-o",
                              f"{directory}/symtab.stint"]),
            subprocess.Popen(["perf", "record", "-q", "-p", pids, "-g", "-F", "99", "-o", f"{directory}/perf.data", "--", "sleep",
                              str(seconds)], env=env),
        ]
        for process in recorders:
            if process.wait():
                sys.exit(f"{process.args[0]} failed")
        print(f"{load.requests_per_second(wrk):.0f} requests/s while all three recorded")
    run([stint, "pack", "--debuginfod=none", f"{directory}/plain.stint", "-o", f"{directory}/packed.stint"],
        stdout=subprocess.DEVNULL)
    # A file of debug information, where one is installed, makes more lines to pack than a server has.
    run(["perf", "archive", f"{directory}/perf.data"], env=env,
        stdout=subprocess.DEVNULL)
    size = {name: os.path.getsize(f"{directory}/{name}") for name in
            ("plain.stint", "symtab.stint", "packed.stint", "perf.data", "perf.data.tar.bz2")}
    for name, n_bytes in size.items():
        print(f"{name:18} {n_bytes:>12,} bytes")
    added = size["packed.stint"] - size["plain.stint"]
    print(f"packing adds {added:,} bytes, {added / size['plain.stint']:.2%} of the recording; perf archive is "
          f"{size['perf.data.tar.bz2'] / added:.0f} times that")
    symbols = {name: subprocess.run([stint, "dump", f"{directory}/{name}.stint"], stdout=subprocess.PIPE, check=True)
               .stdout.count(b'"table":"symbol"') for name in ("plain", "symtab")}
    print(f"--embed=symtab writes {symbols['symtab'] - symbols['plain']} names more than the default ({symbols['plain']}); "
          f"the two recordings differ by {size['symtab.stint'] - size['plain.stint']:,} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--keep", help="a directory for what was recorded")
    args = parser.parse_args()
    if args.keep:
        os.makedirs(args.keep, exist_ok=True)
        measure(os.path.abspath(args.keep), args.seconds)
    else:
        with tempfile.TemporaryDirectory() as directory:
            measure(directory, args.seconds)


main()
