#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""flip.py STINT FILE N: flips one bit at N random places, one at a time, and checks that verify finds each one, that
nothing crashes, and that only the block with the bit is lost. (A file whose own header is damaged may be refused.)"""
import json
import os
import random
import subprocess
import sys

import blocks as layout


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode < 0 or done.returncode > 4:
        raise SystemExit(f"{' '.join(command)} exited with {done.returncode}: {done.stderr[:500]}")
    return done


def check(stint, path, place, blocks, header_bytes):
    where = f"bit {place % 8} of byte {place // 8}"
    verify = run(stint, "verify", path)
    if verify.returncode not in ((1, 3) if place // 8 < header_bytes else (1,)):
        raise SystemExit(f"{where}: verify exited with {verify.returncode}: {verify.stdout[:300]}{verify.stderr[:300]}")
    report = run(stint, "report", "--view=off-cpu", path)
    info = run(stint, "info", "--format=json", path)
    if place // 8 < header_bytes:
        return
    if report.returncode or info.returncode:
        raise SystemExit(f"{where}: report exited with {report.returncode}, info with {info.returncode}: "
                         f"{report.stderr[:300]}{info.stderr[:300]}")
    got = json.loads(info.stdout)
    got = {"sample": got["on_cpu"]["samples"], "offcpu": got["off_cpu"]["count"] + got["off_cpu"]["open"]}
    want = {name: sum(b.n_rows for b in blocks if b.table == table and not b.off <= place // 8 < b.end)
            for name, table in layout.TABLE_OF.items()}
    if got != want:
        raise SystemExit(f"{where}: read {got}, the undamaged blocks have {want}")


def main():
    stint, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(os.environ.get("STINT_TEST_SEED", "1"))
    with open(path, "rb") as f:
        data = f.read()
    blocks, header_bytes = layout.read_blocks(data)
    if run(stint, "verify", path).returncode:
        raise SystemExit("the recording isn't whole to begin with")
    rng = random.Random(seed)
    places = {rng.randrange(len(data) * 8) for _ in range(n)}
    # Headers are a small part of the bytes: make sure that they are hit too.
    places |= {rng.randrange(header_bytes * 8) for _ in range(10)}
    places |= {b.off * 8 + rng.randrange(layout.BLOCK_HEADER_BYTES * 8) for b in rng.choices(blocks, k=n // 3)}
    with open(path, "r+b") as f:
        for place in sorted(places):
            byte = data[place // 8]
            f.seek(place // 8)
            f.write(bytes([byte ^ 1 << place % 8]))
            f.flush()
            check(stint, path, place, blocks, header_bytes)
            f.seek(place // 8)
            f.write(bytes([byte]))
            f.flush()
    if run(stint, "verify", path).returncode:
        raise SystemExit("the recording isn't whole after the bits were put back")
    print(f"{len(places)} flips, seed {seed}: each is found, and only its block is lost")


if __name__ == "__main__":
    main()
