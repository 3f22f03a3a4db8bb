# SPDX-License-Identifier: MIT
"""What walking a user stack costs: stint's walkers beside the kernel's, by BPF run-time statistics (walk.c)."""
import os
import re
import subprocess
import tempfile

WALKS = {
    "cfi": "stint, by call frame information",
    "fp": "stint, by frame pointers",
    "kernel": "the kernel, by frame pointers",
    "kernel-cut": "the same, stopped before the outermost frame",
}
DEPTHS = (10, 30, 60, 120)
HEADINGS = {
    "hot": "Hot: the same stack again and again",
    "cold": "Cold: one walk in each of {copies} processes that share a table, 4 MiB of other memory before each",
}


def read(out):
    """(mode, way, depth) -> (ns, frames)."""
    results = {}
    for line in out.splitlines():
        fields = dict(re.findall(r"(\w+)=(\S+)", line))
        if "mode" in fields:
            results[fields["mode"], fields["way"], int(fields["depth"])] = float(fields["quarter"]), int(fields["frames"])
    return results


def each_further(results, mode, way):
    """ns for each frame more, from 30 calls to 120."""
    (ns, frames), (more_ns, more_frames) = results[mode, way, 30], results[mode, way, 120]
    return (more_ns - ns) / (more_frames - frames)


def print_mode(results, mode, copies):
    print(f"\n{HEADINGS[mode].format(copies=copies)}.\n")
    print("| walk, ns (frames) | 10 calls | 30 | 60 | 120 | each further frame |")
    print("|---|--:|--:|--:|--:|--:|")
    for way, name in WALKS.items():
        cells = [f"{results[mode, way, d][0]:,.0f} ({results[mode, way, d][1]})" for d in DEPTHS]
        print(f"| {name} | {' | '.join(cells)} | {each_further(results, mode, way):.1f} |")
    for way, name in (("kernel", "the kernel's"), ("kernel-cut", "the kernel's, stopped")):
        ratios = []
        for d in DEPTHS:
            (ns, frames), (kernel_ns, kernel_frames) = results[mode, "cfi", d], results[mode, way, d]
            ratios.append(f"{ns / frames / (kernel_ns / kernel_frames):.2f}")
        further = each_further(results, mode, "cfi") / each_further(results, mode, way)
        print(f"| **a frame by call frame information : {name}** | {' | '.join(ratios)} | {further:.2f} |")


def compare(options, log):
    build = os.path.dirname(options.recorder)
    programs = [f"{build}/bench/{name}" for name in ("walk", "chain-cfi", "chain-fp")]
    missing = [p for p in programs if not os.access(p, os.X_OK)]
    if missing:
        log(f"bench: {missing[0]} isn't built (make bench-programs builds it)")
        return
    rounds, copies = 20 * options.rounds, 32
    with tempfile.TemporaryDirectory(prefix="stint-bench-", dir=options.tmp) as directory:
        log(f"  {rounds} rounds of walks")
        out = subprocess.run(programs + [str(rounds), str(copies), directory], capture_output=True, text=True, check=True)
    results = read(out.stdout)
    empty = results["hot", "nothing", DEPTHS[0]][0]
    print("\n### Walking a user stack\n")
    print(f"The lower quartile of {rounds} rounds. A BPF program that does nothing takes {empty:.0f} ns by the same clock,"
          " which is in every figure.")
    for mode in HEADINGS:
        print_mode(results, mode, copies)
