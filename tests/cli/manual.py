#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds the options that a command's --help lists against those of its manual page, with the names of their values.

Usage: manual.py PROGRAM [COMMAND]. With COMMAND, its options are those below ".SS stint COMMAND" of stint.1 and, if that
says so, those of SELECTION and SYMBOLS; else they are all of the page's. Prints what differs. Exit status: 1 if any.
"""
import os
import re
import subprocess
import sys

PAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/man")
OPTION = re.compile(r"((?:-\w,)?--[a-z][a-z-]*(?:=\S*)?)$")


def of_help(program, command):
    """On lines as long as they get, so that no option's text is taken for an option."""
    text = subprocess.run([program, *command, "--help"], check=True, capture_output=True, text=True,
                          env={**os.environ, "ARGP_HELP_FMT": "rmargin=1000,no-dup-args-note"}).stdout
    found = re.findall(r"^ {2,6}((?:-\w, )?--[a-z-]+\S*)", text, re.M)
    return {re.sub(r"\s", "", option) for option in found if not option.endswith("--help")}


def of_manual(text):
    """What stands behind each .TP, without roff's fonts and quotes."""
    found = set()
    for line in re.findall(r"^\.TP\n\.(?:B|BI|BR) (.*)$", text, re.M):
        match = OPTION.match(re.sub(r'\\f.|["\s]', "", line).replace("\\-", "-"))
        if match:
            found.add(match.group(1))
    return found


def section(text, heading):
    match = re.search(r"^\.S[HS] %s\n(.*?)(?=^\.SH|^\.SS|\Z)" % re.escape(heading), text, re.M | re.S)
    return match.group(1) if match else ""


def main():
    program, command = sys.argv[1], sys.argv[2:]
    with open(os.path.join(PAGES, os.path.basename(program) + ".1"), encoding="utf-8") as page:
        text = page.read()
    if command:
        own = section(text, "stint " + command[0])
        also = re.search(r"^Also the options under (.*)\.$", own, re.M)
        text = own + "".join(section(text, name) for name in (also.group(1).split(" and ") if also else []))
    told, written = of_help(program, command), of_manual(text)
    for option in sorted(told - written):
        print(f"{' '.join(sys.argv[1:])}: {option} is only in --help")
    for option in sorted(written - told):
        print(f"{' '.join(sys.argv[1:])}: {option} is only in the manual")
    return told != written


sys.exit(main())
