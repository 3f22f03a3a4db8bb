#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Hostile ELF files: small real ones in every form of debug information, damaged in ways that depend on a seed alone.

Usage: mutate_elf.py build DIR            the seeds, from tiny.c: each in a directory of its own with what it refers to
       mutate_elf.py mutate DIR OUT N [FIRST]    N mutants of each seed, numbered from FIRST (1)
       mutate_elf.py keep OUT             testdata/elf as it was made: two mutants of each seed, and hand-made ones
A mutant is a directory as well; its "program" is the file to ask for.
"""
import os
import random
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LINK = "-nostdlib -static -Wl,--build-id -Wl,-z,noseparate-code -Wl,-z,norelro"
SEEDS = {  # name: shell commands in an empty directory with tiny.c
    "gcc4": f"gcc -O2 -gdwarf-4 {LINK} tiny.c -o program",
    "gcc5": f"gcc -O2 -gdwarf-5 {LINK} tiny.c -o program",
    "types": f"gcc -O2 -gdwarf-4 -fdebug-types-section {LINK} tiny.c -o program",
    "clang5": f"clang-14 -O2 -gdwarf-5 {LINK} tiny.c -o program",
    "lto": f"gcc -O2 -g -flto {LINK} tiny.c -o program",
    "split4": f"gcc -O2 -gdwarf-4 -gsplit-dwarf {LINK} tiny.c -o program",
    "split5": f"gcc -O2 -gdwarf-5 -gsplit-dwarf {LINK} tiny.c -o program",
    "package4": f"gcc -O2 -gdwarf-4 -gsplit-dwarf {LINK} tiny.c -o program && dwp -e program -o program.dwp && rm *.dwo",
    "package5": f"clang-14 -O2 -gdwarf-5 -gsplit-dwarf {LINK} -c tiny.c -o tiny.o && clang-14 {LINK} tiny.o -o program && "
                "llvm-dwp-14 -e program -o program.dwp && rm *.o *.dwo",
    "zlib": f"gcc -O2 -g -gz=zlib {LINK} tiny.c -o program",
    "zstd": f"gcc -O2 -g {LINK} tiny.c -o program && objcopy --compress-debug-sections=zstd program",
    "link": f"gcc -O2 -g {LINK} tiny.c -o program && objcopy --only-keep-debug program program.debug && "
            "strip -s program && objcopy --add-gnu-debuglink=program.debug program",
    "mini": f"gcc -O2 {LINK} tiny.c -o program && cp program mini && xz mini && strip -s program && "
            "objcopy --add-section .gnu_debugdata=mini.xz program && rm mini.xz",
    "dwz": f"gcc -O2 -g {LINK} tiny.c -o program && cp program other && "
           "dwz -L none -l none -m shared -M shared program other 2>/dev/null && rm other",
}
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF]


def build(directory):
    for name, commands in SEEDS.items():
        where = os.path.join(directory, name)
        os.makedirs(where)
        shutil.copy(f"{HERE}/tiny.c", where)
        done = subprocess.run(commands, shell=True, cwd=where, capture_output=True, text=True, check=False,
                              timeout=120)
        os.remove(f"{where}/tiny.c")
        if done.returncode:
            print(f"{name} is left out: {done.stderr.strip()[-120:]}", file=sys.stderr)
            shutil.rmtree(where)


def sections(data):
    """(name, offset, size) of each section that has bytes."""
    if data[:4] != b"\x7fELF" or data[4] != 2:
        return []
    table, = struct.unpack_from("<Q", data, 40)
    entry, count, names = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQ", data, table + i * entry) for i in range(count)]
    strings = heads[names][4]
    return [(data[strings + h[0]:data.index(b"\0", strings + h[0])].decode(), h[4], h[5])
            for h in heads if h[1] != 8 and h[5]] + [("headers", table, entry * count), ("start", 0, 64 + 56 * 8)]


def is_wanted(name):
    return name in ("headers", "start", ".symtab", ".strtab", ".gnu_debugdata", ".gnu_debuglink", ".gnu_debugaltlink") \
        or name.startswith((".debug", ".zdebug"))


def hit(data, rng, off, size):
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(EXTREMES) if rng.random() < 0.5 else rng.getrandbits(64)
    at = off + rng.randrange(min(size, 256) if rng.random() < 0.5 else size)
    for i in range(min(width, len(data) - at)):
        data[at + i] = value >> (8 * i) & 0xFF


def damage(data, rng):
    data = bytearray(data)
    parts = [p for p in sections(data) if is_wanted(p[0])] or [("all", 0, len(data))]
    kind = rng.randrange(8)
    if kind == 0:
        return bytes(data[:rng.randrange(len(data))])
    if kind == 1:  # one part over another: references that lead astray, tables that contain themselves
        (_, to, size), (_, at, length) = rng.choice(parts), rng.choice(parts)
        part = data[at:at + length][:size]
        data[to:to + len(part)] = part
    for _ in range(rng.randint(1, 24)):
        _, off, size = rng.choice(parts)
        hit(data, rng, off, size)
    return bytes(data)


def mutate(directory, out, n, first=1):
    for name in sorted(os.listdir(directory)):
        for number in range(first, first + n):
            rng = random.Random(f"{name} {number}")
            where = os.path.join(out, f"{name}-{number}")
            shutil.copytree(os.path.join(directory, name), where)
            files = sorted(os.listdir(where))
            for file in files if rng.random() < 0.3 else [rng.choice(files)]:
                path = os.path.join(where, file)
                with open(path, "rb") as f:
                    data = f.read()
                with open(path, "wb") as f:
                    f.write(damage(data, rng))


def patch(path, find, offset, value):
    """Writes value at an offset in the section that is called find."""
    with open(path, "r+b") as f:
        data = bytearray(f.read())
        at = next(off for name, off, _ in sections(data) if name == find) + offset
        data[at:at + len(value)] = value
        f.seek(0)
        f.write(data)


def hand_made(seeds, out):
    """What chance doesn't find: claims of absurd sizes, and entries that refer to themselves."""
    def copy(seed, name):
        shutil.copytree(os.path.join(seeds, seed), os.path.join(out, name))
        return os.path.join(out, name, "program")

    patch(copy("zstd", "huge-zstd"), ".debug_info", 8, struct.pack("<Q", 1 << 40))
    patch(copy("zlib", "huge-zlib"), ".debug_info", 8, struct.pack("<Q", 1 << 33))
    patch(copy("gcc5", "endless-abbreviations"), ".debug_abbrev", 0, b"\x01\x11\x01" + b"\x03\x08" * 40)
    patch(copy("gcc5", "long-unit"), ".debug_info", 0, b"\xff\xff\xff\xff" + b"\xf0" * 8)
    patch(copy("gcc5", "long-lines"), ".debug_line", 0, b"\xff\xff\xff\x7f")
    patch(copy("gcc4", "no-opcodes"), ".debug_line", 10, b"\x01\x01\x01\x00\x00\x00")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "build":
        build(sys.argv[2])
    elif len(sys.argv) in (5, 6) and sys.argv[1] == "mutate":
        mutate(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
    elif len(sys.argv) == 3 and sys.argv[1] == "keep":
        seeds = os.path.join(sys.argv[2], "seeds")
        build(seeds)
        mutate(seeds, sys.argv[2], 2)
        hand_made(seeds, sys.argv[2])
        shutil.rmtree(seeds)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
