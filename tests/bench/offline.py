# SPDX-License-Identifier: MIT
"""stint report against perf report on recordings of the same number of on-CPU samples of the same load."""
import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time

# A load with many different stacks: compilers, an interpreter, processes that talk.
LOAD = r"""
trap 'kill $(jobs -p) 2>/dev/null; exit 0' TERM
while :; do
    for f in "$0"/format/*.c "$0"/analyze/*.c; do gcc -O2 -D_GNU_SOURCE -DSTINT_VERSION='""' -I"$0" -c -o /dev/null "$f"; done
done 2>/dev/null &
while :; do
    /usr/bin/python3 -c 'import json, re, random
for i in range(300):
    d = {str(k): [random.random(), "x" * (k % 50)] for k in range(300)}
    re.findall("[0-9]+", json.dumps(json.loads(json.dumps(d))))'
done &
while :; do perf bench sched messaging -g 1 -l 300 >/dev/null 2>&1; done &
wait
"""


def measure(command):
    """Wall and CPU seconds and peak MiB of a command that must succeed."""
    started = time.monotonic()
    with open(os.devnull, "wb") as null:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=null, stderr=null)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def count(options, kind, path):
    if kind == "stint":
        out = subprocess.run([options.stint, "info", "--format=json", path], capture_output=True, text=True, check=True)
        return json.loads(out.stdout)["on_cpu"]["samples"]
    out = subprocess.run(["perf", "report", "--stats", "-i", path], capture_output=True, text=True, check=True)
    return sum(int(n) for n in re.findall(r"cpu-clock\S* stats:\s*SAMPLE events:\s*(\d+)", out.stdout))


def record(options, log, kind, path, want):
    """Records until there are about so many samples; extends by what is missing by recording again, longer."""
    seconds = max(2.0, want / 18000)
    for _ in range(3):
        command = {"stint": [options.recorder, "-a", "--off-cpu=none", "-F", "10000", "-o", path],
                   "perf": ["perf", "record", "-q", "-a", "-g", "-F", "10000", "-o", path]}[kind]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        process.wait()
        n = count(options, kind, path)
        log(f"  {kind}: {n:,} samples in {seconds:.0f} s")
        if n >= want * 0.95:
            return n
        seconds *= want * 1.05 / max(n, want // 20)
    return n


def compare(options, log):
    with tempfile.TemporaryDirectory(prefix="stint-bench-", dir=options.tmp) as directory:
        files = {"stint": f"{directory}/load.stint", "perf": f"{directory}/load.data"}
        work = subprocess.Popen(["bash", "-c", LOAD, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                start_new_session=True)
        try:
            time.sleep(1)
            samples = {kind: record(options, log, kind, files[kind], options.samples) for kind in files}
        finally:
            os.killpg(work.pid, signal.SIGKILL)  # its own session: what it started, and nothing else
            work.wait()
        commands = {
            "stint report": ("stint", [options.stint, "report", files["stint"]]),
            "stint report --group=stack": ("stint", [options.stint, "report", "--group=stack", "--limit=0",
                                                     files["stint"]]),
            "perf report --stdio": ("perf", ["perf", "report", "--stdio", "-i", files["perf"]]),
            "perf report --stdio -g none": ("perf", ["perf", "report", "--stdio", "-g", "none", "-i", files["perf"]]),
        }
        runs = {name: [] for name in commands}
        for _ in range(min(3, options.rounds)):
            for name, (_, command) in commands.items():
                try:
                    runs[name].append(measure(command))
                    log(f"  {name}: {runs[name][-1][0]:.2f} s")
                except RuntimeError as error:
                    log(f"  {error}")
        print("\n### Reading a recording of on-CPU samples (compilers, python, messaging; 10 kHz)\n")
        print("| command | samples | file, MiB | wall, s | CPU, s | peak memory, MiB | wall against stint report,"
              " a sample |")
        print("|---|--:|--:|--:|--:|--:|--:|")
        base = statistics.median(r[0] for r in runs["stint report"]) / samples["stint"] if runs["stint report"] else 0
        for name, (kind, _) in commands.items():
            if not runs[name]:
                print(f"| {name} | failed | | | | | |")
                continue
            wall, cpu, rss = (statistics.median(r[i] for r in runs[name]) for i in range(3))
            print(f"| {name} | {samples[kind]:,} | {os.path.getsize(files[kind]) / 2**20:.1f} | {wall:.2f} | {cpu:.2f} "
                  f"| {rss:.0f} | {wall / samples[kind] / base if base else 0:.1f} |")
