#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks the house rules that a tool can check (CONTRIBUTING.md, ARCHITECTURE.md) and prints what breaks them.

Usage: check_source.py [ROOT]. Looks at the files that git tracks, or at every file where ROOT is no git tree.
Exit status: 0 none broken, 1 some broken.
"""
import os
import re
import subprocess
import sys

# Who may include whom: room -> rooms whose headers it may use. tests/ may use everything.
ROOMS = {
    "base": {"base"},
    "format": {"format", "base"},
    "bpf": {"bpf"},
    "record": {"record", "format", "base", "bpf"},
    "analyze": {"analyze", "format", "base"},
}
# What record/ may use of bpf/: the layouts of the ring and of the unwind tables, and nothing else.
BPF_SHARED = {"bpf/event.h", "bpf/unwind_row.h", "bpf/unwind_tables.h"}

# One file owns one library: header -> files that may include it, as patterns. At most one .c file per pattern may match.
OWNERS = {
    r"zstd\.h|zdict\.h|zstd_errors\.h": [r"format/[a-z_]+\.c", r"analyze/(elf|dwarf)_[a-z_]+\.c"],
    r"xxhash\.h": [r"format/[a-z_]+\.c"],
    r"bpf/libbpf\.h|bpf/bpf\.h": [r"record/session\.c", r"record/main\.c"],
    r"stint\.skel\.h": [r"record/session\.c"],
    r"elfutils/libdw(fl)?\.h": [r"analyze/[a-z_]+\.c"],
    r"dwarf\.h": [r"analyze/[a-z_]+\.c", r"record/unwind_[a-z0-9_]+\.c"],
    r"elfutils/debuginfod\.h": [r"analyze/[a-z_]+\.c"],
    r"capstone/capstone\.h|capstone\.h": [r"analyze/[a-z_]+\.c"],
    r"libiberty/demangle\.h|demangle\.h": [r"analyze/[a-z_]+\.c"],
    r"lzma\.h": [r"analyze/[a-z_]+\.c", r"record/unxz\.c"],
    r"argp\.h": [r"base/usage\.[ch]", r"record/(options|main)\.[ch]", r"analyze/[a-z_]+\.[ch]"],
}
MANY_FILES = {r"argp\.h", r"dwarf\.h"}  # no libraries: an interface of libc, and constants

# Files that may print: commands, mains, emitters.
PRINTERS = re.compile(r"(record|analyze)/(main|options[a-z_]*|cmd_[a-z_]+|emit[a-z_]*|[a-z_]*emit|json|csv|text|table[a-z_]*"
                      r"|[a-z_]*_(text|json|csv|html|svg|folded)|progress|usage)\.c$")
PRINTING = re.compile(r"\b(printf|fprintf|vprintf|vfprintf|puts|fputs|putc|fputc|putchar|perror|dprintf|warnx?|errx?|"
                      r"psignal|error)\s*\(")
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|alloca|stpcpy|tmpnam|mktemp|"
                    r"argp_error|argp_failure|argp_usage|argp_state_help)\s*\(")  # argp's are silent with ARGP_NO_ERRS
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")

MAX_LINES = 600
MAX_COLUMNS = 120
CODE = re.compile(r"^(base|format|bpf|record|analyze)/.*\.[ch]$|^tests/.*\.[ch]$")
NEEDS_LICENSE = re.compile(r"(\.([ch]|sh|bash|bats|py)|(^|/)Makefile|^\.ci/run)$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.M)


def tracked_files(root):
    if os.path.exists(os.path.join(root, ".git")):
        out = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True)
        return [p for p in out.stdout.decode().split("\0") if p and os.path.isfile(os.path.join(root, p))]
    return [os.path.relpath(os.path.join(top, name), root) for top, _, names in os.walk(root) for name in names]


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code_only(text):
    """The text with comments and string contents blanked out, lines kept."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Checker:
    def __init__(self, root):
        self.root = root
        self.faults = []
        self.files = {}
        for path in tracked_files(root):
            if CODE.match(path) or NEEDS_LICENSE.search(path):
                with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
                    self.files[path] = f.read()

    def fault(self, path, line, what):
        self.faults.append(f"{path}:{line}: {what}")

    def includes(self, path):
        text = re.sub(r"/\*.*?\*/", blank, self.files[path], flags=re.S)
        for match in INCLUDE.finditer(text):
            yield match.group(1), line_of(text, match.start())

    def check_rooms(self, path):
        room = path.split("/")[0]
        if room not in ROOMS:
            return
        for name, line in self.includes(path):
            other = name.split("/")[0]
            if name not in self.files or other not in ROOMS:
                continue
            if other not in ROOMS[room]:
                self.fault(path, line, f"{room}/ may not include {name}")
            elif room == "record" and other == "bpf" and name not in BPF_SHARED:
                self.fault(path, line, f"of bpf/, record/ may only include {', '.join(sorted(BPF_SHARED))}, not {name}")

    def check_cycles(self):
        graph = {path: [name for name, _ in self.includes(path) if name in self.files]
                 for path in self.files if path.endswith(".h")}
        state = {}

        def visit(path, trail):
            if state.get(path) == "done":
                return
            if state.get(path) == "open":
                self.fault(path, 1, "headers include each other: " + " -> ".join(trail[trail.index(path):] + [path]))
                return
            state[path] = "open"
            for target in graph.get(path, []):
                visit(target, trail + [path])
            state[path] = "done"

        for path in sorted(graph):
            visit(path, [])

    def check_owners(self):
        for header, patterns in OWNERS.items():
            users = {}
            for path in sorted(self.files):
                if path.split("/")[0] not in ROOMS or path.startswith("bpf/"):
                    continue
                for name, line in self.includes(path):
                    if not re.fullmatch(header, name):
                        continue
                    pattern = next((p for p in patterns if re.fullmatch(p, path)), None)
                    if pattern is None:
                        self.fault(path, line, f"may not include {name}")
                    else:
                        users.setdefault(pattern, {}).setdefault(path, line)
            if header in MANY_FILES:
                continue
            for paths in users.values():
                owner, *others = paths
                for path in others:
                    self.fault(path, paths[path], f"a second file that includes {header} beside {owner}")

    def check_text(self, path, text):
        for match in UNFINISHED.finditer(text):
            self.fault(path, line_of(text, match.start()), f"{match.group(0)}: finish it or file it")
        if NEEDS_LICENSE.search(path):
            want = "SPDX-License-Identifier: " + ("GPL-2.0 OR MIT" if path.startswith("bpf/") else "MIT")
            head = "\n".join(text.split("\n")[:2])
            if not re.search(re.escape(want) + r"(\s|$)", head):
                self.fault(path, 1, f"lacks '{want}' in its first two lines")
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                self.fault(path, number, "ends in white space")
            # bash takes a negated command's status for no failure, wherever it isn't the last one.
            if path.endswith(".bats") and re.match(r"\s+! ", line) and "||" not in line:
                self.fault(path, number, "a negated command fails no test: write '! … || false'")
            if CODE.match(path) and len(line.expandtabs(8)) > MAX_COLUMNS:
                self.fault(path, number, f"is {len(line.expandtabs(8))} columns wide, over {MAX_COLUMNS}")
        if not text.endswith("\n"):
            self.fault(path, text.count("\n") + 1, "lacks a newline at its end")

    def check_code(self, path, text):
        code = code_only(text)
        for match in BANNED.finditer(code):
            self.fault(path, line_of(code, match.start()), f"{match.group(1)}() is banned")
        if path.split("/")[0] in ("base", "format", "record", "analyze") and not PRINTERS.match(path):
            for match in PRINTING.finditer(code):
                self.fault(path, line_of(code, match.start()),
                           f"{match.group(1)}(): only commands, mains and emitters print")
        if not path.startswith("tests/") and text.count("\n") > MAX_LINES:
            self.fault(path, MAX_LINES, f"has {text.count(chr(10))} lines, over {MAX_LINES}: split it")
        if path.endswith(".h") and not re.search(r"#ifndef (\w+)\n#define \1\n", code):
            self.fault(path, 1, "lacks an include guard")

    def run(self):
        for path in sorted(self.files):
            self.check_text(path, self.files[path])
            if CODE.match(path):
                self.check_code(path, self.files[path])
                self.check_rooms(path)
        self.check_owners()
        self.check_cycles()
        return self.faults


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    faults = Checker(root).run()
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
