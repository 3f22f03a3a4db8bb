#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plants one violation of each rule in a small tree, and expects check_source.py to find exactly that."""
import os
import tempfile
import unittest

from check_source import Checker

HEAD = "/* SPDX-License-Identifier: MIT */\n"
BPF_HEAD = "/* SPDX-License-Identifier: GPL-2.0 OR MIT */\n"


def header(guard, body=""):
    return f"{HEAD}#ifndef {guard}\n#define {guard}\n{body}#endif\n"


CLEAN = {
    "base/err.h": header("BASE_ERR_H"),
    "base/err.c": HEAD + '#include "base/err.h"\n/* never strcpy() or printf() */\nconst char *s = "sprintf(";\n',
    "format/reader.h": header("FORMAT_READER_H", '#include "base/err.h"\n'),
    "format/codec.c": HEAD + '#include <zstd.h>\n#include "format/reader.h"\n',
    "format/checksum.c": HEAD + "#include <xxhash.h>\n",
    "bpf/event.h": header("BPF_EVENT_H").replace("MIT */", "GPL-2.0 OR MIT */", 1),
    "bpf/walk.h": header("BPF_UNWIND_H").replace("MIT */", "GPL-2.0 OR MIT */", 1),
    "bpf/stint.bpf.c": BPF_HEAD + '#include "bpf/event.h"\n#include <bpf/bpf_helpers.h>\n',
    "record/tasks.h": header("RECORD_TASKS_H", '#include "format/reader.h"\n'),
    "record/session.c": HEAD + '#include <bpf/libbpf.h>\n#include "bpf/event.h"\n#include "record/tasks.h"\n',
    "record/main.c": HEAD + 'int main(void)\n{\n\tprintf("x");\n}\n',
    "analyze/model.h": header("ANALYZE_MODEL_H", '#include "format/reader.h"\n'),
    "analyze/cmd_report.c": HEAD + '#include "analyze/model.h"\nvoid f(void)\n{\n\tputs("x");\n}\n',
    "tests/run.sh": "#!/bin/sh\n# SPDX-License-Identifier: MIT\n",
}

# What is planted: a name, the files, and what the only fault must say.
PLANTED = [
    ("base includes format", {"base/err.c": HEAD + '#include "format/reader.h"\n'}, "base/ may not include"),
    ("format includes record", {"format/codec.c": HEAD + '#include "record/tasks.h"\n'}, "format/ may not include"),
    ("record includes analyze", {"record/main.c": HEAD + '#include "analyze/model.h"\n'}, "record/ may not include"),
    ("analyze includes record", {"analyze/a.c": HEAD + '#include "record/tasks.h"\n'}, "analyze/ may not include"),
    ("analyze includes the ring", {"analyze/a.c": HEAD + '#include "bpf/event.h"\n'}, "analyze/ may not include"),
    ("format includes the ring", {"format/a.c": HEAD + '#include "bpf/event.h"\n'}, "format/ may not include"),
    ("record includes BPF internals", {"record/a.c": HEAD + '#include "bpf/walk.h"\n'}, "may only include"),
    ("a second owner of zstd", {"format/writer.c": HEAD + "#include <zstd.h>\n"}, "a second file"),
    ("zstd in the recorder", {"record/a.c": HEAD + "#include <zstd.h>\n"}, "may not include zstd.h"),
    ("xxhash elsewhere", {"analyze/a.c": HEAD + "#include <xxhash.h>\n"}, "may not include xxhash.h"),
    ("libbpf elsewhere", {"record/a.c": HEAD + "#include <bpf/bpf.h>\n"}, "may not include bpf/bpf.h"),
    ("libdw twice", {"analyze/a.c": HEAD + "#include <elfutils/libdw.h>\n",
                     "analyze/b.c": HEAD + "#include <elfutils/libdw.h>\n"}, "a second file"),
    ("a library prints", {"format/a.c": HEAD + 'void f(void)\n{\n\tfprintf(stderr, "x");\n}\n'}, "emitters print"),
    ("argp_error", {"analyze/cmd_a.c": HEAD + "void f(void *s)\n{\n\targp_error(s, \"x\");\n}\n"}, "is banned"),
    ("strcpy", {"record/a.c": HEAD + "void f(char *a, char *b)\n{\n\tstrcpy(a, b);\n}\n"}, "is banned"),
    ("atoi in a test", {"tests/a.c": HEAD + "int f(char *a)\n{\n\treturn atoi(a);\n}\n"}, "is banned"),
    ("no licence", {"base/a.c": "int x;\n"}, "lacks 'SPDX"),
    ("the wrong licence in bpf", {"bpf/a.h": header("BPF_A_H")}, "lacks 'SPDX-License-Identifier: GPL-2.0 OR MIT'"),
    ("no licence in a script", {"tests/a.sh": "#!/bin/sh\n"}, "lacks 'SPDX"),
    ("unfinished", {"base/a.c": HEAD + "/* TO" + "DO: all of it */\n"}, "finish it"),
    ("a negation in a test", {"tests/a.bats": "# SPDX-License-Identifier: MIT\n@test x {\n\t! grep x y\n}\n"},
     "fails no test"),
    ("a long file", {"base/a.c": HEAD + "int x;\n" * 600}, "split it"),
    ("a wide line", {"base/a.c": HEAD + "/* " + "x" * 120 + " */\n"}, "columns wide"),
    ("white space at the end", {"base/a.c": HEAD + "int x; \n"}, "white space"),
    ("no newline at the end", {"base/a.c": HEAD + "int x;"}, "newline"),
    ("no include guard", {"base/a.h": HEAD + "int x;\n"}, "include guard"),
    ("headers in a circle", {"base/a.h": header("A_H", '#include "base/b.h"\n'),
                             "base/b.h": header("B_H", '#include "base/a.h"\n')}, "include each other"),
]


def faults_in(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        return Checker(root).run()


class Planted(unittest.TestCase):
    def test_clean_tree_has_no_faults(self):
        self.assertEqual(faults_in(CLEAN), [])

    def test_each_planted_fault_is_found_alone(self):
        for name, files, message in PLANTED:
            with self.subTest(name):
                faults = faults_in({**CLEAN, **files})
                self.assertEqual(len(faults), 1, faults)
                self.assertIn(message, faults[0])


if __name__ == "__main__":
    unittest.main()
