#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""cut.py STINT FILE N: cuts the recording at N random places, and at the edges of its blocks' headers, and checks that
stint reads all rows of the blocks before the cut, with the exit status that its contract names."""
import json
import os
import random
import shutil
import subprocess
import sys

import blocks as layout


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode < 0 or done.returncode > 4:
        raise SystemExit(f"{' '.join(command)} exited with {done.returncode}: {done.stderr[:500]}")
    return done


def check_verify(stint, path, cut, blocks, header_bytes):
    """verify finds as many whole blocks as there are before the cut, and all of their rows."""
    done = run(stint, "verify", "--format=json", path)
    if cut < header_bytes:
        if done.returncode != 3:
            raise SystemExit(f"cut at {cut}, inside the file's header: exit status {done.returncode}, want 3")
        return
    # A cut between two blocks is no damage: only the end is missing.
    whole = [b for b in blocks if b.end <= cut and b.table != layout.INDEX]
    torn = cut not in {header_bytes} | {b.end for b in blocks}
    if done.returncode != (1 if torn else 0):
        raise SystemExit(f"cut at {cut}: verify exited with {done.returncode}: {done.stdout[:300]}")
    got = json.loads(done.stdout)
    if (got["n_whole"], got["n_rows"], got["complete"]) != (len(whole), sum(b.n_rows for b in whole), False):
        raise SystemExit(f"cut at {cut}: verify says {done.stdout[:300]}; {len(whole)} whole blocks lie before the cut")


def check_info(stint, path, cut, blocks, header_bytes):
    """info reads all events of the blocks before the cut."""
    done = run(stint, "info", "--format=json", path)
    if cut < header_bytes:
        if done.returncode != 3:
            raise SystemExit(f"cut at {cut}, inside the file's header: exit status {done.returncode}, want 3")
        return
    if done.returncode != 0:
        raise SystemExit(f"cut at {cut}: stint info exited with {done.returncode}: {done.stderr[:300]}")
    info = json.loads(done.stdout)
    whole = [b for b in blocks if b.end <= cut]
    want = {name: sum(b.n_rows for b in whole if b.table == table) for name, table in layout.TABLE_OF.items()}
    got = {"sample": info["on_cpu"]["samples"], "offcpu": info["off_cpu"]["count"] + info["off_cpu"]["open"]}
    if got != want:
        raise SystemExit(f"cut at {cut}: read {got}, whole blocks have {want}")
    if info["recording"]["complete"]:
        raise SystemExit(f"cut at {cut}: said to be complete")


def main():
    stint, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(os.environ.get("STINT_TEST_SEED", "1"))
    with open(path, "rb") as f:
        data = f.read()
    blocks, header_bytes = layout.read_blocks(data)
    rng = random.Random(seed)
    cuts = {rng.randrange(len(data)) for _ in range(n)}
    for block in rng.sample(blocks, min(20, len(blocks))):
        cuts |= {block.off, block.off + 1, block.off + layout.BLOCK_HEADER_BYTES, block.end - 1}
    cuts |= {0, 1, 8, header_bytes - 1, header_bytes, len(data) - 1}
    copy = path + ".cut"
    shutil.copy(path, copy)
    # From the end to the front, so that each cut only shortens the same file.
    for i, cut in enumerate(sorted(cuts, reverse=True)):
        os.truncate(copy, cut)
        check_verify(stint, copy, cut, blocks, header_bytes)
        if i % 25 == 0:
            check_info(stint, copy, cut, blocks, header_bytes)
    os.unlink(copy)
    print(f"{len(cuts)} cuts of {len(data)} bytes, {len(blocks)} blocks, seed {seed}: every whole block is read")


if __name__ == "__main__":
    main()
