# SPDX-License-Identifier: MIT
"""Run by gdb: the chain of functions at each address of a file, printed like addr2line -ifa does.

gdb -batch -iex 'py addresses = "FILE"' -x gdb_chains.py PROGRAM
"""
import gdb


def places(pc):
    """(function, file:line), innermost first. gdb keeps an inlined function's call as the place of its symbol."""
    found = gdb.find_pc_line(pc)
    place = f"{found.symtab.filename}:{found.line}" if found.symtab else "??:0"
    block = gdb.block_for_pc(pc)
    while block is not None:
        function = block.function
        if function is not None:
            if not block.start <= pc < block.end:
                break  # the function in whose scope this one stands, not one that it is inlined into
            yield function.linkage_name or function.name, place
            place = f"{function.symtab.filename}:{function.line}" if function.symtab else "??:0"
        block = block.superblock


with open(addresses) as f:  # noqa: F821 (set on gdb's command line)
    for line in f:
        print(f"0x{int(line, 16):016x}")
        for name, place in places(int(line, 16)):
            print(name)
            print(place)
