#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Holds the packed chains of a recording's kernel frames against addr2line and llvm-symbolizer.
usage: compare.py [-v] STINT RECORDING PACKED VMLINUX MODULE.ko
Every address where the two agree with each other must be the same in stint: functions from the innermost to the
outermost, and their files and lines. Where they don't, stint must agree with one of them or is counted.
"""
import json
import re
import shutil
import subprocess
import sys

KERNEL, KMOD = 2, 3
EXACT = 1


def tables(stint, path):
    found = {}
    dump = subprocess.run([stint, "dump", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in dump.splitlines():
        row = json.loads(line)
        if "table" in row:
            found.setdefault(row["table"], []).append(row)
    return found


def clean(name):
    """Without what only one of the tools shows: clones' suffixes."""
    return re.sub(r"(\.(isra|constprop|part|cold|lto_priv|llvm)(\.\d+)*)+$", "", name)


def place(text):
    path, _, line = text.rpartition(":")
    line = line.split(" ")[0]
    if not line.isdigit() or line == "0" or path in ("??", ""):
        return None
    return re.sub(r"^(/|\./)+", "", re.sub(r"/[^/]+/\.\./", "/", path)).rsplit("/", 1)[-1], int(line)


def addr2line(elf, section, addresses):
    """Chains by address: lists of (function, place), innermost first."""
    command = ["addr2line", "-ifa", "-e", elf] + (["-j", section] if section else [])
    out = subprocess.run(command, input="\n".join("0x%x" % a for a in addresses), stdout=subprocess.PIPE, text=True,
                         check=True).stdout.splitlines()
    chains, at = [], 0
    while at < len(out):
        if re.fullmatch(r"0x[0-9a-f]+", out[at]):
            chains.append([])
            at += 1
            continue
        chains[-1].append((clean(out[at]), place(out[at + 1])))
        at += 2
    return chains


def llvm(elf, addresses):
    tool = shutil.which("llvm-symbolizer-14") or shutil.which("llvm-symbolizer")
    if not tool:
        return None
    out = subprocess.run([tool, "--obj=" + elf, "--output-style=JSON", "--no-demangle"],
                         input="\n".join("0x%x" % a for a in addresses), stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    return [[(clean(level["FunctionName"]), place(f"{level['FileName']}:{level['Line']}"))
             for level in json.loads(line).get("Symbol", [])] for line in out.splitlines() if line]


def text_of(elf):
    out = subprocess.run(["nm", elf], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in out.splitlines():
        if line.endswith(" _text"):
            return int(line.split()[0], 16)
    sys.exit(f"{elf} has no _text")


def main():
    verbose = sys.argv[1] == "-v"
    stint, recording, packed, vmlinux, module = sys.argv[1 + verbose:]
    plain, rows = tables(stint, recording), tables(stint, packed)
    strings = {row["id"]: bytes.fromhex(row["hex"]).decode(errors="replace") for row in rows["string"]}
    modules = {row["id"]: row for row in rows["module"]}
    chains = {}
    for row in rows.get("chain", []):
        chain = chains.setdefault(row["frame"], [])
        if row["level"] == 0:
            chain.clear()
        where = (strings.get(row["file_str"], "").rsplit("/", 1)[-1], row["line"]) if row["line"] else None
        chain.append((clean(strings.get(row["name_str"], "")), where))
    failed = False
    name = module.rsplit("/", 1)[-1].removesuffix(".ko")
    for what, kind, elf, base, section in (("vmlinux", KERNEL, vmlinux, text_of(vmlinux), None),
                                           (name, KMOD, module, 0, ".text")):
        frames = [row for row in plain["frame"] if modules.get(row["module"], {}).get("kind") == kind and
                  (kind == KERNEL or strings.get(modules[row["module"]]["path_str"]) == name)]
        if not frames:
            sys.exit(f"the recording has no frame in {what}")
        addresses = [base + row["addr"] - (0 if row["flags"] & EXACT else 1) for row in frames]
        one, two = addr2line(elf, section, addresses), llvm(elf, addresses)
        agreed = same = alone = inlined = 0
        for i, frame in enumerate(frames):
            mine = chains.get(frame["id"], [])
            other = two[i] if two else one[i]
            inlined += len(mine) > 1
            if one[i] == other:
                agreed += 1
                same += mine == one[i]
                if mine != one[i] and agreed - same <= 5:
                    print(f"{what} 0x{addresses[i]:x}: stint {mine}, both others {one[i]}")
            elif mine not in (one[i], other):
                alone += 1
                if verbose:
                    print(f"{what} 0x{addresses[i]:x}:\n  stint {mine}\n  addr2line {one[i]}\n  llvm {other}")
        print(f"{what}: {len(frames)} addresses, {inlined} with inlined functions; the others agree on {agreed}, stint "
              f"with them on {same}; elsewhere stint is with neither on {alone} of {len(frames) - agreed}")
        failed |= same < agreed * 0.99 or not agreed
    sys.exit(failed)


main()
