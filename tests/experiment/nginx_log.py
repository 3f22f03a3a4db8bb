#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What writing a log costs nginx, seen from both sides: on the CPU and off it (docs/nginx-log-experiment.md).

Starts an nginx of its own on loopback under wrk, once for each setting of its log, first without and then with the
recorder, and prints a Markdown table. --help lists the options.
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
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

RICH = r"""    log_format rich escape=json '{"time":"$time_iso8601","msec":$msec,"client":"$remote_addr:$remote_port",'
        '"user":"$remote_user","method":"$request_method","uri":"$request_uri","args":"$args","proto":"$server_protocol",'
        '"status":$status,"bytes":$bytes_sent,"body":$body_bytes_sent,"length":$request_length,"took":$request_time,'
        '"host":"$host","referer":"$http_referer","agent":"$http_user_agent","forwarded":"$http_x_forwarded_for",'
        '"cookie":"$http_cookie","accept":"$http_accept","encoding":"$http_accept_encoding","type":"$sent_http_content_type",'
        '"server":"$server_addr:$server_port","connection":$connection,"requests":$connection_requests,"pid":$pid}';
"""
SUBREQUESTS = """        location = /index.html { addition_types *; add_before_body /before; add_after_body /after; }
        location = /before { return 200 "before "; }
        location = /after { return 200 "after "; }
"""
GZIP = "    gzip on; gzip_types text/plain; gzip_min_length 0; gzip_comp_level 1;\n"
# Names of the error log, which nginx exports; the access log's are static.
ERROR_LOG = {"ngx_log_error_core"}
OFF = "    access_log off;\n"
PLAIN = "    access_log DIR/access.log combined;\n"


class Setting:
    def __init__(self, name, http, server="", path="/", error_log=None, fifo_bytes_per_s=0, base="off", sync_fs=False):
        self.name, self.http, self.server, self.path = name, http, server, path
        self.error_log, self.fifo_bytes_per_s, self.base, self.sync_fs = error_log, fifo_bytes_per_s, base, sync_fs


SETTINGS = [
    Setting("off", OFF),
    Setting("on: one write a request", PLAIN),
    Setting("on, short lines", "    log_format short '$status';\n    access_log DIR/access.log short;\n"),
    Setting("on, rich lines (JSON)", RICH + "    access_log DIR/access.log rich;\n"),
    Setting("rich lines, buffered", RICH + "    access_log DIR/access.log rich buffer=64k flush=1s;\n"),
    Setting("buffered", "    access_log DIR/access.log combined buffer=64k flush=1s;\n"),
    Setting("file system mounted sync", "    access_log DIR/sync/access.log combined;\n", sync_fs=True),
    Setting("FIFO, reader of 1 MB/s", "    access_log DIR/fifo combined;\n", fifo_bytes_per_s=1000000),
    Setting("error_log debug", OFF, error_log="DIR/error.log debug"),
    Setting("sub-requests, off", OFF, server=SUBREQUESTS),
    Setting("sub-requests, each logged", PLAIN + "    log_subrequest on;\n", server=SUBREQUESTS, base="sub-requests, off"),
    Setting("gzip, off", GZIP + OFF, path="/text.txt"),
    Setting("gzip, on", GZIP + PLAIN, path="/text.txt", base="gzip, off"),
]


class SlowReader(threading.Thread):
    """Reads a FIFO, never faster than so many bytes a second."""

    def __init__(self, path, bytes_per_s):
        super().__init__(daemon=True)
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.step = bytes_per_s // 50
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.02):
            try:
                os.read(self.fd, self.step)
            except BlockingIOError:
                pass

    def stop(self):
        # Closing the reading end lets a writer that is stuck in write() go.
        self.ended.set()
        self.join()
        os.close(self.fd)


class SyncFileSystem:
    """A small ext4 in a file, mounted so that every write waits for the disk."""

    def __init__(self, directory):
        self.image, self.mount = f"{directory}/image", f"{directory}/sync"
        os.mkdir(self.mount)
        with open(self.image, "wb") as f:
            f.truncate(256 << 20)
        for command in (["mkfs.ext4", "-q", "-F", self.image], ["mount", "-o", "loop,sync", self.image, self.mount]):
            done = subprocess.run(command, capture_output=True, text=True,
                                  env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
            if done.returncode:
                raise load.Missing(f"{' '.join(command)}: {done.stderr.strip()}")

    def stop(self):
        subprocess.run(["umount", self.mount], check=False)


def log_module_range(binary):
    """Where nginx's log module lies in its ELF addresses. It has only static functions, which a stripped nginx doesn't
    name; the linker puts them between ngx_http_parse_chunked and ngx_http_discarded_request_body_handler, which are
    exported. What else lies there reads request bodies, which these requests don't have."""
    out = subprocess.run(["nm", "-D", "--defined-only", "-S", binary], capture_output=True, text=True, check=False).stdout
    symbols = {}
    for line in out.splitlines():
        fields = line.split()
        if len(fields) == 4:
            symbols[fields[3]] = (int(fields[0], 16), int(fields[1], 16))
    try:
        start, size = symbols["ngx_http_parse_chunked"]
        return start + size, symbols["ngx_http_discarded_request_body_handler"][0]
    except KeyError:
        return None


class Shares:
    """What a recording says of log writing in nginx's workers, as parts of 1."""

    def __init__(self, stint, recording, log_range):
        self.stint, self.recording, self.log_range = stint, recording, log_range
        on_cpu = self.rows("on-cpu", "stack")
        samples = sum(row["self"] for row in on_cpu) or 1
        if samples < 100:
            raise RuntimeError(f"{recording} has only {samples} samples of nginx")
        self.cpu_write = sum(r["self"] for r in on_cpu if self.in_write(r["frames"])) / samples
        self.cpu_log = sum(r["self"] for r in on_cpu if self.in_write(r["frames"]) or self.in_log(r["frames"])) / samples
        off_cpu = self.rows("off-cpu", "syscall")
        self.count = sum(r["count"]["self"] for r in off_cpu)
        duration = sum(r["duration_ns"]["self"] for r in off_cpu)
        waiting = sum(r["duration_ns"]["self"] for r in off_cpu if r["name"] == "epoll_wait")
        write = [r for r in off_cpu if r["name"] == "write"]
        write_count, write_ns = sum(r["count"]["self"] for r in write), sum(r["duration_ns"]["self"] for r in write)
        self.off_count = write_count / (self.count or 1)
        self.off_duration = write_ns / (duration or 1)
        self.off_duration_busy = write_ns / ((duration - waiting) or 1)
        blocked = self.rows("off-cpu", "syscall", "--state=S,D")
        blocked_count = sum(r["count"]["self"] for r in blocked)
        self.off_count_blocked = sum(r["count"]["self"] for r in blocked if r["name"] == "write") / (blocked_count or 1)
        self.write_mean_us = write_ns / write_count / 1000 if write_count else 0

    def rows(self, view, group, *more):
        out = subprocess.run([self.stint, "report", f"--view={view}", f"--group={group}", "--comm=nginx", "--limit=0",
                              "--format=json", *more, self.recording], capture_output=True, text=True, check=False)
        if out.returncode:
            raise RuntimeError(f"stint report: {out.stderr.strip()}")
        return json.loads(out.stdout)["rows"]

    def in_write(self, frames):
        # write(2) is how nginx writes logs, and nothing else: responses leave by writev, sendfile and send.
        return any(f["kernel"] and f["name"] in ("ksys_write", "__x64_sys_write") for f in frames)

    def in_log(self, frames):
        for f in frames:
            if f["kernel"]:
                continue
            if f["name"] in ERROR_LOG or f["name"].startswith("ngx_http_log_") and f["name"] != "ngx_http_log_request":
                return True
            offset = re.fullmatch(r"nginx\+0x([0-9a-f]+)", f["name"])
            if offset and self.log_range and self.log_range[0] <= int(offset.group(1), 16) < self.log_range[1]:
                return True
        return False


class Run:
    def __init__(self, options):
        self.options = options
        self.log_range = log_module_range(options.nginx)
        self.skipped = {}

    def measure(self, setting, recording):
        """Requests/s without the recorder, requests/s with it, and the shares."""
        options = self.options
        with tempfile.TemporaryDirectory(prefix="stint-nginx-") as directory:
            os.chmod(directory, 0o755)
            helper = None
            if setting.sync_fs:
                helper = SyncFileSystem(directory)
            elif setting.fifo_bytes_per_s:
                helper = SlowReader(f"{directory}/fifo", setting.fifo_bytes_per_s)
                helper.start()
            try:
                error_log = setting.error_log and setting.error_log.replace("DIR", directory)
                with load.Nginx(directory, options.workers, setting.http, setting.server, error_log,
                                options.nginx) as nginx:
                    try:
                        url = nginx.url(setting.path)
                        load.requests_per_second(load.start_wrk(url, 1, options.connections))
                        bare = load.requests_per_second(load.start_wrk(url, options.seconds, options.connections))
                        # Load before, during and after the recording, however long the recorder takes to start.
                        wrk = load.start_wrk(url, 600, options.connections)
                        try:
                            pids = ",".join(str(pid) for pid in nginx.workers())
                            time.sleep(0.5)
                            done = subprocess.run([options.recorder, "-p", pids, "-F", "997", "-d", str(options.seconds),
                                                   "-o", recording], capture_output=True, text=True, check=False)
                        finally:
                            wrk.send_signal(signal.SIGINT)  # it stops, and says what it measured
                            recorded = load.requests_per_second(wrk)
                        if done.returncode:
                            raise RuntimeError(f"stint-record: {done.stderr.strip()}")
                    finally:
                        if helper and setting.fifo_bytes_per_s:
                            helper.stop()
                            helper = None
            finally:
                if helper:
                    helper.stop()
        return bare, recorded, Shares(options.stint, recording, self.log_range)

    def all(self):
        results = {}
        for _ in range(self.options.rounds):
            for setting in SETTINGS:
                if self.options.only and not re.search(self.options.only, setting.name) or setting.name in self.skipped:
                    continue
                recording = os.path.join(self.options.keep, re.sub(r"[^a-z0-9]+", "-", setting.name.lower()) + ".stint")
                try:
                    results.setdefault(setting.name, []).append(self.measure(setting, recording))
                except load.Missing as missing:
                    self.skipped[setting.name] = str(missing)
                print(f"  {setting.name}: done", file=sys.stderr)
        return results


def table(results, skipped):
    bases = {s.name: s.base for s in SETTINGS}

    def median(name, pick):
        return statistics.median(pick(r) for r in results[name])

    print("| log setting | requests/s | of the same without log | while recorded | log writing, on-CPU | of it under write(2) |"
          " switch count | of blocking switches | switch duration | without epoll_wait | mean, µs |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name in results:
        base = bases[name] if bases[name] in results else name
        ratio = statistics.median(a[0] / b[0] for a, b in zip(results[name], results[base]))
        cells = [f"{median(name, lambda r: r[0]):,.0f}", f"{ratio * 100:.0f}%",
                 f"{median(name, lambda r: r[1]):,.0f}"]
        for pick in ("cpu_log", "cpu_write", "off_count", "off_count_blocked", "off_duration", "off_duration_busy"):
            cells.append(f"{median(name, lambda r, p=pick: getattr(r[2], p)) * 100:.1f}%")
        cells.append(f"{median(name, lambda r: r[2].write_mean_us):,.0f}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    for name, reason in skipped.items():
        print(f"\n{name}: left out: {reason}")


def parse_options():
    build = os.environ.get("STINT_BUILD", "build")
    build = build if os.path.isabs(build) else os.path.join(ROOT, build)
    parser = argparse.ArgumentParser(description="What writing a log costs nginx, on the CPU and off it.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each setting is measured, in turn")
    parser.add_argument("--seconds", type=int, default=4, help="of load for each figure")
    parser.add_argument("--workers", type=int, default=2, help="nginx's worker processes, which share one log file")
    parser.add_argument("--connections", type=int, default=32, help="wrk's connections")
    parser.add_argument("--only", help="settings whose name matches this")
    parser.add_argument("--keep", help="where the recordings are left (a temporary directory otherwise)")
    parser.add_argument("--nginx", default=os.environ.get("NGINX") or load.need("nginx"))
    parser.add_argument("--stint", default=f"{build}/stint")
    parser.add_argument("--recorder", default=f"{build}/stint-record")
    options = parser.parse_args()
    for program in (options.stint, options.recorder):
        if not os.access(program, os.X_OK):
            raise load.Missing(f"{program} isn't built (make builds it)")
    if os.geteuid() != 0:
        raise load.Missing("recording needs root")
    load.need("wrk")
    return options


def main():
    try:
        options = parse_options()
    except load.Missing as missing:
        print(f"nginx-log: {missing}", file=sys.stderr)
        return 4
    before = os.getloadavg()[0]
    keep = options.keep
    if keep:
        os.makedirs(keep, exist_ok=True)
    else:
        options.keep = tempfile.mkdtemp(prefix="stint-nginx-log-")
    try:
        run = Run(options)
        results = run.all()
    finally:
        if not keep:
            shutil.rmtree(options.keep)
    version = subprocess.run([options.nginx, "-v"], capture_output=True, text=True, check=False).stderr.strip()
    print(f"{time.strftime('%Y-%m-%d')}, Linux {platform.release()}, {os.cpu_count()} CPUs, {version}, {options.workers} "
          f"workers, wrk with {options.connections} connections on the same CPUs, medians of {options.rounds} rounds of "
          f"{options.seconds} s; load average before: {before:.1f}:\n")
    table(results, run.skipped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
