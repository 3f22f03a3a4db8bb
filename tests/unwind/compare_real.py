#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares stint's user stacks of real programs under load, frame by frame, with eu-stack's and gdb's.

usage: compare_real.py [--rounds N] [--verbose] [WORKLOAD...]

Each round stops a load's processes (SIGSTOP) wherever they happen to be while they are recorded. A thread's last
interval then has its stack as it was walked at that moment, and the others read the same stack while it stands
still. Prints how many stacks were compared and who agreed; the exit status is 1 where stint agrees with neither.
Walks that ended too early are compared as far as they go, and so are those through code made at run time.
"""

import argparse
import collections
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import compare
import workloads

OPEN_AT_END = 2  # flag of an interval that lasted beyond the recording


def state_of(pid, tid):
    try:
        with open(f"/proc/{pid}/task/{tid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


def stop(pids):
    """Those that could be stopped, with all their threads."""
    stopped = []
    for pid in pids:
        try:
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
        except ProcessLookupError:
            pass
    for _ in range(100):
        if all(state_of(pid, tid) in "TtDZ" for pid in stopped for tid in os.listdir(f"/proc/{pid}/task")):
            break
        time.sleep(0.01)
    return [pid for pid in stopped if state_of(pid, pid) == "T"]


def chosen(root, comms):
    pids = []
    for pid in workloads.descendants(root):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                if file.read().strip() in comms:
                    pids.append(pid)
        except OSError:
            pass
    return pids


def same(mine, theirs):
    """Frames of code without a file are compared by there being one."""
    def plain(frames):
        return [frame if frame[0] not in ("", "?", "//anon") else "code" for frame in frames]

    return plain(mine) == plain(theirs)


def verdict(end, frames, of, is_go):
    """
    The tools that agree: on all frames, or up to code that has no file, which stint alone can leave. Behind Go's
    switches of stacks, where stint ends as Go's own unwinder does, they go on to frames of no stack at all.
    """
    n = next((i for i, (path, _) in enumerate(frames) if path in ("", "//anon")), len(frames))
    if n == len(frames) and end == compare.COMPLETE and not is_go:
        return {name for name, theirs in of.items() if same(frames, theirs)}
    return {name for name, theirs in of.items() if same(frames[:n], theirs[:n])}


class Tally:
    def __init__(self, is_go):
        self.by = collections.Counter()
        self.differ = []
        self.is_go = is_go

    def add(self, end, frames, of):
        agree = verdict(end, frames, of, self.is_go)
        self.by["both" if len(agree) == 2 else min(agree, default="neither")] += 1
        self.by["cut short"] += end != compare.COMPLETE
        if len(agree) < 2:
            self.differ.append((frames, of))


def start_recorder(root, path):
    """Recording, or about to fail: a process that has ended meanwhile is refused."""
    for _ in range(5):
        pids = ",".join(map(str, workloads.descendants(root)))
        recorder = subprocess.Popen([f"{compare.BUILD}/stint-record", "-F", "0", "-p", pids, "-d", "1.2", "-o", path],
                                    stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        if recorder.poll() is None:
            break
    return recorder


def one_round(load, root, directory, tally):
    path, script = os.path.join(directory, "x.stint"), os.path.join(directory, "frames.py")
    with open(script, "w", encoding="utf-8") as file:
        file.write(compare.GDB_SCRIPT)
    with start_recorder(root, path) as recorder:
        time.sleep(0.4)
        stopped = stop(chosen(root, load.comms)[:3])
        recorder.wait()
    try:
        if recorder.returncode:
            return
        last = compare.recorded(path, OPEN_AT_END)
        for pid in stopped:
            maps = compare.Maps(pid)
            theirs = {"eu-stack": compare.eu_stacks(pid, maps), "gdb": compare.gdb_stacks(pid, maps, script)}
            for tid in map(int, os.listdir(f"/proc/{pid}/task")):
                for stacks in last[tid].values():
                    for end, frames in stacks:
                        if frames:
                            tally.add(end, list(frames), {name: of[tid] for name, of in theirs.items()})
    finally:
        for pid in stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def run(options, name):
    load, tally = workloads.WORKLOADS[name], Tally(name.startswith("go"))
    absent = [need for need in load.needs if not shutil.which(need)]
    if absent:
        print(f"| {name} | not compared: {', '.join(absent)} isn't installed |", flush=True)
        return True
    with tempfile.TemporaryDirectory(prefix="stint-load-") as directory:
        place = workloads.Place(directory)
        try:
            root = load.start(place).pid
            time.sleep(0.5)
            for _ in range(options.rounds):
                one_round(load, root, directory, tally)
        finally:
            place.end()
    columns = [tally.by[key] for key in ("both", "eu-stack", "gdb", "neither")]
    print(f"| {name} | {sum(columns)} | {' | '.join(map(str, columns))} | {tally.by['cut short']} |", flush=True)
    for frames, of in tally.differ if options.verbose else []:
        print(f"stint:\n{compare.show(frames)}\n" +
              "\n".join(f"{tool}:\n{compare.show(theirs)}" for tool, theirs in of.items()))
    return tally.by["neither"] == 0 and tally.by["both"] > 0


def main():
    parser = argparse.ArgumentParser(description="Compares user stacks of real programs with eu-stack's and gdb's.")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--verbose", action="store_true", help="print the stacks about which they differ")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(workloads.WORKLOADS)}")
    options = parser.parse_args()
    unknown = set(options.workloads) - set(workloads.WORKLOADS)
    if unknown:
        parser.error(f"no workload is named {', '.join(sorted(unknown))}")
    columns = ["program", "stacks", "as both", "as eu-stack only", "as gdb only", "as neither", "of them cut short"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    # The others have nothing to unwind stripped Go by.
    usual = [name for name in workloads.WORKLOADS if name != "go-stripped"]
    results = [run(options, name) for name in options.workloads or usual]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
