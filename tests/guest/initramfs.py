#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packs a directory as an initramfs (newc cpio, gzip). usage: initramfs.py DIR OUT"""
import gzip
import os
import sys


def entry(number, name, mode, data=b""):
    name = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    out = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    out += b"\0" * (-len(out) % 4) + data
    return out + b"\0" * (-len(data) % 4)


def main():
    root, to = sys.argv[1:]
    number = 0
    with gzip.open(to, "wb", compresslevel=1) as out:
        for at, _, files in os.walk(root):
            below = os.path.relpath(at, root)
            number += 1
            if below != ".":
                out.write(entry(number, below, 0o40755))
            for name in files:
                number += 1
                with open(os.path.join(at, name), "rb") as file:
                    out.write(entry(number, os.path.normpath(os.path.join(below, name)), 0o100755, file.read()))
        out.write(entry(0, "TRAILER!!!", 0))


main()
