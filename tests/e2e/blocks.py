# SPDX-License-Identifier: MIT
"""Where the blocks of a recording lie, by their headers alone (format/FORMAT.md), for tests that damage files."""
import struct

FILE_MAGIC = b"\x89STINT\r\n"
BLOCK_HEADER_BYTES = 56
SAMPLE, OFFCPU, INDEX = 32, 33, 127
TABLE_OF = {"sample": SAMPLE, "offcpu": OFFCPU}


class Block:
    def __init__(self, data, off):
        magic, self.table, _, _, self.stored_bytes, _, _, self.n_rows = struct.unpack_from("<IBBHIIII", data, off)
        if magic != 0x4B4C4273:
            raise ValueError(f"no block at offset {off}")
        self.off = off
        self.end = off + BLOCK_HEADER_BYTES + self.stored_bytes


def read_blocks(data):
    """The blocks of a whole, undamaged recording, in order, and the size of the file's header."""
    if data[:8] != FILE_MAGIC:
        raise ValueError("no recording")
    off = struct.unpack_from("<I", data, 12)[0]
    header_bytes = off
    blocks = []
    while off + BLOCK_HEADER_BYTES <= len(data) and data[off:off + 4] == b"sBLK":
        block = Block(data, off)
        blocks.append(block)
        off = block.end
    return blocks, header_bytes
