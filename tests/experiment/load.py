# SPDX-License-Identifier: MIT
"""An nginx of our own on loopback, and wrk against it: for the experiment and the benchmark."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

CONFIG = """\
worker_processes {workers};
daemon off;
pid {dir}/nginx.pid;
error_log {error_log};
worker_rlimit_nofile 4096;
{user}
events {{ worker_connections 1024; }}
http {{
    default_type text/plain;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    keepalive_requests 100000000;
{http}
    server {{
        listen 127.0.0.1:{port};
        root {dir}/html;
{server}
    }}
}}
"""


class Missing(Exception):
    """A program that is needed and not installed."""


def need(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Missing(f"{name} isn't installed (make deps installs it)")
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx:
    """nginx with its own prefix in directory. http and server are lines of its configuration."""

    def __init__(self, directory, workers=2, http="    access_log off;", server="", error_log=None, binary=None):
        self.dir = directory
        self.port = free_port()
        self.binary = binary or os.environ.get("NGINX") or need("nginx")
        os.makedirs(f"{directory}/html", exist_ok=True)
        with open(f"{directory}/html/index.html", "w", encoding="ascii") as f:
            f.write("hello\n" * 40)
        with open(f"{directory}/html/text.txt", "w", encoding="ascii") as f:
            f.writelines(f"{i} the quick brown fox jumps over the lazy dog {i * 7919 % 1009}\n" for i in range(300))
        with open(f"{directory}/nginx.conf", "w", encoding="ascii") as f:
            f.write(CONFIG.format(dir=directory, workers=workers, port=self.port,
                                  user="user root;" if os.geteuid() == 0 else "",
                                  error_log=error_log or f"{directory}/error.log error",
                                  http=http.replace("DIR", directory), server=server.replace("DIR", directory)))
        self.process = None

    def __enter__(self):
        with open(f"{self.dir}/nginx.out", "wb") as out:
            self.process = subprocess.Popen([self.binary, "-p", self.dir, "-c", f"{self.dir}/nginx.conf"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        with open(f"{self.dir}/nginx.out", encoding="utf-8", errors="replace") as f:
            raise RuntimeError(f"nginx didn't start: {f.read()[:500]}")

    def __exit__(self, *_):
        workers = self.workers()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                # A worker may be stuck in a write to a full pipe: end those we know of, and only those.
                for pid in workers:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                self.process.kill()
                self.process.wait()

    def workers(self):
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
                return [int(pid) for pid in f.read().split()]
        except FileNotFoundError:
            return []

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"


def start_wrk(url, seconds, connections=16, threads=1):
    return subprocess.Popen([need("wrk"), f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout=5s", url],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def requests_per_second(wrk):
    """Waits for wrk and returns its figure; fails where there were errors."""
    out = wrk.communicate()[0]
    match = re.search(r"Requests/sec:\s*([\d.]+)", out)
    if not match:
        raise RuntimeError(f"wrk said: {out[:500]}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        raise RuntimeError(f"wrk saw {bad.group(1)} responses that were no success")
    return float(match.group(1))
