#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ends.py STINT FILE [COMM-REGEX]: how the user stacks of events ended, by number of events, as one JSON object: "ends" by
enum stint_user_end, those of stacks that were unwound later among them; of stacks that were copied "unwound",
"windows" (not unwound in the file) and "missing" (neither); and of windows "n_windows" and "max_bytes"."""
import collections
import json
import re
import subprocess
import sys

WINDOW = 9


def load(stint, path):
    tables = collections.defaultdict(list)
    with subprocess.Popen([stint, "dump", path], stdout=subprocess.PIPE, text=True) as proc:
        for line in proc.stdout:
            row = json.loads(line)
            tables[row["table"]].append(row)
    if proc.returncode:
        sys.exit(proc.returncode)
    return tables


def main():
    tables = load(sys.argv[1], sys.argv[2])
    wanted = re.compile(sys.argv[3]) if len(sys.argv) > 3 else None
    stacks, nodes, threads, strings = ({row["id"]: row for row in tables[name]}
                                       for name in ("stack", "node", "thread", "string"))

    def outermost(stack):
        node = stack["leaf"]
        while node and nodes[node]["parent"]:
            node = nodes[node]["parent"]
        return node

    unwound = {outermost(stacks[row["stack"]]): stacks[row["as_stack"]] for row in tables["unwound"]}
    windows = {outermost(stacks[row["stack"]]) for row in tables["window"]}
    ends, counts = collections.Counter(), collections.Counter()
    for event in tables["sample"] + tables["off-cpu"]:
        comm = strings.get(threads[event["thread"]]["comm_str"], {"hex": ""})["hex"]
        if wanted and not wanted.search(bytes.fromhex(comm).decode(errors="replace")) or not event["stack"]:
            continue
        stack = stacks[event["stack"]]
        if stack["user_end"] == WINDOW:
            node = outermost(stack)
            counts["unwound" if node in unwound else "windows" if node in windows else "missing"] += 1
            stack = unwound.get(node, stack)
        ends[stack["user_end"]] += 1
    sizes = [len(row["bytes"]) // 2 for row in tables["window"]]
    json.dump({"ends": dict(ends), "unwound": counts["unwound"], "windows": counts["windows"],
               "missing": counts["missing"], "n_windows": len(sizes), "max_bytes": max(sizes, default=0)}, sys.stdout)


if __name__ == "__main__":
    main()
