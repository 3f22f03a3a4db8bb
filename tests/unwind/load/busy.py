# SPDX-License-Identifier: MIT
"""Computes and sleeps in turns, in two threads, until it is killed."""
import json
import re
import threading
import time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def sorter():
    while True:
        time.sleep(0.001)
        sorted(range(300), key=lambda x: -x)


threading.Thread(target=sorter, daemon=True).start()
while True:
    fib(12)
    json.loads(json.dumps(list(range(200))))
    re.sub("1", "x", "1212" * 50)
    time.sleep(0.0005)
