#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares the packed stack of a recording made by make_windows with eu-stack's of the same stopped process.

    windows.py STINT PACKED PID

Prints how many frames are the same; exit status 1 where they differ.
"""

import json
import re
import subprocess
import sys


def addresses(stint, path):
    """The frames of the last stack that a window was unwound to, leaf first, as the process had them."""
    tables = {}
    for line in subprocess.run([stint, "dump", path], check=True, capture_output=True, text=True).stdout.splitlines():
        row = json.loads(line)
        tables.setdefault(row["table"], []).append(row)
    by_id = {table: {row["id"]: row for row in rows if "id" in row} for table, rows in tables.items()}
    stack = by_id["stack"][tables["unwound"][-1]["as_stack"]]
    places = {row["module"]: row for row in reversed(tables["mapping"])}
    found, node = [], stack["leaf"]
    while node:
        frame = by_id["frame"][by_id["node"][node]["frame"]]
        kind = by_id["module"][frame["module"]]["kind"]
        place = places[frame["module"]]
        shift = place["start"] - place["file_off"] if kind in (1, 4) else 0
        found.append(frame["addr"] + shift)
        node = by_id["node"][node]["parent"]
    return found, stack["user_end"]


def main():
    stint, path, pid = sys.argv[1:]
    ours, end = addresses(stint, path)
    text = subprocess.run(["eu-stack", "-1", "-n", "0", "-p", pid], capture_output=True, text=True).stdout
    theirs = [int(address, 16) for address in re.findall(r"^#\d+\s+(0x[0-9a-f]+)", text, re.M)]
    print(f"{len(ours)} frames, end {end}; eu-stack: {len(theirs)} frames")
    if ours == theirs and end == 1:
        return 0
    print("ours:  ", " ".join(f"{a:x}" for a in ours))
    print("theirs:", " ".join(f"{a:x}" for a in theirs))
    return 1


if __name__ == "__main__":
    sys.exit(main())
