#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""sleepers.py N COMMAND…: starts N processes of python3, perl, bash and the command, that say a line once they are ready
and sleep until their standard input ends. Says "ready" once all of them have, and stays until its own ends. They end
with it, however that ends."""
import os
import subprocess
import sys

# Copies of themselves by fork(): starting so many programs takes longer than what is to be measured.
PYTHON = """import os, sys
for i in range(int(sys.argv[1]) - 1):
    if os.fork() == 0:
        break
os.write(1, b"ready\\n")
sys.stdin.read()"""
PERL = 'for (2 .. $ARGV[0]) { last unless fork } syswrite STDOUT, "ready\\n"; sysread STDIN, $_, 1'
BASH = 'for ((i = 1; i < $0; i++)); do { echo ready; read -r; } <&0 & done; echo ready; read -r'
N_COMMANDS = 20


def main():
    n = int(sys.argv[1])
    n_each = (n - N_COMMANDS) // 3
    rest = n - N_COMMANDS - 2 * n_each
    commands = [["/usr/bin/python3", "-ISc", PYTHON, str(rest)], ["/usr/bin/perl", "-e", PERL, str(n_each)],
                ["/bin/bash", "--norc", "-c", BASH, str(n_each)]] + N_COMMANDS * [sys.argv[2:]]
    stay, our_end = os.pipe()
    said, says = os.pipe()
    started = [subprocess.Popen(command, stdin=stay, stdout=says) for command in commands]
    os.close(says)
    os.close(stay)
    n_ready = 0
    with open(said, encoding="ascii") as lines:
        while n_ready < n:
            line = lines.readline()
            if not line:
                return 1
            n_ready += "ready" in line
        print("ready", flush=True)
        sys.stdin.read()
    os.close(our_end)
    for process in started:
        process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
