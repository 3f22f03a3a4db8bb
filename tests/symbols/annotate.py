#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Recordings of addresses in a program, and objdump's view of it.

annotate.py describe PROGRAM [--objdump TOOL] [--arch ARCH]
    A description for make_recording of samples and intervals in tests/symbols/annotate.c.
annotate.py every PROGRAM [--objdump TOOL] [--arch ARCH]
    The same with one sample in every function of any program.
annotate.py compare PROGRAM JSON [--objdump TOOL]
    Holds the instructions in the output of stint annotate --format=json against objdump's: the same addresses and
    bytes, the same mnemonics but for suffixes, the same targets.
"""
import argparse
import json
import re
import struct
import subprocess
import sys

INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2,8} )+) *(?:\t(.*))?$")
FUNCTION = re.compile(r"^([0-9a-f]+) <(.*)>:$")


def disassembly(objdump, program):
    """{function: [(address, bytes, text)]}; a function's parts under their own names."""
    out = subprocess.run([objdump, "-d", "--insn-width=16", program], check=True, capture_output=True, text=True).stdout
    functions, current = {}, None
    for line in out.splitlines():
        match = FUNCTION.match(line)
        if match:
            current = functions.setdefault(match.group(2), [])
            continue
        match = INSTRUCTION.match(line)
        if match and current is not None:
            code = match.group(2).replace(" ", "")
            if len(match.group(2).split()[0]) == 8:  # aarch64: words, as numbers
                code = "".join(word[6:8] + word[4:6] + word[2:4] + word[0:2] for word in match.group(2).split())
            current.append((int(match.group(1), 16), code, match.group(3) or ""))
    return functions


class Elf:
    def __init__(self, path):
        self.data = open(path, "rb").read()
        start, = struct.unpack_from("<Q", self.data, 32)
        size, n = struct.unpack_from("<HH", self.data, 54)
        headers = [struct.unpack_from("<IIQQQQQQ", self.data, start + i * size) for i in range(n)]
        self.segments = [(h[2], h[3], h[5]) for h in headers if h[0] == 1]

    def offset(self, addr):
        for off, vaddr, file_size in self.segments:
            if vaddr <= addr < vaddr + file_size:
                return off + addr - vaddr
        raise SystemExit(f"no segment has {addr:#x}")


def build_id(program):
    out = subprocess.run(["readelf", "-n", program], check=True, capture_output=True, text=True).stdout
    hex_id = re.search(r"Build ID: ([0-9a-f]+)", out).group(1)
    return "".join(f"%{hex_id[i:i + 2]}" for i in range(0, len(hex_id), 2))


def preamble(arch, program):
    return [f"meta host here", f"meta arch {arch}", "meta start_ns 1000000000000", "meta end_ns 1001000000000",
            "freq 99", "clock 0 1700000000000000000", "thread MAIN 100 100 program",
            f"module APP file {program} {build_id(program)}", "module KERNEL kernel [kernel]",
            "module JIT anon [anon]"]


class Maker:
    def __init__(self, lines, elf):
        self.lines, self.elf, self.n = lines, elf, 0

    def app(self, addr):
        return f"APP:+{self.elf.offset(addr):#x}"

    def stack(self, *frames):
        self.n += 1
        self.lines.append(f"stack S{self.n} 1 1 " + " ".join(frames))
        return f"S{self.n}"

    def sample(self, weight, *frames):
        stack = self.stack(*frames)
        self.lines.append(f"sample {self.n}us 0 MAIN {stack} {weight}")

    def interval(self, ms, *frames):
        stack = self.stack(*frames)
        self.lines.append(f"offcpu {self.n * 10}ms {self.n * 10 + ms}ms {self.n * 10 + ms}ms - 0 MAIN 1 0 {stack} -")


def behind_calls(functions, name, callee):
    """The return addresses of the calls from one function to another."""
    code = functions[name]
    return [code[i + 1][0] for i in range(len(code) - 1)
            if re.match(r"(call|bl)", code[i][2]) and f"<{callee}>" in code[i][2]]


def find(functions, name, pattern):
    return [addr for addr, _, text in functions[name] if re.match(pattern, text)]


def describe(functions, elf, lines, x86):
    mk = Maker(lines, elf)
    first, second = behind_calls(functions, "caller", "hot")
    inner, = behind_calls(functions, "nested", "nested")
    multiply = find(functions, "hot", r"imul|mul|madd")[0]
    base = mk.app(functions["main"][0][0] + 9)
    mk.sample(90, mk.app(multiply), mk.app(first), base)
    mk.sample(6, mk.app(functions["hot"][0][0]), mk.app(second), base)
    mk.sample(4, mk.app(find(functions, "caller", "ret")[0]), base)
    mk.sample(5, mk.app(functions["nested"][0][0]), mk.app(inner), mk.app(inner), base)
    mk.sample(3, mk.app(find(functions, "outer", r"imul|mul|madd")[0]), base)
    mk.sample(2, mk.app(find(functions, "other", r"imul|mul|madd")[0]), base)
    mk.sample(1, mk.app(functions["divided"][0][0]), base)
    mk.sample(2, mk.app(functions.get("divided.cold", functions["divided"])[0][0]), base)
    mk.sample(7, "k!KERNEL:work", "k!KERNEL:entry", base)
    mk.sample(8, "JIT:generated", base)
    if x86:
        mk.sample(1, mk.app(functions["junk"][-1][0]), base)
        mk.sample(1, mk.app(functions["unsized"][0][0]), base)
        behind = find(functions, "enter", r"syscall")[0] + 2
        mk.sample(11, "k!KERNEL:work", "x!" + mk.app(behind), base)
        mk.interval(4, "k!KERNEL:work", "x!" + mk.app(behind), base)
        mk.interval(2, "x!" + mk.app(behind), mk.app(second), base)
    mk.interval(3, "k!KERNEL:work", mk.app(first), base)


def every(functions, elf, lines):
    mk = Maker(lines, elf)
    for name, code in functions.items():
        if code and (name.startswith("_Z") or not name.startswith("_")):
            mk.sample(1, mk.app(code[0][0]))


# What objdump and capstone call differently.
SAME = {"movabs": "mov", "movabsq": "mov", "movz": "mov", "movs": "mov", "ret": "ret", "retq": "ret", "leave": "leave", "xchg": "nop", "data16": "nop",
        "cltq": "cdqe", "cqto": "cqo", "cltd": "cdq", "cwtl": "cwde", "cmpl": "cmp", "hlt": "hlt"}


def mnemonic(text):
    words = text.split()
    while words and words[0] in ("rep", "repz", "repnz", "lock", "notrack", "bnd", "data16", "cs", "rex.W"):
        words.pop(0)
    return SAME.get(words[0], words[0]) if words else ""


def same_mnemonic(ours, theirs):
    ours, theirs = mnemonic(ours), mnemonic(theirs)
    if ours == theirs or theirs == "(bad)":
        return True
    # AT&T's suffixes: capstone always writes them, objdump where it must.
    return any(a.rstrip("bwlqsxd") == b.rstrip("bwlqsxd") and a[:2] == b[:2] for a, b in [(ours, theirs)])


def compare(functions, document):
    ours = {int(place["address"], 16): place for f in document["functions"] for part in f["parts"]
            for place in part["instructions"] if "bytes" in place}
    theirs = {addr: (code, text) for code_list in functions.values() for addr, code, text in code_list}
    faults, named = [], 0
    for addr, place in sorted(ours.items()):
        if addr not in theirs:
            faults.append(f"{addr:x}: objdump has no instruction there: {place}")
            continue
        code, text = theirs[addr]
        if place["bytes"] != code and not place["data"]:
            faults.append(f"{addr:x}: {place['bytes']}, not {code}")
        elif not place["data"] and not same_mnemonic(place["mnemonic"], text):
            faults.append(f"{addr:x}: '{place['mnemonic']} {place['operands']}', not '{text}'")
        target = re.search(r"(?:^|\s)([0-9a-f]+) <([^>+]*)(\+0x([0-9a-f]+))?>$", text)
        if target and "target" in place and place["target"]["offset"] is not None:
            named += 1
            offset = int(target.group(4) or "0", 16)
            if place["target"]["offset"] != offset and "@" not in target.group(2):
                faults.append(f"{addr:x}: goes to {place['target']}, not {target.group(0)}")
    print(f"{len(ours)} instructions, {named} targets, {len(faults)} faults")
    for fault in faults[:20]:
        print(fault)
    return not faults and len(ours) > 20


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["describe", "every", "compare"])
    parser.add_argument("program")
    parser.add_argument("json", nargs="?")
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("--arch", default="x86_64")
    args = parser.parse_args()
    functions = disassembly(args.objdump, args.program)
    if args.what == "compare":
        return 0 if compare(functions, json.load(open(args.json))) else 1
    lines, elf = preamble(args.arch, args.program), Elf(args.program)
    if args.what == "describe":
        describe(functions, elf, lines, args.arch == "x86_64")
    else:
        every(functions, elf, lines)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
