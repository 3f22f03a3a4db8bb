#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reads a stint recording by format/FORMAT.md alone, and prints each row as a line of JSON.

This is the second opinion on the format: it shares no code with the C reader, and is written to be
compared with the specification section by section, not to be fast.

    stint_ref.py FILE        rows to standard output, what is damaged to standard error

Exit status: 0 all was read, 1 something is damaged, 3 no recording or not readable by version 1.0.
Needs Debian's python3-zstandard and python3-xxhash.
"""

import json
import struct
import sys

import xxhash
import zstandard

MAX_FILE_HEADER_BYTES = 4096
MAX_BLOCK_BYTES = 16 << 20
MAX_BLOCK_ROWS = 65536
MAX_COLUMNS = 64
MAX_STRING_BYTES = 64 << 10
MAX_WINDOW_BYTES = 64 << 10
MAX_CODE_BYTES = 256 << 10
MAX_DICTIONARY_ROWS = 64 << 20

FILE_MAGIC = b"\x89STINT\r\n"
BLOCK_MAGIC = bytes.fromhex("73424C4B")
TRAILER_MAGIC = b"STINTEND"
BLOCK_HEADER = struct.Struct("<4sBBHIIIIQQQII")
FILE_HEADER = struct.Struct("<8sHHIQQ16sQQ")
INDEX = 127
MASK = (1 << 64) - 1

# Section "Tables": number, name, and columns by id as (name, bits); 0 bits for bytes.
TABLES = {
    1: ("string", {1: ("", 0)}),
    2: ("module", {1: ("kind", 32), 2: ("path_str", 32), 3: ("build_id_str", 32), 4: ("process", 32)}),
    3: ("process", {1: ("start_ns", 64), 2: ("image_ns", 64), 3: ("pid", 32), 4: ("ppid", 32),
                    5: ("image", 32), 6: ("exe_str", 32), 7: ("cmdline_str", 32),
                    8: ("cgroup_str", 32)}),
    4: ("thread", {1: ("start_ns", 64), 2: ("name_ns", 64), 3: ("process", 32), 4: ("tid", 32),
                   5: ("comm_str", 32)}),
    5: ("mapping", {1: ("from_ns", 64), 2: ("start", 64), 3: ("size_bytes", 64), 4: ("file_off", 64),
                    5: ("process", 32), 6: ("module", 32)}),
    6: ("frame", {1: ("addr", 64), 2: ("module", 32), 3: ("flags", 32)}),
    7: ("node", {1: ("parent", 32), 2: ("frame", 32)}),
    8: ("stack", {1: ("leaf", 32), 2: ("n_kernel", 32), 3: ("user_end", 32), 4: ("kernel_end", 32)}),
    9: ("source", {1: ("name_str", 32), 2: ("unit_str", 32), 3: ("freq_hz", 64)}),
    32: ("sample", {1: ("time_ns", 64), 2: ("weight", 64), 3: ("value", 64), 4: ("cpu", 32),
                    5: ("thread", 32), 6: ("stack", 32), 7: ("source", 32)}),
    33: ("off-cpu", {1: ("start_ns", 64), 2: ("wake_ns", 64), 3: ("end_ns", 64), 4: ("flags", 32),
                     5: ("cpu", 32), 6: ("cpu_out", 32), 7: ("thread", 32), 8: ("state", 32),
                     9: ("syscall", 32), 10: ("stack", 32), 11: ("waker", 32),
                     12: ("waker_stack", 32), 13: ("start_ref", 32)}),
    34: ("task", {1: ("time_ns", 64), 2: ("kind", 32), 3: ("thread", 32), 4: ("other", 32)}),
    64: ("loss", {1: ("from_ns", 64), 2: ("to_ns", 64), 3: ("count", 64), 4: ("cause", 32),
                  5: ("of_table", 32)}),
    65: ("clock", {1: ("monotonic_ns", 64), 2: ("realtime_ns", 64)}),
    66: ("total", {1: ("time_ns", 64), 2: ("seen", 64), 3: ("of_table", 32), 4: ("final", 32)}),
    67: ("meta", {1: ("key_str", 32), 2: ("value_str", 32)}),
    68: ("window", {1: ("time_ns", 64), 2: ("stack", 32), 3: ("process", 32), 4: ("ip", 64),
                    **{5 + i: (f"reg{i}", 64) for i in range(16)}, 21: ("bytes", 0)}),
    96: ("symbol", {1: ("addr", 64), 2: ("size_bytes", 64), 3: ("from_ns", 64), 4: ("module", 32),
                    5: ("name_str", 32)}),
    97: ("chain", {1: ("frame", 32), 2: ("level", 32), 3: ("name_str", 32), 4: ("file_str", 32),
                   5: ("line", 32), 6: ("flags", 32), 7: ("elf_bias", 64), 8: ("func_off", 32)}),
    98: ("symbol-source", {1: ("module", 32), 2: ("from_str", 32), 3: ("why_str", 32)}),
    99: ("unwound", {1: ("stack", 32), 2: ("as_stack", 32)}),
    100: ("code", {1: ("addr", 64), 2: ("size_bytes", 64), 3: ("module", 32), 4: ("bytes", 0)}),
    127: ("index", {1: ("file_off", 64), 2: ("t_min_ns", 64), 3: ("t_max_ns", 64), 4: ("table", 32),
                    5: ("n_rows", 32), 6: ("first_id", 32), 7: ("stored_bytes", 32),
                    8: ("raw_bytes", 32), 9: ("seq", 32), 10: ("codec", 32), 11: ("flags", 32)}),
}
# The most bytes of a row, where it isn't MAX_STRING_BYTES.
MAX_BYTES = {68: MAX_WINDOW_BYTES, 100: MAX_CODE_BYTES}
WOKEN = 16


class Damage(Exception):
    """Something that breaks a rule; only what it is in can't be read."""


class Refused(Exception):
    """The whole file can't be read."""


def xxh3(data):
    return xxhash.xxh3_64_intdigest(data)


class Cursor:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def bytes(self, size):
        if size > len(self.data) - self.at:
            raise Damage("bytes are missing")
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self):
        return self.bytes(1)[0]

    def varint(self):
        value = 0
        for i in range(10):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                if value > MASK:
                    raise Damage("varint of more than 64 bits")
                return value
        raise Damage("varint of more than 10 bytes")

    def done(self):
        return self.at == len(self.data)


class Block:
    """Section "Blocks"."""

    def __init__(self, data, off):
        if len(data) - off < BLOCK_HEADER.size:
            raise Damage("the file ends within a header")
        (magic, self.table, self.codec, self.flags, self.stored_bytes, self.raw_bytes, self.seq,
         self.n_rows, self.t_min_ns, self.t_max_ns, self.payload_check, self.first_id,
         check) = BLOCK_HEADER.unpack_from(data, off)
        if magic != BLOCK_MAGIC:
            raise Damage("no magic")
        if check != xxh3(data[off:off + 52]) & 0xFFFFFFFF:
            raise Damage("header's check is wrong")
        if self.stored_bytes > MAX_BLOCK_BYTES or self.raw_bytes > MAX_BLOCK_BYTES:
            raise Damage("over MAX_BLOCK_BYTES")
        if self.table in TABLES:
            if self.n_rows > MAX_BLOCK_ROWS:
                raise Damage("over MAX_BLOCK_ROWS")
            if (self.first_id != 0) != self.is_dictionary():
                raise Damage("first_id doesn't suit the table")
            if self.is_dictionary() and self.first_id + self.n_rows - 1 > MAX_DICTIONARY_ROWS:
                raise Damage("over MAX_DICTIONARY_ROWS")
        self.off = off
        self.payload_off = off + BLOCK_HEADER.size
        self.end = self.payload_off + self.stored_bytes
        if self.end > len(data):
            raise Damage("the file ends within a payload")
        self.data = data

    def is_dictionary(self):
        return self.table < 32

    def payload_is_whole(self):
        return xxh3(self.data[self.payload_off:self.end]) == self.payload_check

    def raw(self):
        payload = self.data[self.payload_off:self.end]
        if not self.payload_is_whole():
            raise Damage("payload's check is wrong")
        if self.codec == 0:
            raw = payload
        elif self.codec == 1:
            try:
                decompressor = zstandard.ZstdDecompressor().decompressobj()
                raw = decompressor.decompress(payload)
            except zstandard.ZstdError as error:
                raise Damage(str(error)) from error
            if decompressor.unused_data or not frame_is_whole(payload, raw):
                raise Damage("not exactly one zstd frame")
        else:
            raise Damage("unknown codec")
        if len(raw) != self.raw_bytes:
            raise Damage("content isn't raw_bytes long")
        return raw


def frame_is_whole(payload, raw):
    """decompressobj gives what it has of a frame that is cut off; the frame's own size tells."""
    try:
        return len(zstandard.ZstdDecompressor().decompress(payload, max_output_size=len(raw) or 1)) == len(raw)
    except zstandard.ZstdError:
        return False


def unpack(cur, packing, width, n_rows, max_bytes):
    """Section "Payload": packings. Returns values, or byte strings for a blob."""
    if packing == 0:
        return [cur.varint() for _ in range(n_rows)]
    if packing == 1:
        if not 1 <= width <= 8:
            raise Damage("planes of an impossible width")
        planes = [cur.bytes(n_rows) for _ in range(width)]
        return [int.from_bytes(bytes(value), "little") for value in zip(*planes)]
    if packing == 2:
        return [cur.varint()] * n_rows
    if packing == 3:
        sizes = [cur.varint() for _ in range(n_rows)]
        if any(size > max_bytes for size in sizes):
            raise Damage("more bytes in a row than the table allows")
        return [cur.bytes(size) for size in sizes]
    raise Damage("unknown packing")


def untransform(values, transform):
    if transform == 0:
        return values
    if transform != 1:
        raise Damage("unknown transform")
    result, previous = [], 0
    for value in values:
        difference = value // 2 if value % 2 == 0 else -(value + 1) // 2
        previous = (previous + difference) & MASK
        result.append(previous)
    return result


def decode_container(cur, table, n_rows):
    """Returns the rows as dicts of every column of the table; strings as {"": bytes}."""
    columns = TABLES[table][1]
    max_bytes = MAX_BYTES.get(table, MAX_STRING_BYTES)
    values = {name: [0 if bits else b""] * n_rows for name, bits in columns.values()}
    directory = []
    n_columns = cur.varint()
    if n_columns > MAX_COLUMNS:
        raise Damage("over MAX_COLUMNS")
    for _ in range(n_columns):
        column_id = cur.varint()
        encoding = cur.u8()
        transform, packing = encoding & 15, encoding >> 4
        width = cur.u8() if packing == 1 else 0
        directory.append((column_id, transform, packing, width, cur.varint()))
    seen = set()
    for column_id, transform, packing, width, size_bytes in directory:
        column = Cursor(cur.bytes(size_bytes))
        if column_id not in columns:
            continue
        if column_id in seen:
            raise Damage("a column is there twice")
        seen.add(column_id)
        name, bits = columns[column_id]
        if (packing == 3) != (bits == 0) or (bits == 0 and transform != 0):
            raise Damage("strings and integers are mixed up")
        result = untransform(unpack(column, packing, width, n_rows, max_bytes), transform)
        if not column.done():
            raise Damage("a column is too long")
        if bits and any(value >> bits for value in result):
            raise Damage("a value doesn't fit its field")
        values[name] = result
    return [dict(zip(values, row)) for row in zip(*values.values())]


def resolve_off_cpu(rows):
    """Section "Off-CPU intervals"."""
    for i, row in enumerate(rows):
        start_ref = row.pop("start_ref")
        if start_ref > i:
            raise Damage("start_ref is in front of the block")
        if start_ref:
            row["start_ns"] = rows[i - start_ref]["end_ns"]
        else:
            row["start_ns"] = (row["end_ns"] - row["start_ns"]) & MASK
        row["wake_ns"] = (row["end_ns"] - row["wake_ns"]) & MASK if row["flags"] & WOKEN else 0


def decode_block(block):
    cur = Cursor(block.raw())
    rows = decode_container(cur, block.table, block.n_rows)
    if not cur.done():
        raise Damage("bytes behind the last column")
    if block.table == 33:
        resolve_off_cpu(rows)
    return rows


class Recording:
    def __init__(self, data):
        self.data = data
        self.damage = []
        self.header_bytes = self.read_file_header()
        try:
            self.blocks = self.by_index()
        except Damage:
            self.blocks = self.by_scan()
        if self.damage and self.damage[0].startswith("file header") and not self.blocks:
            raise Refused("not a stint recording")
        for block in self.blocks:
            if block.table not in TABLES and block.flags & 1:
                raise Refused("unknown critical block")

    def read_file_header(self):
        if len(self.data) < FILE_HEADER.size:
            self.damage.append("file header is cut off")
            return FILE_HEADER.size
        magic, major, _, header_bytes, _, incompat, _, _, check = FILE_HEADER.unpack_from(self.data)
        if (magic != FILE_MAGIC or check != xxh3(self.data[:56])
                or not 64 <= header_bytes <= MAX_FILE_HEADER_BYTES):
            self.damage.append("file header is damaged")
            return FILE_HEADER.size
        if major != 1:
            raise Refused("unknown major version")
        if incompat:
            raise Refused("unknown incompatible feature")
        return header_bytes

    def by_index(self):
        """Section "Index". Returns all blocks but index blocks."""
        data, end, blocks = self.data, len(self.data), []
        if data[-8:] != TRAILER_MAGIC:
            raise Damage("no index")
        off = int.from_bytes(data[-16:-8], "little")
        while True:
            index = Block(data, off)
            if index.table != INDEX or index.codec != 0 or index.end != end:
                raise Damage("not an index block at the right place")
            cur = Cursor(index.raw())
            entries = decode_container(cur, INDEX, index.n_rows)
            if cur.bytes(16) != struct.pack("<Q8s", off, TRAILER_MAGIC) or not cur.done():
                raise Damage("the trailer is wrong")
            found = self.by_entries(entries, off)
            if found and found[0].table == INDEX:
                blocks = found[1:] + blocks
                off, end = found[0].off, found[0].end
                continue
            if (found[0].off if found else off) != self.header_bytes:
                raise Damage("the index doesn't begin at the first block")
            return found + blocks

    def by_entries(self, entries, end):
        """Checks that the entries tell the truth, which stint itself only does as it reads a block."""
        blocks = []
        for i, entry in enumerate(entries):
            after = entries[i + 1]["file_off"] if i + 1 < len(entries) else end
            try:
                block = Block(self.data, entry["file_off"])
            except Damage:
                block = None
            if entry["file_off"] + 56 + entry["stored_bytes"] != after:
                raise Damage("entries don't lie end to end")
            if entry["table"] == INDEX and i:
                raise Damage("an index in the middle of an index")
            if block is None or any(getattr(block, name) != value for name, value in entry.items()
                                    if name != "file_off"):
                block = LostBlock(entry)
            blocks.append(block)
        return blocks

    def by_scan(self):
        """Section "Damage". Returns all blocks but index blocks."""
        data, off, blocks, last = self.data, self.header_bytes, [], None
        while off < len(data):
            try:
                last = Block(data, off)
                blocks.append(last)
                off = last.end
                continue
            except Damage as why:
                self.damage.append(f"{off}: {why}")
            off += 1
            if last and not last.payload_is_whole():
                off = last.payload_off
            last = None
            while True:
                off = data.find(BLOCK_MAGIC, off)
                if off < 0:
                    off = len(data)
                    break
                try:
                    Block(data, off)
                    break
                except Damage:
                    off += 1
        return [block for block in blocks if block.table != INDEX]


class LostBlock:
    """A block that the index knows, but whose header is damaged."""

    def __init__(self, entry):
        self.table = entry["table"]
        self.flags = entry["flags"]
        self.off = entry["file_off"]
        self.end = self.off + 56 + entry["stored_bytes"]
        self.n_rows = self.first_id = 0

    def raw(self):
        raise Damage("the header is damaged")

    def is_dictionary(self):
        return self.table < 32


def dump(recording, out):
    """Prints every row. Returns whether a block was damaged."""
    damaged = False
    for i, block in enumerate(recording.blocks):
        if block.table not in TABLES:
            continue
        try:
            rows = decode_block(block)
        except Damage as why:
            print(f"block {i}: {why}", file=sys.stderr)
            damaged = True
            continue
        for n, row in enumerate(rows):
            line = {"block": i, "table": TABLES[block.table][0]}
            if block.is_dictionary():
                line["id"] = block.first_id + n
            for name, value in row.items():
                line[name or "hex"] = value.hex() if isinstance(value, bytes) else value
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    return damaged


def main():
    if len(sys.argv) != 2:
        print("usage: stint_ref.py FILE", file=sys.stderr)
        return 2
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    try:
        recording = Recording(data)
    except Refused as why:
        print(f"{sys.argv[1]}: {why}", file=sys.stderr)
        return 3
    for why in recording.damage:
        print(why, file=sys.stderr)
    damaged = dump(recording, sys.stdout)
    return 1 if damaged or recording.damage else 0


if __name__ == "__main__":
    sys.exit(main())
