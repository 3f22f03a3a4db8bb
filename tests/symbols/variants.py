#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every kind of debug information against addr2line, llvm-symbolizer and gdb, and moved against plain.

Usage: variants.py [-n N] [-v] [--tool PATH] [--only REGEX] [--keep DIR]
Builds a library of C (stint's own base/ and format/), a C++, a Rust and a Go program in every variant, takes N seeded
addresses of each (1,000), and prints a table: where two of the three agree, stint must agree with them. Then moves the
debug information about (compressed, split off, shared, packed) and asks for every address of the code: the answers
must be those of the plain twin. Exit status: 0 all do, 1 some don't. docs/symbols-compared.md has the last table.
"""
import argparse
import bisect
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MAX_SECONDS = 600  # of one outside tool: llvm-dwp 14 never ends on gcc's DWARF 5

COMPILED = {  # variant: (compiler for C, for C++, flags)
    "gcc, DWARF 5": ("gcc", "g++", "-O2 -g -gdwarf-5"),
    "gcc, DWARF 4": ("gcc", "g++", "-O2 -g -gdwarf-4"),
    "gcc, -g1": ("gcc", "g++", "-O2 -g1"),
    "gcc, -O0": ("gcc", "g++", "-O0 -g"),
    "gcc, LTO": ("gcc", "g++", "-O3 -g -flto"),
    "gcc, type units (DWARF 4)": ("gcc", "g++", "-O2 -gdwarf-4 -fdebug-types-section"),
    "gcc, type units (DWARF 5)": ("gcc", "g++", "-O2 -gdwarf-5 -fdebug-types-section"),
    "gcc, one section a function": ("gcc", "g++", "-O2 -g -ffunction-sections -fdata-sections -Wl,--gc-sections"),
    "gcc, split DWARF 5": ("gcc", "g++", "-O2 -gdwarf-5 -gsplit-dwarf"),
    "gcc, split DWARF 4": ("gcc", "g++", "-O2 -gdwarf-4 -gsplit-dwarf"),
    "clang, DWARF 5": ("clang-14", "clang++-14", "-O2 -g -gdwarf-5"),
    "clang, DWARF 4": ("clang-14", "clang++-14", "-O2 -g -gdwarf-4"),
    "clang, -g1": ("clang-14", "clang++-14", "-O2 -g1"),
    "clang, LTO (lld)": ("clang-14", "clang++-14", "-O2 -g -flto -fuse-ld=lld-14"),
    "clang, folded functions (lld)": ("clang-14", "clang++-14",
                                      "-O2 -g -ffunction-sections -fuse-ld=lld-14 -Wl,--icf=all"),
    "clang, split DWARF 5": ("clang-14", "clang++-14", "-O2 -gdwarf-5 -gsplit-dwarf"),
}
LIBRARY = sorted(glob.glob(f"{ROOT}/base/*.c") + glob.glob(f"{ROOT}/format/*.c"))


class Failed(Exception):
    pass


def sh(command, cwd):
    with subprocess.Popen(command, shell=isinstance(command, str), cwd=cwd, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            _, said = child.communicate(timeout=MAX_SECONDS)
        except subprocess.TimeoutExpired as error:
            os.killpg(child.pid, signal.SIGKILL)  # its own session: the shell and what it started
            raise Failed(f"{command}: not done after {MAX_SECONDS} s") from error
    if child.returncode:
        raise Failed(f"{command}: {said.strip()[-200:]}")


def go_name(name):
    """As Go's own table has it: no ABI at the end, and nothing said of what is between brackets."""
    return re.sub(r"\[.*\]", "[...]", re.sub(r"\.abi(0|internal)$", "", name))


def build_c(where, variant):
    cc, _, flags = COMPILED[variant]
    command = f"{cc} {flags} -std=c11 -D_GNU_SOURCE -DSTINT_VERSION='\"0\"' -I{ROOT} -fPIC"
    for source in LIBRARY:
        sh(f"{command} -c {source} -o {os.path.basename(os.path.dirname(source))}_{os.path.basename(source)[:-2]}.o",
           where)
    sh(f"{command} -shared -o library.so *.o -lzstd -lxxhash", where)
    return f"{where}/library.so"


def build_cc(where, variant):
    _, cxx, flags = COMPILED[variant]
    sh(f"{cxx} {flags} -c {HERE}/deep.cc -o deep.o && {cxx} {flags} deep.o -o deep", where)
    return f"{where}/deep"


def build_rust(where, version):
    sh(f"rustc -C opt-level=2 -C debuginfo=2 -C symbol-mangling-version={version} {HERE}/plain.rs -o rust 2>&1 || "
       f"RUSTC_BOOTSTRAP=1 rustc -C opt-level=2 -C debuginfo=2 -Zunstable-options "
       f"-C symbol-mangling-version={version} {HERE}/plain.rs -o rust", where)
    return f"{where}/rust"


def build_go(where, flags):
    sh(f"GOCACHE={where}/cache GO111MODULE=off go build {flags} -o go {HERE}/plain.go", where)
    return f"{where}/go"


def all_addresses(path):
    """Every byte of every function: what moving debug information about must not change."""
    seen = set()
    for start, size in compare.functions(path):
        seen.update(range(start, start + size))
    return sorted(seen)


def answers(tool, args, path, addrs):
    return compare.run([tool, "-m", "none", *args, path], addrs)


# Each takes the plain file and an empty directory; returns (arguments, file) to ask.
def compressed(form):
    def move(plain, where):
        out = f"{where}/{os.path.basename(plain)}"
        sh(["objcopy", f"--compress-debug-sections={form}", plain, out], where)
        return [], out
    return move


def debug_link(plain, where):
    out = f"{where}/{os.path.basename(plain)}"
    sh(f"objcopy --only-keep-debug {plain} {out}.debug && strip -s -o {out} {plain} && "
       f"objcopy --add-gnu-debuglink={out}.debug {out}", where)
    return [], out


def build_id_tree(plain, where):
    out = f"{where}/{os.path.basename(plain)}"
    notes = subprocess.run(["readelf", "-n", plain], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
    tree = f"{where}/tree/.build-id/{found[:2]}"
    os.makedirs(tree)
    sh(f"objcopy --only-keep-debug {plain} {tree}/{found[2:]}.debug && strip -s -o {out} {plain}", where)
    return ["-s", f"{where}/tree"], out


def dwz_shared(plain, where):
    out = f"{where}/{os.path.basename(plain)}"
    shutil.copy(plain, out)
    shutil.copy(plain, f"{where}/other")
    sh(f"dwz -m {where}/shared -M {where}/shared {out} {where}/other", where)
    if b"gnu_debugaltlink" not in open(out, "rb").read():
        raise Failed("dwz found nothing to share")
    return [], out


def dwz_alone(plain, where):
    out = f"{where}/{os.path.basename(plain)}"
    sh(["dwz", "-o", out, plain], where)
    return [], out


def package(command):
    def move(plain, where):
        out = f"{where}/{os.path.basename(plain)}"
        shutil.copy(plain, out)
        hidden = glob.glob(f"{os.path.dirname(plain)}/*.dwo")
        sh(f"{command} -e {plain} -o {out}.dwp", os.path.dirname(plain))
        for dwo in hidden:
            os.rename(dwo, dwo + ".away")
        return [], out
    return move


MOVED = {  # name: (the plain twin's variant, how)
    "zlib": ("gcc, DWARF 5", compressed("zlib")),
    "zlib, the old .zdebug form": ("gcc, DWARF 5", compressed("zlib-gnu")),
    "zstd": ("gcc, DWARF 5", compressed("zstd")),
    ".gnu_debuglink": ("gcc, DWARF 5", debug_link),
    ".build-id tree": ("gcc, DWARF 5", build_id_tree),
    "dwz, one file": ("gcc, DWARF 5", dwz_alone),
    "dwz, a shared file": ("gcc, DWARF 5", dwz_shared),
    "dwz, a shared file, DWARF 4": ("gcc, DWARF 4", dwz_shared),
    "clang, zstd": ("clang, DWARF 5", compressed("zstd")),
    "clang, .build-id tree": ("clang, DWARF 5", build_id_tree),
    "package of DWARF 4 (.dwp)": ("gcc, split DWARF 4", package("dwp")),  # llvm-dwp 14 hangs on gcc's DWARF 5
    "clang, package of DWARF 5 (.dwp)": ("clang, split DWARF 5", package("llvm-dwp-14")),
}


def mini_debug_info(plain, where):
    """Names only, as of the symbol table: the twin is the plain file without lines."""
    out = f"{where}/{os.path.basename(plain)}"
    sh(f"nm -D {plain} --format=posix --defined-only | awk '{{print $1}}' | sort >dynamic && "
       f"nm {plain} --format=posix --defined-only | awk '$2 ~ /[TtDW]/ {{print $1}}' | sort >all && "
       f"comm -13 dynamic all >keep && objcopy --only-keep-debug {plain} debug && "
       f"objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols=keep debug mini && "
       f"strip -s -o {out} {plain} && xz -f mini && objcopy --add-section .gnu_debugdata=mini.xz {out}", where)
    return ["-n"], out


class Run:
    def __init__(self, options, directory):
        self.options, self.directory, self.failed, self.plain = options, directory, False, {}

    def place(self, *parts):
        path = os.path.join(self.directory, re.sub(r"[^A-Za-z0-9]+", "_", "-".join(parts)))
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def wanted(self, name):
        return re.search(self.options.only, name)

    def show(self, text):
        print(text, flush=True)

    def against(self, name, path):
        o = self.options
        addrs = compare.pick(path, o.n, 1)
        verdicts = compare.judge(addrs, compare.ask_all(path, addrs), compare.ask_stint(o.tool, [], path, addrs))
        cells = "".join(f" {v.agreed} | {v.matched} |" for v in verdicts.values())
        self.show(f"| {name} | {len(addrs)} |{cells}")
        for what, v in verdicts.items():
            self.failed |= v.agreed != v.matched
            for addr, mine, views in v.differ if o.verbose else []:
                self.show(f"    {what} at {addr:#x}: stint {mine}, {views}")

    def compare_all(self):
        jobs = [(f"{what}, {variant}", build, variant) for variant in COMPILED
                for what, build in (("C", build_c), ("C++", build_cc))]
        jobs += [(f"Rust, {v} names", build_rust, v) for v in ("legacy", "v0")]
        jobs += [("Go", build_go, ""), ("Go, position-independent", build_go, "-buildmode=pie")]
        self.show("| | addresses | functions: two of three agree | stint with them | lines: two of three agree "
                  "| stint with them |\n|---|--:|--:|--:|--:|--:|")
        for name, build, variant in jobs:
            if not self.wanted(name):
                continue
            try:
                path = self.plain[name] = build(self.place(name), variant)
                self.against(name, path)
            except Failed as e:
                self.show(f"| {name} | not here: {e} | | | | |")

    def same(self, name, plain, how, twin_args=()):
        o = self.options
        addrs = all_addresses(plain)
        before = answers(o.tool, [*twin_args], plain, addrs)
        try:
            args, moved = how(plain, self.place("moved", name))
            after = answers(o.tool, args, moved, addrs)
        except Failed as e:
            self.show(f"| {name} | not here: {e} | |")
            return
        finally:
            for dwo in glob.glob(f"{os.path.dirname(plain)}/*.dwo.away"):
                os.rename(dwo, dwo[:-len(".away")])
        old, new = (compare.parse_pairs(text, addrs) for text in (before, after))
        equal = sum(x == y for x, y in zip(old, new))
        self.failed |= equal != len(addrs)
        self.show(f"| {name} | {len(addrs)} | {equal} |")
        for addr, x, y in zip(addrs, old, new):
            if x != y and o.verbose:
                self.show(f"    {addr:#x}: plain {x}, moved {y}")
                break

    def move_all(self):
        self.show("\n| moved | addresses | answers equal to the plain twin's |\n|---|--:|--:|")
        for name, (twin, how) in MOVED.items():
            for what in ("C", "C++"):
                plain = self.plain.get(f"{what}, {twin}")
                if plain:
                    self.same(f"{what}, {name}", plain, how)
        for what in ("C", "C++"):
            plain = self.plain.get(f"{what}, gcc, DWARF 5")
            if plain:
                self.same(f"{what}, .gnu_debugdata (names only)", plain, mini_debug_info, ("-n",))

    def check_go(self):
        """Go's own table against Go's own tool: a stripped program has the functions of an unstripped one."""
        plain = self.plain.get("Go")
        if not plain:
            return
        out = subprocess.run(["go", "tool", "nm", "-size", plain], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 3) for line in out.splitlines()]
        symbols = sorted((int(r[0], 16), int(r[1]), r[3]) for r in rows if len(r) == 4 and r[2] in "tT")
        starts = [s[0] for s in symbols]
        addrs = compare.pick(plain, 10 * self.options.n, 2)
        lines = compare.run(["go", "tool", "addr2line", plain], addrs).splitlines()
        theirs = list(zip(lines[0::2], (compare.clean_place(x) for x in lines[1::2])))
        stripped = f"{self.place('go stripped')}/go"
        sh(["strip", "-s", "-o", stripped, plain], self.directory)
        ours = compare.ask_stint(self.options.tool, [], stripped, addrs)
        full = compare.ask_stint(self.options.tool, [], plain, addrs)
        wanted = [symbols[bisect.bisect_right(starts, a) - 1][2] for a in addrs]
        same = [bool(o) and go_name(o[-1][0]) == go_name(want) for o, want in zip(ours, wanted)]
        named = sum(same)
        placed = sum(bool(o) and o[0][1] == place for o, (_, place) in zip(full, theirs))
        self.failed |= named != len(addrs) or placed != len(addrs)
        self.show(f"\nGo: of {len(addrs)} addresses, a stripped program's functions are those of `go tool nm` at "
                  f"{named}, the plain program's lines those of `go tool addr2line` at {placed}.")
        for a, o, want, equal in zip(addrs, ours, wanted, same):
            if self.options.verbose and not equal:
                self.show(f"    {a:#x}: stint {o}, go {want}")
        for a, f, t in zip(addrs, full, theirs):
            if self.options.verbose and (not f or f[0][1] != t[1]):
                self.show(f"    {a:#x}: stint {f}, go {t}")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("-n", type=int, default=1000)
    ap.add_argument("-v", "--verbose", action="store_true")
    ap.add_argument("--only", default="", help="variants by a regular expression; moved ones need their plain twin")
    ap.add_argument("--keep", help="build there, and leave what was built")
    ap.add_argument("--tool", default=os.path.join(os.environ.get("STINT_BUILD", "build"), "tools/symbolize"))
    options = ap.parse_args()
    options.tool = os.path.abspath(options.tool)
    with tempfile.TemporaryDirectory() as temporary:
        run = Run(options, os.path.abspath(options.keep or temporary))
        run.compare_all()
        run.move_all()
        run.check_go()
    sys.exit(run.failed)


if __name__ == "__main__":
    main()
