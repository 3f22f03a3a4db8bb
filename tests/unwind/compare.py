#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares stint's user stacks, frame by frame, with eu-stack's and gdb's of the same sleeping thread.

usage: compare.py [NAME...]      (all cases without a name)

For each case a program sleeps again and again at the bottom of a known stack. The recorder sees it leave the CPU
(walked in the kernel) and finds it asleep (walked from outside); both must name the frames that eu-stack names.
Where eu-stack and gdb disagree, both are shown, and agreeing with one of them counts. Prints TAP.
"""

import collections
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
O3 = "-O3 -fomit-frame-pointer"
MODES = ["alloca", "array", "large", "realigned", "qsort", "tail", "cold", "jump", "signals", "fault", "vfork",
         "thread", "context"]


# glibc's own information claims a caller for what makecontext starts: walks end at an address that isn't code.
ENDS = {"context": 3}


def cases():
    """Yields name, compile commands, argv."""
    for mode in MODES:
        yield f"{mode}", [f"gcc -O2 {HERE}/shapes.c -o {{d}}/o2 -ldl -lpthread"], ["{d}/o2", mode]
    for mode in ["qsort", "realigned", "tail", "cold", "signals"]:
        yield f"{mode}-O3", [f"gcc {O3} -mavx2 {HERE}/shapes.c -o {{d}}/o3 -ldl -lpthread"], ["{d}/o3", mode]
        yield f"{mode}-O0", [f"gcc -O0 {HERE}/shapes.c -o {{d}}/o0 -ldl -lpthread"], ["{d}/o0", mode]
        yield (f"{mode}-clang", [f"clang-14 -O2 -mavx2 {HERE}/shapes.c -o {{d}}/cl -ldl -lpthread"],
               ["{d}/cl", mode])
    for mode in ["qsort", "signals", "thread", "vfork"]:
        yield (f"{mode}-static", [f"gcc -O2 -static -s -DNO_DLOPEN {HERE}/shapes.c -o {{d}}/st -lpthread"],
               ["{d}/st", mode])
        yield (f"{mode}-cet", [f"gcc -O2 -fcf-protection=full {HERE}/shapes.c -o {{d}}/cet -ldl -lpthread"],
               ["{d}/cet", mode])
    yield "qsort-lto", [f"gcc -O2 -flto {HERE}/shapes.c -o {{d}}/lto -ldl -lpthread"], ["{d}/lto", "qsort"]
    yield "alloca-nosections", [f"gcc -O2 {HERE}/shapes.c -o {{d}}/ns -ldl -lpthread",
                                "python3 -c \"import sys;f=open('{d}/ns','r+b');f.seek(40);f.write(bytes(8));"
                                "f.seek(60);f.write(bytes(4))\""], ["{d}/ns", "alloca"]
    yield ("library", [f"gcc -O2 {HERE}/shapes.c -o {{d}}/o2 -ldl -lpthread",
                       f"gcc -O2 -shared -fPIC {HERE}/library.c -o {{d}}/library.so"],
           ["{d}/o2", "library", "{d}/library.so"])
    yield "exceptions", [f"g++ -O2 {HERE}/exceptions.cc -o {{d}}/ex"], ["{d}/ex"]


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


def eu_stack(pid, tid, maps):
    text = subprocess.run(["eu-stack", "-n", "0", "-p", str(pid)], capture_output=True, text=True).stdout
    frames, mine = [], False
    for line in text.splitlines():
        if line.startswith("TID"):
            mine = line.strip() == f"TID {tid}:"
        m = re.match(r"#\d+\s+0x([0-9a-f]+)", line)
        if mine and m:
            frames.append(maps.place(int(m.group(1), 16)))
    return frames


def gdb_stack(pid, tid, maps):
    script = ("import gdb\n"
              f"for t in gdb.selected_inferior().threads():\n"
              f"  if t.ptid[1] == {tid}:\n"
              "    t.switch()\n"
              "    f = gdb.newest_frame()\n"
              "    while f is not None:\n"
              "      if f.type() != gdb.INLINE_FRAME: print('PC', hex(f.pc()))\n"
              "      f = f.older()\n")
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(script)
        file.flush()
        text = subprocess.run(["gdb", "-nx", "-batch", "-p", str(pid), "-ex", "set backtrace past-main on",
                               "-ex", "set backtrace past-entry on", "-x", file.name],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    return [maps.place(int(x, 16)) for x in re.findall(r"^PC 0x([0-9a-f]+)", text, re.M)]


def recorded(path, tid):
    """The stacks of a thread's off-CPU intervals: walked in the kernel, and from outside (open from the start)."""
    tables, events = collections.defaultdict(dict), []
    text = subprocess.run([f"{BUILD}/stint", "dump", path], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        row = json.loads(line)
        if row["table"] == "off-cpu":
            events.append(row)
        elif "id" in row:
            tables[row["table"]][row["id"]] = row
    kernel, outside = collections.Counter(), collections.Counter()
    for event in events:
        if tables["thread"][event["thread"]]["tid"] != tid:
            continue
        stack = tables["stack"][event["stack"]]
        node, skip, frames = stack["leaf"], stack["n_kernel"], []
        while node:
            row = tables["node"][node]
            frame = tables["frame"][row["frame"]]
            module = tables["module"][frame["module"]]
            name = bytes.fromhex(tables["string"][module["path_str"]]["hex"]).decode()
            if skip:
                skip -= 1
            else:
                frames.append((os.path.basename(name), frame["addr"]))
            node = row["parent"]
        (outside if event["flags"] & 1 else kernel)[(stack["user_end"], tuple(frames))] += 1
    return kernel, outside


def threads(pid):
    return sorted(int(t) for t in os.listdir(f"/proc/{pid}/task"))


def show(frames):
    return "\n".join(f"#     {name}+{off:#x}" for name, off in frames)


def run_case(directory, argv):
    """Returns a list of complaints."""
    out = os.path.join(directory, "x.stint")
    proc = subprocess.Popen([a.format(d=directory) for a in argv], stdout=subprocess.PIPE, text=True)
    try:
        proc.stdout.readline()
        time.sleep(0.2)
        subprocess.run([f"{BUILD}/stint-record", "-F", "0", "-p", str(proc.pid), "-d", "0.4", "-o", out],
                       check=True, capture_output=True, text=True)
        maps = Maps(proc.pid)
        bad = []
        for tid in threads(proc.pid):
            oracles = {"eu-stack": eu_stack(proc.pid, tid, maps), "gdb": gdb_stack(proc.pid, tid, maps)}
            kernel, outside = recorded(out, tid)
            for where, stacks in (("in the kernel", kernel), ("from outside", outside)):
                if not stacks:
                    continue
                (end, frames), _ = stacks.most_common(1)[0]
                agree = [name for name, theirs in oracles.items() if list(frames) == theirs]
                if not agree or end != ENDS.get(argv[1] if len(argv) > 1 else "", 1):
                    bad.append(f"walked {where}, end {end}:\n{show(frames)}\n" + "\n".join(
                        f"#   {name}:\n{show(theirs)}" for name, theirs in oracles.items()))
                elif len(agree) < len(oracles):
                    print(f"# {where}: only {agree[0]} agrees ({len(frames)} frames)")
            if not kernel and not outside:
                bad.append(f"thread {tid} has no stack")
        return bad
    finally:
        os.kill(proc.pid, signal.SIGKILL)
        proc.wait()


def main():
    wanted = sys.argv[1:]
    chosen = [c for c in cases() if not wanted or c[0] in wanted]
    failed = 0
    print(f"1..{len(chosen)}")
    with tempfile.TemporaryDirectory() as directory:
        for number, (name, commands, argv) in enumerate(chosen, 1):
            commands = [c.replace("{d}", directory) for c in commands]
            if any(subprocess.run(c, shell=True, capture_output=True).returncode for c in commands):
                print(f"ok {number} {name} # skip it can't be compiled here")
                continue
            bad = run_case(directory, argv)
            print(f"{'not ok' if bad else 'ok'} {number} {name}", flush=True)
            for text in bad:
                print(f"# {text}")
            failed += bool(bad)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
