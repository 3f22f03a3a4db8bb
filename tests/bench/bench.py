#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make bench: what recording costs, beside its peers, in one interleaved run; prints Markdown. --help lists options.

Every round runs each workload once under each recorder, in turn, and all figures are ratios to the same round's run
under nothing. Absolute times are only there to make sense of the ratios.
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "experiment"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load  # noqa: E402
import offline  # noqa: E402
import symbols  # noqa: E402
import walk  # noqa: E402

BPFTRACE = """
tracepoint:sched:sched_switch {
    if (args->prev_pid) { @start[args->prev_pid] = nsecs; @stacks[kstack, ustack, comm] = count(); }
    if (@start[args->next_pid]) {
        @off_ns[args->next_comm] = sum(nsecs - @start[args->next_pid]);
        delete(@start[args->next_pid]);
    }
}
"""


def log(text):
    print(text, file=sys.stderr, flush=True)


def say_value(text, key):
    return int(re.search(rf"^{key}=(\d+)", text, re.M).group(1))


class Recorder:
    """One way of recording: a command, and how to read what it says afterwards."""

    def __init__(self, name, command, kind, file=None):
        self.name, self.command, self.kind, self.file = name, command, kind, file

    def missing(self):
        if self.command and not shutil.which(self.command[0], path=os.environ["PATH"] + ":/usr/sbin"):
            return f"{self.command[0]} isn't installed"
        return None


class CantRun(Exception):
    """A recorder that ended as soon as it was started; the text is what it said."""


class Recording:
    """A recorder that runs; stop() ends it and gives what it used and wrote."""

    def __init__(self, recorder, directory):
        self.recorder = recorder
        self.path = os.path.join(directory, recorder.file) if recorder.file else None
        self.out = os.path.join(directory, "recorder.out")
        command = [part.replace("FILE", self.path or "") for part in recorder.command]
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
        # bpftrace and bcc take a while to compile and attach, and stint's file is there when it records; the workload
        # must not run before.
        time.sleep({"bpftrace": 3.0, "bcc": 3.0}.get(recorder.kind, 1.2))
        deadline = time.monotonic() + 10
        while recorder.kind == "stint" and not os.path.exists(self.path) and self.process.poll() is None and \
                time.monotonic() < deadline:
            time.sleep(0.05)
        if self.process.poll() is not None:
            said = [line for line in self.said().splitlines() if re.search("[Uu]nable|rror|not found", line)]
            raise CantRun((said or ["no message"])[-1].strip())

    def said(self):
        with open(self.out, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        os.kill(self.process.pid, signal.SIGINT)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        result = {"cpu_s": usage.ru_utime + usage.ru_stime, "rss_mib": usage.ru_maxrss / 1024}
        if self.path and os.path.exists(self.path):
            result["bytes"] = os.path.getsize(self.path)
        return result


class Bench:
    def __init__(self, options):
        self.options = options
        self.recorders = [
            Recorder("nothing", None, "none"),
            Recorder("stint, all (default)", [options.recorder, "-a", "-o", "FILE"], "stint", "a.stint"),
            Recorder("stint, off-CPU only", [options.recorder, "-a", "-F", "0", "-o", "FILE"], "stint", "f.stint"),
            Recorder("stint, on-CPU 99 Hz only", [options.recorder, "-a", "--off-cpu=none", "-o", "FILE"], "stint",
                     "c.stint"),
            Recorder("stint, --unwind=fp", [options.recorder, "-a", "--unwind=fp", "-o", "FILE"], "stint", "p.stint"),
            Recorder("stint, --unwind=dump", [options.recorder, "-a", "--unwind=dump", "-o", "FILE"], "stint", "u.stint"),
            Recorder("perf record -g, sched_switch", ["perf", "record", "-q", "-a", "-g", "-e", "sched:sched_switch", "-o",
                                                      "FILE"], "perf", "s.data"),
            Recorder("perf record -g -z, sched_switch", ["perf", "record", "-q", "-z", "-a", "-g", "-e",
                                                         "sched:sched_switch", "-o", "FILE"], "perf", "z.data"),
            Recorder("perf record --call-graph dwarf, sched_switch", ["perf", "record", "-q", "-a", "--call-graph", "dwarf",
                                                                      "-e", "sched:sched_switch", "-o", "FILE"], "perf",
                     "w.data"),
            Recorder("perf sched record", ["perf", "sched", "record", "-q", "-a", "-o", "FILE"], "perf", "d.data"),
            Recorder("perf record -g -F 99", ["perf", "record", "-q", "-a", "-g", "-F", "99", "-o", "FILE"], "perf",
                     "c.data"),
            Recorder("offcputime (libbpf-tools)", ["/usr/sbin/offcputime", "--stack-storage-size=16384"], "libbpf"),
            Recorder("offcputime (bcc)", ["/usr/sbin/offcputime-bpfcc", "-f"], "bcc"),
            Recorder("bpftrace, stacks and sums", ["bpftrace", "-e", BPFTRACE], "bpftrace"),
        ]
        self.left_out = {r.name: r.missing() for r in self.recorders if r.missing()}
        self.recorders = [r for r in self.recorders if r.name not in self.left_out]

    # Workloads: each returns its time (less is better).

    def ping_pong(self):
        out = subprocess.run([f"{self.options.workloads}/pingpong", "2500", "1", "1"], capture_output=True, text=True,
                             check=True).stdout
        return say_value(out, "ns_per_round_trip")

    def messaging(self):
        out = subprocess.run(["perf", "bench", "sched", "messaging", "-g", "2", "-l", "2000"], capture_output=True,
                             text=True, check=True).stdout
        return float(re.search(r"Total time:\s*([\d.]+)", out).group(1)) * 1e9

    def spin(self):
        out = subprocess.run([f"{self.options.workloads}/spin", "600"], capture_output=True, text=True,
                             check=True).stdout
        return say_value(out, "wall_ns")

    def nginx(self):
        with tempfile.TemporaryDirectory(prefix="stint-bench-nginx-") as directory:
            os.chmod(directory, 0o755)
            with load.Nginx(directory, http="    access_log DIR/access.log combined;") as nginx:
                return 1e9 / load.requests_per_second(load.start_wrk(nginx.url(), 4))

    WORKLOADS = {
        "pingpong": ("futex ping-pong, pinned to one CPU", ping_pong, "ns a round trip"),
        "messaging": ("perf bench sched messaging -g 2 -l 2000", messaging, "ns"),
        "spin": ("CPU-bound", spin, "ns"),
        "nginx": ("nginx under wrk, access log on", nginx, "ns a request"),
    }

    def events(self, recorder, path):
        """How many events the file has, and how many were lost; None where that can't be said."""
        if recorder.kind == "stint":
            info = json.loads(subprocess.run([self.options.stint, "info", "--format=json", path], capture_output=True,
                                             text=True, check=True).stdout)
            on, off = info["on_cpu"]["samples"], info["off_cpu"]["count"]
            return {"samples": on, "switches": off,
                    "lost": sum(x["count"] for x in info["loss"] if x["cause"] not in ("below-min", "module"))}
        if recorder.kind == "perf":
            out = subprocess.run(["perf", "report", "--stats", "-i", path], capture_output=True, text=True,
                                 check=False).stdout
            lost = re.search(r"LOST(?:_SAMPLES)? events:\s*(\d+)", out)
            switches = re.search(r"sched:sched_switch stats:\s*SAMPLE events:\s*(\d+)", out)
            samples = re.search(r"cpu-clock\S* stats:\s*SAMPLE events:\s*(\d+)", out)
            return {"samples": int(samples.group(1)) if samples else 0,
                    "switches": int(switches.group(1)) if switches else 0,
                    "lost": f"{lost.group(1)} records of loss" if lost else 0}
        return None

    def run_once(self, recorder, workload, directory, want_events):
        if recorder.kind == "none":
            return {"time": workload(self)}
        recording = Recording(recorder, directory)
        try:
            taken = workload(self)
        finally:
            result = recording.stop()
        result["time"] = taken
        if recording.path and os.path.exists(recording.path):
            if want_events:
                result["events"] = self.events(recorder, recording.path)
            os.unlink(recording.path)
        return result

    def run(self, names):
        results = {name: {r.name: [] for r in self.recorders} for name in names}
        for recorder in self.recorders[1:]:
            try:
                with tempfile.TemporaryDirectory(prefix="stint-bench-", dir=self.options.tmp) as directory:
                    Recording(recorder, directory).stop()
            except CantRun as reason:
                self.left_out[recorder.name] = f"doesn't run here: {reason}"
        self.recorders = [r for r in self.recorders if r.name not in self.left_out]
        for i in range(self.options.rounds):
            for name in names:
                # Each round starts elsewhere, so that no recorder always follows the same other one.
                order = self.recorders[i % len(self.recorders):] + self.recorders[:i % len(self.recorders)]
                for recorder in order:
                    with tempfile.TemporaryDirectory(prefix="stint-bench-", dir=self.options.tmp) as directory:
                        try:
                            result = self.run_once(recorder, self.WORKLOADS[name][1], directory, i == 0)
                        except (CantRun, RuntimeError, subprocess.CalledProcessError, load.Missing) as error:
                            log(f"  {name} under {recorder.name}: {error}")
                            continue
                    results[name][recorder.name].append((i, result))
                    log(f"  round {i + 1}, {name} under {recorder.name}: {result['time']:,.0f}")
        return results

    def print_table(self, name, results):
        title, _, unit = self.WORKLOADS[name]
        nothing = dict(results["nothing"])
        base = statistics.median(r["time"] for r in nothing.values())
        print(f"\n### {title}\n\nUnder nothing: {base:,.0f} {unit}.\n")
        print("| recorder | slowdown (range) | its CPU time, s | peak memory, MiB | bytes a switch | switches, samples |"
              " lost |")
        print("|---|--:|--:|--:|--:|--:|--:|")
        for recorder in self.recorders[1:]:
            runs = [(r["time"] / nothing[i]["time"], r) for i, r in results[recorder.name] if i in nothing]
            if not runs:
                print(f"| {recorder.name} | failed | | | | | |")
                continue
            ratios = [ratio for ratio, _ in runs]
            events = next((r["events"] for _, r in runs if r.get("events")), None)
            first = next((r for _, r in runs if r.get("events")), runs[0][1])
            per_switch = f"{first['bytes'] / events['switches']:.1f}" if events and events["switches"] > 1000 else "-"
            kept = f"{events['switches']:,}, {events['samples']:,}" if events else "sums only"
            print(f"| {recorder.name} | {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) "
                  f"| {statistics.median(r['cpu_s'] for _, r in runs):.2f} "
                  f"| {max(r['rss_mib'] for _, r in runs):.0f} | {per_switch} | {kept} "
                  f"| {events['lost'] if events else 'not said'} |")


def parse_options():
    build = os.environ.get("STINT_BUILD", "build")
    build = build if os.path.isabs(build) else os.path.join(ROOT, build)
    parser = argparse.ArgumentParser(description="What recording and reporting cost, beside their peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="pingpong,messaging,spin,nginx,walk,offline,symbols",
                        help="workloads, with commas")
    parser.add_argument("--recorders", help="only those whose name matches this (nothing always runs)")
    parser.add_argument("--samples", type=int, default=1000000, help="of the offline comparison")
    parser.add_argument("--symbol-units", type=int, default=symbols.UNITS,
                        help="units of C++ in the program that symbols are looked up in")
    parser.add_argument("--tmp", help="where recordings are written")
    parser.add_argument("--stint", default=f"{build}/stint")
    parser.add_argument("--recorder", default=f"{build}/stint-record")
    parser.add_argument("--symbolize", default=f"{build}/tools/symbolize")
    parser.add_argument("--workloads", default=f"{build}/workloads")
    return parser.parse_args()


def main():
    options = parse_options()
    names = options.only.split(",")
    records = names != ["symbols"]
    needed = [options.symbolize] if "symbols" in names else []
    if records:
        needed += [options.stint, options.recorder, f"{options.workloads}/pingpong"]
    for program in needed:
        if not os.access(program, os.X_OK):
            log(f"bench: {program} isn't built (make test-programs builds it)")
            return 4
    if records and os.geteuid() != 0:
        log("bench: recording needs root")
        return 4
    bench = Bench(options)
    if options.recorders:
        bench.recorders = [r for r in bench.recorders if r.kind == "none" or re.search(options.recorders, r.name)]
    unknown = [n for n in names if n not in Bench.WORKLOADS and n not in ("walk", "offline", "symbols")]
    if unknown:
        log(f"bench: no such workload: {', '.join(unknown)}")
        return 2
    print(f"{time.strftime('%Y-%m-%d')}, Linux {platform.release()}, {os.cpu_count()} CPUs, "
          f"`tests/bench/run.sh {' '.join(sys.argv[1:])}`; load average before: {os.getloadavg()[0]:.1f}")
    if os.getloadavg()[0] > os.cpu_count() / 2:
        print("\nOther programs were running: slowdowns below are not to be trusted, sizes and counts are.")
    online = [n for n in names if n in Bench.WORKLOADS]
    results = bench.run(online) if online else {}
    for name, reason in bench.left_out.items() if records else ():
        print(f"\n{name}: left out: {reason}")
    for name in online:
        bench.print_table(name, results[name])
    if "walk" in names:
        walk.compare(options, log)
    if "offline" in names:
        offline.compare(options, log)
    if "symbols" in names:
        symbols.compare(options, log)
    return 0


if __name__ == "__main__":
    sys.exit(main())
