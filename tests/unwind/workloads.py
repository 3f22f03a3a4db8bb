# SPDX-License-Identifier: MIT
"""Starts the programs whose stacks are to be measured, each under a load, and ends them."""

import collections
import glob
import os
import shutil
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
LOAD = os.path.join(HERE, "load")

NGINX = """
daemon off; worker_processes 2; pid {d}/nginx.pid; error_log {d}/error.log; user nobody nogroup;
events {{ worker_connections 512; }}
http {{
    access_log {d}/access.log; gzip on; gzip_types text/plain;
    client_body_temp_path {d}/1; proxy_temp_path {d}/2; fastcgi_temp_path {d}/3; uwsgi_temp_path {d}/4;
    scgi_temp_path {d}/5;
    server {{ listen 127.0.0.1:{port}; root {d}; }}
}}
"""

# Whose threads count, and how to start it: a function of a Place.
Workload = collections.namedtuple("Workload", "comms start needs")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Place:
    """A directory of its own, and the processes that were started."""

    def __init__(self, directory):
        self.directory, self.procs = directory, []

    def spawn(self, *command, user=None, cwd=None):
        if user:
            command = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--reset-env", *command)
        self.procs.append(subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd,
            start_new_session=True))
        return self.procs[-1]

    def run(self, *command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_for(self, what, condition):
        for _ in range(400):
            if condition():
                return
            if self.procs[-1].poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"{what} didn't come up")

    def end(self):
        for proc in reversed(self.procs):
            try:
                os.killpg(proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            proc.wait()


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def nginx(place):
    d, port = place.directory, free_port()
    os.chmod(d, 0o755)
    with open(f"{d}/index.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{i} the quick brown fox jumps over the lazy dog\n" for i in range(400))
    with open(f"{d}/nginx.conf", "w", encoding="utf-8") as file:
        file.write(NGINX.format(d=d, port=port))
    server = place.spawn("nginx", "-p", d, "-c", f"{d}/nginx.conf")
    place.wait_for("nginx", lambda: answers(port))
    place.spawn("wrk", "-t1", "-c16", "-d600", "-H", "Accept-Encoding: gzip", f"http://127.0.0.1:{port}/index.txt")
    return server


def postgres(place):
    d, port = place.directory, free_port()
    os.chmod(d, 0o755)
    binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--reset-env"]
    os.mkdir(f"{d}/pg")
    shutil.chown(f"{d}/pg", "nobody")
    place.run(*as_nobody, f"{binaries}/initdb", "-N", "-D", f"{d}/pg", "-A", "trust", "-U", "postgres")
    server = place.spawn(*as_nobody, f"{binaries}/postgres", "-D", f"{d}/pg", "-p", str(port), "-k", f"{d}/pg",
                         "-h", "127.0.0.1", "-F")
    ready = [f"{binaries}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    place.wait_for("postgres", lambda: subprocess.run(ready, check=False).returncode == 0)
    bench = [f"{binaries}/pgbench", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    place.run(*bench, "-i", "-s", "1", "postgres")
    place.spawn(*bench, "-c", "4", "-T", "600", "postgres")
    return server


def redis(place):
    port = free_port()
    server = place.spawn("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir",
                         place.directory)
    place.wait_for("redis-server", lambda: answers(port))
    place.spawn("redis-benchmark", "-p", str(port), "-l", "-q", "-c", "20", "-n", "100000")
    return server


def script(*command):
    return lambda place: place.spawn(*command)


def built(command):
    """A program that is compiled first, to {d}/busy."""
    def start(place):
        subprocess.run(command.format(d=place.directory, load=LOAD), shell=True, check=True,
                       env={**os.environ, "GOCACHE": place.directory + "/cache", "GO111MODULE": "off"})
        return place.spawn(f"{place.directory}/busy")
    return start


def compiling(compiler):
    return lambda place: place.spawn("bash", f"{LOAD}/compile.bash", compiler, *sorted(glob.glob(f"{ROOT}/format/*.c")),
                                     cwd=ROOT)


WORKLOADS = {
    "nginx": Workload({"nginx"}, nginx, ["nginx", "wrk"]),
    "postgres": Workload({"postgres"}, postgres, ["pgbench"]),
    "redis": Workload({"redis-server"}, redis, ["redis-server", "redis-benchmark"]),
    "python3": Workload({"python3"}, script("/usr/bin/python3", f"{LOAD}/busy.py"), ["/usr/bin/python3"]),
    "perl": Workload({"perl"}, script("perl", f"{LOAD}/busy.pl"), ["perl"]),
    "bash": Workload({"bash", "busy.bash", "tr"}, script("bash", f"{LOAD}/busy.bash"), ["bash"]),
    "gcc": Workload({"cc1", "as", "gcc"}, compiling("gcc"), ["gcc"]),
    "clang": Workload({"clang-14", "clang"}, compiling("clang-14"), ["clang-14"]),
    "go": Workload({"busy"}, built("go build -o {d}/busy {load}/busy.go"), ["go"]),
    "go-stripped": Workload({"busy"}, built(
        "go build -o {d}/busy.debug {load}/busy.go && go build -ldflags='-s -w' -o {d}/busy {load}/busy.go"), ["go"]),
    "rust": Workload({"busy"}, built("rustc -O -o {d}/busy {load}/busy.rs"), ["rustc"]),
    "node": Workload({"node"}, script("node", f"{LOAD}/busy.js"), ["node"]),
}


def descendants(pid):
    """The process and those it has started, as they are now."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        for path in glob.glob(f"/proc/{found[-1]}/task/*/children"):
            try:
                with open(path, encoding="utf-8") as file:
                    todo.extend(int(p) for p in file.read().split())
            except OSError:
                pass
    return found
