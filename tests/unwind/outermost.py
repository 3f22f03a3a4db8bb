# SPDX-License-Identifier: MIT
"""Tells whether an address is where a thread's outermost frame is, from the ELF file alone: by its entry point and by
the symbols that start threads. Nothing of stint's takes part in it."""

import os
import re
import subprocess

# Where threads start: the C libraries', Go's, and those of programs that a signal or makecontext starts afresh.
STARTS = re.compile(
    r"_start|_dl_start_user|(__)?clone3?|"
    r"runtime\.(clone|goexit|mstart|mcall|morestack|rt0_go|asmcgocall|systemstack)(\.abi0)?|_rt0_amd64(_linux)?")
ENTRY_BYTES = 64  # _start is about 40 bytes long, and calls once


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout


class File:
    """The ranges of file offsets, by name, in which a return address is that of an outermost frame."""

    def __init__(self, path):
        self.ranges = []
        header = readelf("-h", "-l", "-n", path)
        self.loads = [(int(off, 16), int(vaddr, 16), int(size, 16)) for off, vaddr, size in
                      re.findall(r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", header)]
        entry = re.search(r"Entry point address: +(0x\w+)", header)
        if entry and int(entry.group(1), 16):
            self.add(int(entry.group(1), 16), ENTRY_BYTES, "entry point")
        build_id = re.search(r"Build ID: (\w\w)(\w+)", header)
        tables = [path, path + ".debug"]
        if build_id:
            tables.append("/usr/lib/debug/.build-id/{}/{}.debug".format(*build_id.groups()))
        for table in tables:
            if os.path.exists(table):
                self.add_symbols(table)

    def add_symbols(self, path):
        for line in readelf("-s", path).splitlines():
            m = re.match(r" *\d+: (\w+) +(\w+) FUNC +\w+ +\w+ +\d+ (\S+)$", line)
            if m and STARTS.fullmatch(m.group(3).split("@")[0]):
                size = int(m.group(2), 0)
                self.add(int(m.group(1), 16), size or ENTRY_BYTES, m.group(3).split("@")[0])

    def add(self, vaddr, size, name):
        for off, start, length in self.loads:
            if start <= vaddr < start + length:
                self.ranges.append((vaddr - start + off, vaddr - start + off + size, name))

    def name_at(self, off):
        """The name of the start that a return address (or one that was executing) lies in."""
        for start, end, name in self.ranges:
            if start <= off <= end:
                return name
        return None


class Outermost:
    def __init__(self):
        self.files = {}

    def name(self, path, off):
        """None for an address that isn't an outermost frame's, as far as the file can tell."""
        if path not in self.files:
            self.files[path] = File(path) if os.path.isfile(path) else None
        return self.files[path].name_at(off) if self.files[path] else None
