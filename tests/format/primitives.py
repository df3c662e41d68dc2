"""What both halves of the second reader (reader.py, sealed.py) are made of: numbers, texts, checksums,
codecs and JSON, as FORMAT.md has them under "Conventions" and "Codecs".
"""
import json
import struct
import zlib

import xxhash
import zstandard


class Refused(Exception):
    """The bytes are not what the format says."""


def require(condition, text):
    if not condition:
        raise Refused(text)


def make_crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC32C_TABLE = make_crc32c_table()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    table = CRC32C_TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def xxh3(data):
    return xxhash.xxh3_64_intdigest(data)


class Input:
    """Bytes that are read once, from the front, never beyond their end."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def bytes(self, count):
        require(count <= len(self.data) - self.at, 'ends too early')
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, layout):
        return struct.unpack('<' + layout, self.bytes(struct.calcsize('<' + layout)))[0]

    def varint(self):
        value = 0
        for position in range(10):
            byte = self.number('B')
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:
                require(value < 1 << 64, 'varint above 64 bits')
                return value
        raise Refused('varint of more than 10 bytes')

    def signed(self):
        value = self.varint()
        return value >> 1 if value & 1 == 0 else -((value + 1) >> 1)

    def text(self, limit):
        length = self.varint()
        require(length <= limit, 'text too long')
        data = self.bytes(length)
        require(b'\0' not in data, 'zero byte in a text')
        return data

    def rest(self):
        return self.bytes(len(self.data) - self.at)

    def end(self, what):
        require(self.at == len(self.data), f'{what}: bytes behind the end')


def decompress(codec, data, length):
    if codec == 0:
        out = data
    elif codec == 1:
        engine = zlib.decompressobj()
        try:
            out = engine.decompress(data, length + 1)
        except zlib.error as problem:
            raise Refused(f'zlib: {problem}') from None
        require(engine.eof and not engine.unused_data, 'zlib: not one whole stream')
    elif codec == 2:
        engine = zstandard.ZstdDecompressor().decompressobj()
        try:
            out = engine.decompress(data)
        except zstandard.ZstdError as problem:
            raise Refused(f'zstd: {problem}') from None
        require(not engine.unused_data, 'zstd: bytes behind the frame')
    else:
        raise Refused(f'unknown codec {codec}')
    require(len(out) == length, f'{len(out)} bytes after decompression instead of {length}')
    return out


def unique_members(pairs):
    names = [name for name, _ in pairs]
    require(len(names) == len(set(names)), 'a JSON member occurs twice')
    return dict(pairs)


def parse_json(data, what):
    try:
        value = json.loads(data.decode('utf-8'), object_pairs_hook=unique_members)
    except ValueError as problem:
        raise Refused(f'{what}: {problem}') from None
    require(isinstance(value, dict), f'{what}: not a JSON object')
    return value
