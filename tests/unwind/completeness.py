#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures which share of user stacks reaches the thread's outermost frame, on the CPU and off it.

usage: completeness.py [--seconds N] [--warm-up N] [--misses N] [--contrast] [--keep DIR] [WORKLOAD...]

A stack counts as complete when its walk says so *and* its outermost frame is where the ELF file says that threads
start (outermost.py). Claims without that proof, and walks that ended otherwise, are misses; --misses shows the most
frequent ones. --contrast measures --unwind=fp and perf's frame-pointer stacks of the same processes beside it.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import workloads
from outermost import Outermost, readelf

BUILD = os.path.abspath(os.environ.get("STINT_BUILD", os.path.join(workloads.ROOT, "build")))
ENDS = ["none", "complete", "depth", "no-mapping", "no-rows", "unsupported", "unreadable", "fp-end", "not-taken",
        "window"]
NONE, NOT_TAKEN, WINDOW = 0, 8, 9
FREQUENCY = 997


class Recording:
    """The user stacks of the threads with some names, with how often each was seen."""

    def __init__(self, path, comms):
        self.read(path)
        # Stacks that were copied are unwound by packing.
        if any(row["user_end"] == WINDOW for row in self.tables["stack"].values()):
            if not subprocess.run([f"{BUILD}/stint", "pack", path, "-o", path + ".packed"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False).returncode:
                self.read(path + ".packed")
        self.unwound = {self.user_node(row["stack"]): row["as_stack"] for row in self.rows["unwound"]}
        self.events = {"on": collections.Counter(), "off": collections.Counter()}
        self.n_copied = 0
        wanted = {i for i, t in self.tables["thread"].items() if self.string(t["comm_str"]) in comms}
        for table, kind in (("sample", "on"), ("off-cpu", "off")):
            for row in self.rows[table]:
                if row["thread"] in wanted:
                    stack = self.walked(row["stack"])
                    self.events[kind][stack] += 1
                    self.n_copied += stack != row["stack"]

    def read(self, path):
        self.tables, self.rows = collections.defaultdict(dict), collections.defaultdict(list)
        with subprocess.Popen([f"{BUILD}/stint", "dump", path], stdout=subprocess.PIPE, text=True) as dump:
            for line in dump.stdout:
                row = json.loads(line)
                if "id" in row:
                    self.tables[row["table"]][row["id"]] = row
                elif row["table"] in ("sample", "off-cpu", "unwound"):
                    self.rows[row["table"]].append(row)

    def user_node(self, stack):
        """The innermost user frame's node."""
        node = self.tables["stack"][stack]["leaf"]
        for _ in range(self.tables["stack"][stack]["n_kernel"]):
            node = self.tables["node"][node]["parent"]
        return node

    def walked(self, stack):
        """What has the frames of a stack: it, or what it was unwound to."""
        if stack and self.tables["stack"][stack]["user_end"] == WINDOW:
            return self.unwound.get(self.user_node(stack), stack)
        return stack

    def string(self, number):
        row = self.tables["string"].get(number)
        return bytes.fromhex(row["hex"]).decode(errors="replace") if row else ""

    def frames(self, stack):
        """The user frames as (path, file offset), innermost first."""
        row, frames = self.tables["stack"][stack], []
        node, skip = row["leaf"], row["n_kernel"]
        while node:
            at = self.tables["node"][node]
            if not skip:
                frame = self.tables["frame"][at["frame"]]
                module = self.tables["module"].get(frame["module"])
                frames.append((self.string(module["path_str"]) if module else "", frame["addr"]))
            skip -= skip > 0
            node = at["parent"]
        return frames

    def end(self, stack):
        return self.tables["stack"][stack]["user_end"] if stack else NOT_TAKEN


class Result:
    """What became of the stacks of one kind: good ones, those beyond the limit, and the others by reason."""

    def __init__(self):
        self.good = self.deep = 0
        self.ends = collections.Counter()    # of the misses
        self.starts = collections.Counter()  # what the good ones' outermost frames are
        self.missed = collections.Counter()  # (why, frames)

    def total(self):
        return self.good + sum(self.ends.values())

    def add(self, n, end, frames, start):
        if end == "depth":
            self.deep += n
        elif end == "complete" and start:
            self.good += n
            self.starts[start] += n
        else:
            why = "unproven" if end == "complete" else end
            self.ends[why] += n
            self.missed[(why, tuple(frames))] += n

    def share(self):
        return f"{100 * self.good / self.total():.2f}" if self.total() else "-"


def measure(recording, outermost):
    """Returns a Result for stacks on the CPU and one for those off it."""
    results = {"on": Result(), "off": Result()}
    for kind, stacks in recording.events.items():
        for stack, n in stacks.items():
            end = recording.end(stack)
            if end == NONE:
                continue
            frames = recording.frames(stack) if stack else []
            start = outermost.name(*frames[-1]) if frames else None
            name = ENDS[end] if end < len(ENDS) else str(end)
            if name == "fp-end" and start:
                name = "complete"  # a chain of frame pointers can't tell, the outermost frame can
            results[kind].add(n, name, frames, start)
    return results


def record(options, proc, directory, mode):
    path = os.path.join(options.keep or directory, f"{mode}.stint")
    for _ in range(5):  # a process that has ended meanwhile is refused
        pids = ",".join(map(str, workloads.descendants(proc.pid)))
        done = subprocess.run([f"{BUILD}/stint-record", "-p", pids, "-F", str(FREQUENCY), "-d", str(options.seconds),
                               f"--unwind={mode}", "-o", path], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            return path
    sys.exit(f"completeness.py: {done.stderr.strip()}")


def perf_share(options, proc, directory, comms, outermost):
    """The same of perf's user stacks by frame pointers; there are only samples."""
    data, result, maps = os.path.join(directory, "perf.data"), Result(), collections.defaultdict(list)
    for _ in range(5):  # a process that has ended meanwhile is refused
        pids = ",".join(map(str, workloads.descendants(proc.pid)))
        if not subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "--call-graph=fp", "-p",
                               pids, "-o", data, "--", "sleep", str(options.seconds)], stderr=subprocess.DEVNULL,
                              check=False).returncode:
            break
    else:
        return result
    text = subprocess.run(["perf", "script", "-i", data, "--show-mmap-events", "-F", "comm,pid,ip"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    for block in re.split(r"\n(?=\S)", text):
        if m := re.search(r"MMAP2? (\d+)/\d+: \[(0x\w+)\((0x\w+)\) @ (\w+).*: \S+ (.*)", block):
            start, size, off = (int(x, 16) for x in m.group(2, 3, 4))
            maps[int(m.group(1))].append((start, start + size, off, m.group(5)))
            continue
        m = re.match(r"(.*?) +(\d+) *$", block.split("\n", 1)[0])
        user = [a for a in (int(x, 16) for x in re.findall(r"^\s+([0-9a-f]+)\s*$", block, re.M)) if a < 1 << 63]
        if not m or m.group(1).strip() not in comms or not user:
            continue
        place = next(((path, user[-1] - first + off) for first, last, off, path in reversed(maps[int(m.group(2))])
                      if first <= user[-1] < last), ("", 0))
        start = outermost.name(*place)
        result.add(1, "complete" if start else "fp-end", [place], start)
    return result


def symbol(path, off):
    """The function at a file offset, as far as addr2line knows it."""
    loads = re.findall(r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", readelf("-l", path)) if os.path.isfile(path) else []
    for file_off, vaddr, size in ((int(a, 16), int(b, 16), int(c, 16)) for a, b, c in loads):
        if file_off <= off < file_off + size:
            named = path + ".debug" if os.path.exists(path + ".debug") else path
            return subprocess.run(["addr2line", "-f", "-e", named, hex(off - file_off + vaddr)], text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split("\n")[0]
    return "?"


def names(frames):
    return [f"        {os.path.basename(path) or '?'}+{off:#x} {symbol(path, off)}" for path, off in frames]


def show_misses(kind, result, n_misses):
    for (why, frames), n in result.missed.most_common(n_misses):
        print(f"    {n} {kind}-CPU: {why}, {len(frames)} frames")
        lines = names(frames[:3] + frames[-5:]) if len(frames) > 8 else names(frames)
        print("\n".join(lines))


def report(options, name, results, copied, cells):
    on, off = results["on"], results["off"]
    why = ", ".join(f"{n} {end}" for end, n in (on.ends + off.ends).most_common())
    starts = ", ".join(start for start, _ in (on.starts + off.starts).most_common())
    row = [name, on.total(), on.share(), off.total(), off.share(), on.deep + off.deep, why or "-", starts]
    print(f"| {' | '.join(map(str, row + cells))} |", flush=True)
    if copied:
        print(f"    of these stacks, {copied} were copied and unwound later", flush=True)
    for kind, result in results.items():
        show_misses(kind, result, options.misses)
    least = 98 if name == "node" else 99
    return all(r.total() and r.good >= least / 100 * r.total() for r in results.values())


def run(options, name, outermost):
    load = workloads.WORKLOADS[name]
    absent = [need for need in load.needs if not shutil.which(need)]
    if absent:
        print(f"| {name} | not measured: {', '.join(absent)} isn't installed |", flush=True)
        return True
    with tempfile.TemporaryDirectory(prefix="stint-load-") as directory:
        place = workloads.Place(directory)
        try:
            proc = load.start(place)
            time.sleep(options.warm_up)
            recording = Recording(record(options, proc, directory, "auto"), load.comms)
            results = measure(recording, outermost)
            cells = []
            if options.contrast:
                by_fp = measure(Recording(record(options, proc, directory, "fp"), load.comms), outermost)
                perf = perf_share(options, proc, directory, load.comms, outermost)
                cells = [by_fp["on"].share(), by_fp["off"].share(), perf.share()]
        finally:
            place.end()
        return report(options, name, results, recording.n_copied, cells)


def main():
    parser = argparse.ArgumentParser(description="Measures which share of user stacks reaches the outermost frame.")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--warm-up", type=float, default=0.7, help="seconds that a load runs before it is recorded")
    parser.add_argument("--misses", type=int, default=0, help="show so many of the most frequent misses")
    parser.add_argument("--contrast", action="store_true", help="also by frame pointers: stint's and perf's")
    parser.add_argument("--keep", metavar="DIR", help="leave the recordings there")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(workloads.WORKLOADS)}")
    options = parser.parse_args()
    unknown = set(options.workloads) - set(workloads.WORKLOADS)
    if unknown:
        parser.error(f"no workload is named {', '.join(sorted(unknown))}")
    outermost = Outermost()
    head = ["workload", "on-CPU", "% complete", "off-CPU", "% complete", "too deep", "misses", "outermost frames"]
    if options.contrast:
        head += ["% on by fp", "% off by fp", "% on by perf's fp"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|", flush=True)
    results = [run(options, name, outermost) for name in options.workloads or workloads.WORKLOADS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
