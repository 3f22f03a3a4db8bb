#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares stint's user stacks, frame by frame, with eu-stack's and gdb's of the same sleeping thread.

usage: compare.py [--dump] [GROUP|CASE...]      (all cases without a name)

For each case a program sleeps again and again at the bottom of a known stack. The recorder sees it leave the CPU
(walked in the kernel) and finds it asleep (walked from outside); both must name the frames that eu-stack and gdb
name, and must have ended at the outermost one. With --dump stacks are copied (--unwind=dump) and unwound by stint pack.
DISSENT lists where the two differ, and why. Prints TAP.
"""

import collections
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("STINT_BUILD", os.path.join(HERE, "..", "..", "build")))
COMPLETE, DEPTH, WINDOW = 1, 2, 9  # STINT_USER_... in format/rows.h
DUMP = "--dump" in sys.argv
OPEN_AT_START = 1  # flag of an interval that began before the recording

Case = collections.namedtuple("Case", "group name commands argv")

# What is copied ends with the copy: frames of many kilobytes, and a second stack, are not in it.
CUT = {"large", "signals"}

# Where gdb needn't agree.
DISSENT = {
    "context": "gdb goes on past what makecontext started, and makes up frames",
    "alloca-nosections": "gdb looks for .eh_frame by the names of sections",
    "vfork": "the parent can't be stopped before its child ends, and then it goes on once",
}

BUILDS = {
    "O2": "gcc -O2 {here}/shapes.c -o {d}/O2 -ldl -lpthread",
    "O3": "gcc -O3 -fomit-frame-pointer {avx2} {here}/shapes.c -o {d}/O3 -ldl -lpthread",
    "O0": "gcc -O0 {here}/shapes.c -o {d}/O0 -ldl -lpthread",
    "clang": "clang-14 -O2 -Wno-unknown-attributes {avx2} {here}/shapes.c -o {d}/clang -ldl -lpthread",
    "static": "gcc -O2 -static -s -DNO_DLOPEN {here}/shapes.c -o {d}/static -lpthread",
    "cet": "gcc -O2 -fcf-protection=full {here}/shapes.c -o {d}/cet -ldl -lpthread",
    "lto": "gcc -O2 -flto {here}/shapes.c -o {d}/lto -ldl -lpthread",
}

# Takes the section table from an ELF file: e_shoff and e_shnum with e_shstrndx.
NO_SECTIONS = ("import sys; f = open(sys.argv[1], 'r+b'); f.seek(40); f.write(bytes(8)); f.seek(60); f.write(bytes(4))")


def cases():
    def shape(group, build, mode, name=None):
        return Case(group, name or f"{mode}-{build}", [BUILDS[build]], [f"{{d}}/{build}", mode])

    for mode in ["alloca", "array", "large", "realigned", "qsort", "tail", "cold", "jump"]:
        yield shape("frames", "O2", mode, mode)
    for mode in ["signals", "fault"]:
        yield shape("signals", "O2", mode, mode)
    for mode in ["vfork", "thread", "context"]:
        yield shape("starts", "O2", mode, mode)
    for build in ["O3", "O0", "clang"]:
        for mode in ["qsort", "realigned", "tail", "cold", "signals"]:
            yield shape(build, build, mode)
    for build in ["static", "cet"]:
        for mode in ["qsort", "signals", "thread", "vfork"]:
            yield shape(build, build, mode)
    yield shape("static", "static", "context")
    yield shape("files", "lto", "qsort")
    yield Case("files", "alloca-nosections",
               [BUILDS["O2"].replace("{d}/O2", "{d}/ns"), f"python3 -c \"{NO_SECTIONS}\" {{d}}/ns"],
               ["{d}/ns", "alloca"])
    yield Case("files", "library",
               [BUILDS["O2"], "gcc -O2 -shared -fPIC {here}/library.c -o {d}/library.so"],
               ["{d}/O2", "library", "{d}/library.so"])
    yield Case("files", "lazy", ["gcc -O2 -shared -fPIC -DLIBRARY {here}/lazy.c -o {d}/liblazy.so",
                                 "gcc -O2 -Wl,-z,lazy {here}/lazy.c -o {d}/lazy -L{d} -llazy -Wl,-rpath,{d}"],
               ["{d}/lazy"])
    yield Case("files", "exceptions", ["g++ -O2 {here}/exceptions.cc -o {d}/exceptions"], ["{d}/exceptions"])


class Maps:
    """Addresses of a process as file and offset."""

    def __init__(self, pid):
        self.ranges = []
        for line in open(f"/proc/{pid}/maps", encoding="utf-8"):
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ \d+ *(.*)", line)
            start, end, _, off, path = m.groups()
            self.ranges.append((int(start, 16), int(end, 16), int(off, 16), path))

    def place(self, addr):
        for start, end, off, path in self.ranges:
            if start <= addr < end:
                return os.path.basename(path), addr - start + off
        return "?", addr


def wait_until_traced(pid):
    for _ in range(200):
        try:
            if not re.search(r"^TracerPid:\t0$", open(f"/proc/{pid}/status", encoding="utf-8").read(), re.M):
                return
        except OSError:
            return
        time.sleep(0.005)


def eu_stacks(pid, maps, when_traced=None):
    """A list of frames for each thread. Calls when_traced once the process is being looked at."""
    with subprocess.Popen(["eu-stack", "-n", "0", "-p", str(pid)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as tool:
        if when_traced:
            wait_until_traced(pid)
            when_traced()
        text = tool.stdout.read()
    stacks, tid = collections.defaultdict(list), None
    for line in text.splitlines():
        if m := re.match(r"TID (\d+):", line):
            tid = int(m.group(1))
        elif m := re.match(r"#\d+\s+0x([0-9a-f]+)", line):
            stacks[tid].append(maps.place(int(m.group(1), 16)))
    return stacks


# Inlined functions and the callers that gdb infers from tail calls have no frame on the stack.
GDB_SCRIPT = """
import gdb
for thread in gdb.selected_inferior().threads():
    thread.switch()
    print('TID', thread.ptid[1])
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            print('PC', hex(frame.pc()))
        frame = frame.older()
"""


def gdb_stacks(pid, maps, script):
    text = subprocess.run(["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-p", str(pid),
                           "-ex", "set backtrace past-main on", "-ex", "set backtrace past-entry on", "-x", script],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          stdin=subprocess.DEVNULL).stdout
    stacks, tid = collections.defaultdict(list), None
    for kind, value in re.findall(r"^(TID|PC) (\w+)$", text, re.M):
        if kind == "TID":
            tid = int(value)
        else:
            stacks[tid].append(maps.place(int(value, 16)))
    return stacks


def recorded(path, flag=0):
    """
    By thread, the stacks of its off-CPU intervals: walked in the kernel, and from outside (open from the start). With a
    flag, of the intervals that have it.
    """
    tables, events, unwound = collections.defaultdict(dict), [], []
    text = subprocess.run([f"{BUILD}/stint", "dump", path], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        row = json.loads(line)
        if row["table"] == "off-cpu":
            events.append(row)
        elif row["table"] == "unwound":
            unwound.append(row)
        elif "id" in row:
            tables[row["table"]][row["id"]] = row
    stacks = collections.defaultdict(lambda: {"in the kernel": collections.Counter(),
                                              "from outside": collections.Counter()})
    user_parts = {}  # node of a copied stack's innermost user frame: what it was unwound to
    for row in unwound:
        user_parts[tables["stack"][row["stack"]]["leaf"]] = tables["stack"][row["as_stack"]]
    for event in events:
        if event["flags"] & flag != flag or not event["stack"]:
            continue
        stack = tables["stack"][event["stack"]]
        node, skip, frames, end = stack["leaf"], stack["n_kernel"], [], stack["user_end"]
        while node:
            if not skip and not frames and end == WINDOW and node in user_parts:
                end, node = user_parts[node]["user_end"], user_parts[node]["leaf"]
            row = tables["node"][node]
            frame = tables["frame"][row["frame"]]
            name = bytes.fromhex(tables["string"][tables["module"][frame["module"]]["path_str"]]["hex"]).decode()
            if skip:
                skip -= 1
            else:
                frames.append((os.path.basename(name), frame["addr"]))
            node = row["parent"]
        where = "from outside" if event["flags"] & OPEN_AT_START else "in the kernel"
        stacks[tables["thread"][event["thread"]]["tid"]][where][(end, tuple(frames))] += 1
    return stacks


def show(frames):
    return "\n".join(f"#     {name}+{off:#x}" for name, off in frames)


def judge(case, proc, recording, script):
    """The threads of one program; returns complaints, and notes on what was compared."""
    mode = case.name if case.name in DISSENT else case.name.split("-")[0]
    bad, notes = [], []
    maps = Maps(proc.pid)
    tids = sorted(int(t) for t in os.listdir(f"/proc/{proc.pid}/task"))
    # The child of vfork waits for the end of its standard input.
    theirs = {"eu-stack": eu_stacks(proc.pid, maps, proc.stdin.close)}
    if mode != "vfork":
        theirs["gdb"] = gdb_stacks(proc.pid, maps, script)
    seen = set()
    for tid in tids:
        for where, stacks in recording[tid].items():
            if not stacks:
                continue
            (end, frames), _ = stacks.most_common(1)[0]
            cut = DUMP and mode in CUT
            differ = [name for name, of in theirs.items()
                      if list(frames) != (of[tid][:len(frames)] if cut else of[tid])]
            seen.add(where)
            if (differ and not (differ == ["gdb"] and mode in DISSENT)) or \
                    end != (DEPTH if cut else COMPLETE):
                bad.append(f"walked {where}, end {end}:\n{show(frames)}\n" + "\n".join(
                    f"#   {name}:\n{show(of[tid])}" for name, of in theirs.items()))
            agree = [name for name in theirs if name not in differ]
            notes.append(f"{len(frames)} frames walked {where}: as {' and '.join(agree) or 'nobody'}")
        if not any(recording[tid].values()):
            bad.append(f"thread {tid} has no stack")
    if "in the kernel" not in seen and mode != "vfork":  # whose child is another process
        bad.append("no stack was walked in the kernel")
    return bad, notes


def build(directory, command, done):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        avx2 = "-mavx2" if re.search(r"\bavx2\b", file.read()) else ""
    command = command.format(d=directory, here=HERE, avx2=avx2)
    if command not in done:
        subprocess.run(command, shell=True, check=True)
        done.add(command)


def run_group(directory, group):
    """Starts a group's programs, records all of them at once, and yields each case with its verdict."""
    recording, script, done = os.path.join(directory, "x.stint"), os.path.join(directory, "frames.py"), set()
    for case in group:
        for command in case.commands:
            build(directory, command, done)
    with open(script, "w", encoding="utf-8") as file:
        file.write(GDB_SCRIPT)
    procs = []
    try:
        for case in group:
            procs.append(subprocess.Popen([a.format(d=directory) for a in case.argv], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, text=True, start_new_session=True))
            procs[-1].stdout.readline()
        time.sleep(0.2)
        subprocess.run([f"{BUILD}/stint-record", "-F", "0", "-p", ",".join(str(p.pid) for p in procs), "-d", "0.4",
                        "--unwind=dump" if DUMP else "--unwind=auto", "-o", recording], check=True, stderr=subprocess.DEVNULL)
        if DUMP:
            packed = os.path.join(directory, "packed.stint")
            subprocess.run([f"{BUILD}/stint", "pack", recording, "-o", packed], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            recording = packed
        stacks = recorded(recording)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            yield from zip(group, pool.map(lambda x: judge(x[0], x[1], stacks, script), zip(group, procs)))
    finally:
        for proc in procs:
            os.killpg(proc.pid, signal.SIGKILL)
            proc.wait()


def main():
    wanted, known = [word for word in sys.argv[1:] if word != "--dump"], list(cases())
    unknown = set(wanted) - {c.group for c in known} - {c.name for c in known}
    if unknown:
        sys.exit(f"compare.py: no case or group is named {', '.join(sorted(unknown))}")
    chosen = [c for c in known if not wanted or c.name in wanted or c.group in wanted]
    failed = number = 0
    print(f"1..{len(chosen)}")
    for name in dict.fromkeys(c.group for c in chosen):
        with tempfile.TemporaryDirectory() as directory:
            for case, (bad, notes) in run_group(directory, [c for c in chosen if c.group == name]):
                number += 1
                print(f"{'not ok' if bad else 'ok'} {number} {case.name}")
                for text in notes + bad:
                    print(f"# {text}", flush=True)
                failed += bool(bad)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
