#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""mappings.py: reads the rows that tests/reference/stint_ref.py prints; for each process image that has executable
mappings prints its pid and their paths by name, in one line."""
import json
import sys


def main():
    tables = {"string": {}, "module": {}, "process": {}}
    mapped = {}
    for line in sys.stdin:
        row = json.loads(line)
        if row["table"] in tables:
            tables[row["table"]][row["id"]] = row
        elif row["table"] == "mapping":
            mapped.setdefault(row["process"], set()).add(row["module"])
    for process, modules in mapped.items():
        paths = {bytes.fromhex(tables["string"][tables["module"][m]["path_str"]]["hex"]).decode("utf-8", "replace")
                 for m in modules}
        print(tables["process"][process]["pid"], *sorted(paths, key=lambda path: (not path.endswith("/true"), path)))


if __name__ == "__main__":
    main()
