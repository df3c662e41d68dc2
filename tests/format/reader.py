#!/usr/bin/python3
"""A second reader of the repository format, written from src/repository/FORMAT.md alone.

    reader.py list REPOSITORY
    reader.py check REPOSITORY
    reader.py restore REPOSITORY SNAPSHOT DIRECTORY

REPOSITORY is a local directory. `check` reads everything that manifests name, and all WAL; `restore` writes the
files of one snapshot below DIRECTORY, tablespaces in place of their links. Whatever FORMAT.md says
a reader must refuse ends the program with status 4 and one line on stderr.

It shares no code with the program on purpose: where the two disagree, FORMAT.md decides.
"""
import hashlib
import json
import os
import re
import struct
import sys
import zlib

import xxhash
import zstandard

BLOCK = 8192
OBJECT_MAX = 128 << 20
FEATURES = set()
ENVELOPE_BYTES, WRITER_BYTES, TRAILER_BYTES, HASH_BYTES = 32, 8, 32, 32
KIND_PACK, KIND_MANIFEST, KIND_WAL = 1, 2, 3
WAL_MAX, WAL_FRAME = 64 << 20, 256 << 10
FLAG_LSN, FLAG_HASHES, FLAG_CRC = 1, 2, 4
MANIFEST_NAME = re.compile(r'[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-([0-9a-f]{16})\.manifest')


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


class Repository:
    def __init__(self, directory):
        self.directory = directory
        head = self.read('mainstay.json')
        require(len(head) <= 65536, 'mainstay.json is too large')
        head = parse_json(head, 'mainstay.json')
        require(head.get('format') == 'mainstay-repository', 'not a repository')
        require(head.get('version') == 1, 'unknown version of the repository')
        unknown = set(head['features']) - FEATURES
        require(not unknown, f'unknown features: {sorted(unknown)}')
        require(head.get('cipher') == 'none', 'unknown cipher')
        require(head.get('key_slots') == [], 'key slots without a cipher')
        require(re.fullmatch('[0-9a-f]{32}', head['id']), 'id of the repository')
        self.id = bytes.fromhex(head['id'])

    def read(self, key):
        with open(os.path.join(self.directory, key), 'rb') as file:
            return file.read(OBJECT_MAX + 1)

    def snapshots(self):
        """Names of manifests in order of time: key without directory and extension."""
        names = sorted(os.listdir(os.path.join(self.directory, 'snapshots')))
        return [name[:-len('.manifest')] for name in names if MANIFEST_NAME.fullmatch(name)]

    def wal(self):
        """Names of chunks below wal/"""
        top = os.path.join(self.directory, 'wal')
        return sorted(f'{timeline}/{name}'
                      for timeline in (os.listdir(top) if os.path.isdir(top) else [])
                      for name in os.listdir(os.path.join(top, timeline)) if name.endswith('.wal'))

    def check_envelope(self, data, kind):
        require(data[:8] == b'MAINSTAY', 'no envelope')
        require(data[8] == 1, f'format version {data[8]}')
        require(data[9] == kind, f'object of kind {data[9]}')
        require(data[10] == 0, f'cipher {data[10]}')
        require(data[11] == 0, 'key slot without a cipher')
        require(data[12:16] == bytes(4), 'reserved field of the envelope')
        require(data[16:32] == self.id, 'belongs to another repository')


class Pack:
    """All pages of a pack, checked."""

    def __init__(self, repository, name):
        data = repository.read(f'packs/{name[:2]}/{name}.pack')
        try:
            self.size = len(data)
            require(self.size <= OBJECT_MAX, 'too large')
            require(self.size >= ENVELOPE_BYTES + WRITER_BYTES + TRAILER_BYTES, 'too small')
            require(hashlib.sha256(data).hexdigest() == name, 'SHA-256 is not the name')
            repository.check_envelope(data, KIND_PACK)
            self.parse(data)
        except Refused as problem:
            raise Refused(f'pack {name}: {problem}') from None

    def parse(self, data):
        trailer = Input(data[-TRAILER_BYTES:])
        index_at, self.index_bytes = trailer.number('Q'), trailer.number('I')
        page_count, index_hash = trailer.number('I'), trailer.number('Q')
        require(trailer.bytes(8) == b'MSPACKED', 'no trailer')
        require(index_at + self.index_bytes == len(data) - TRAILER_BYTES, 'index and trailer')
        require(page_count <= 65536, 'too many pages')
        index = data[index_at:index_at + self.index_bytes]
        require(xxh3(index) == index_hash, 'damaged index')
        index = Input(index)
        frames = []
        for _ in range(index.varint()):
            codec, pages, length = index.number('B'), index.number('B'), index.varint()
            require(1 <= pages <= 32, 'pages of a frame')
            require(1 <= length <= 524288, 'length of a frame')
            frames.append((codec, pages, length))
        require(sum(pages for _, pages, _ in frames) == page_count, 'page counts')
        hashes = [index.number('Q') for _ in range(page_count)]
        index.end('index')
        self.pages = []
        at = ENVELOPE_BYTES + WRITER_BYTES
        require(at + sum(length for _, _, length in frames) == index_at, 'frames and index')
        for codec, pages, length in frames:
            content = decompress(codec, data[at:at + length], pages * BLOCK)
            at += length
            self.pages += [content[i:i + BLOCK] for i in range(0, len(content), BLOCK)]
        for ordinal, page in enumerate(self.pages):
            require(xxh3(page) == hashes[ordinal], f'page {ordinal} is damaged')


class Entry:
    def __init__(self, source):
        kind = source.number('B')
        require(kind in (1, 2), f'entry of kind {kind}')
        self.is_file = kind == 1
        self.path = source.text(1023)
        self.mode = source.varint()
        self.modified = source.signed()
        check_path(self.path)
        require(self.mode <= 0o7777, 'permission bits')
        self.size, self.flags, self.crc, self.map, self.hashes = 0, 0, None, b'', None
        if not self.is_file:
            return
        self.size = source.varint()
        self.flags = source.number('B')
        require(self.flags & ~7 == 0, 'unknown flags of a file')
        if self.flags & FLAG_CRC:
            self.crc = source.number('I')
        self.map = source.bytes(source.varint())
        if self.flags & FLAG_HASHES:
            self.hashes = source.bytes(16 * self.blocks())

    def blocks(self):
        return -(-self.size // BLOCK)

    def runs(self, packs):
        """(number of blocks, pack number or None, first ordinal)"""
        source = Input(self.map)
        blocks, expected = 0, 0
        while blocks < self.blocks():
            head = source.varint()
            count, stored = head >> 1, head & 1
            require(count > 0, 'empty run')
            blocks += count
            if not stored:
                yield count, None, 0
                continue
            number = source.varint()
            require(number < len(packs), 'run in an unknown pack')
            first = expected + source.signed()
            require(0 <= first and first + count <= packs[number].pages, 'ordinal not in the pack')
            expected = first + count
            yield count, number, first
        require(blocks == self.blocks(), 'page map covers too much')
        source.end('page map')


def check_path(path):
    require(path, 'empty path')
    require(not re.search(rb'[\x00-\x1f\x7f\\]', path), 'control character or backslash in a path')
    for part in path.split(b'/'):
        require(part not in (b'', b'.', b'..'), 'unsafe path')


class PackRow:
    def __init__(self, source):
        self.name = source.bytes(HASH_BYTES).hex()
        self.size, self.index_bytes, self.pages = (source.varint(), source.varint(),
                                                   source.varint())


class Manifest:
    def __init__(self, repository, name):
        self.repository = repository
        try:
            self.parse(repository.read(f'snapshots/{name}.manifest'))
            require(self.summary['id'] == name.split('-')[1], 'id is not that of the key')
        except Refused as problem:
            raise Refused(f'manifest {name}: {problem}') from None

    def parse(self, data):
        require(len(data) > ENVELOPE_BYTES + HASH_BYTES, 'too small')
        self.repository.check_envelope(data, KIND_MANIFEST)
        require(hashlib.sha256(data[:-HASH_BYTES]).digest() == data[-HASH_BYTES:], 'SHA-256')
        source = Input(data[ENVELOPE_BYTES:-HASH_BYTES])
        summary = source.bytes(source.number('I'))
        require(xxh3(summary) == source.number('Q'), 'damaged summary')
        self.summary = parse_json(summary, 'summary')
        codec, length, stored = source.number('B'), source.number('Q'), source.number('Q')
        body = decompress(codec, source.bytes(stored), length)
        source.end('manifest')
        self.parse_body(Input(body))

    def parse_body(self, source):
        self.packs = [PackRow(source) for _ in range(source.varint())]
        self.entries = []
        for _ in range(source.varint()):
            entry = Entry(source)
            require(not self.entries or self.entries[-1].path < entry.path, 'order of entries')
            for _ in entry.runs(self.packs):
                pass
            self.entries.append(entry)
        source.end('body')


class Chunk:
    """WAL of one timeline; start and end come from the name, the bytes when they are asked for."""

    NAME = re.compile(r'([0-9a-f]{8})/([0-9a-f]{16})-([0-9a-f]{16})\.wal')

    def __init__(self, repository, name):
        match = self.NAME.fullmatch(name)
        require(match, f'name of a WAL chunk: {name}')
        self.repository, self.name = repository, name
        self.timeline, self.start, self.end = (int(part, 16) for part in match.groups())
        require(self.timeline > 0 and 0 < self.end - self.start <= WAL_MAX, f'WAL chunk {name}')

    def read(self, system, segment_bytes):
        try:
            return self.parse(self.repository.read(f'wal/{self.name}'), system, segment_bytes)
        except Refused as problem:
            raise Refused(f'WAL chunk {self.name}: {problem}') from None

    def parse(self, data, system, segment_bytes):
        length = self.end - self.start
        count = -(-length // WAL_FRAME)
        head_bytes = 72 + 16 * count
        require(len(data) >= head_bytes + HASH_BYTES, 'too small')
        self.repository.check_envelope(data, KIND_WAL)
        require(hashlib.sha256(data[:-HASH_BYTES]).digest() == data[-HASH_BYTES:], 'SHA-256')
        source = Input(data[ENVELOPE_BYTES:head_bytes])
        require(source.number('Q') == system, 'another system')
        require(source.number('I') == self.timeline, 'another timeline')
        require(source.number('I') == segment_bytes, 'another segment size')
        require((source.number('Q'), source.number('Q')) == (self.start, self.end), 'other LSNs')
        frames = [(source.number('I'), source.number('I'), source.number('Q'))
                  for _ in range(count)]
        require(xxh3(data[:head_bytes - 8]) == source.number('Q'), 'damaged head')
        wal, at = b'', head_bytes
        for number, (codec, stored, digest) in enumerate(frames):
            require(0 < stored <= WAL_FRAME, 'length of a frame')
            piece = decompress(codec, data[at:at + stored],
                               min(WAL_FRAME, length - number * WAL_FRAME))
            require(xxh3(piece) == digest, f'frame {number} is damaged')
            wal, at = wal + piece, at + stored
        require(at == len(data) - HASH_BYTES, 'frames and SHA-256')
        return wal


class Archive:
    """The WAL that a snapshot without its own relies on."""

    def __init__(self, repository, summary):
        self.chunks = [Chunk(repository, name) for name in repository.wal()]
        self.system = int(summary['system_identifier'])
        self.segment_bytes = summary['wal_segment_bytes']
        ranges = summary['wal_ranges'] or [{'timeline': summary['timeline'],
                                            'start_lsn': summary['start_lsn'],
                                            'end_lsn': summary['stop_lsn']}]
        self.ranges = [] if summary['wal_included'] else [
            (row['timeline'], lsn(row['start_lsn']) // self.segment_bytes * self.segment_bytes,
             lsn(row['end_lsn'])) for row in ranges]

    def wal(self, timeline, start, end):
        out = b''
        while start + len(out) < end:
            here = start + len(out)
            holding = [chunk for chunk in self.chunks
                       if chunk.timeline == timeline and chunk.start <= here < chunk.end]
            require(holding, f'WAL at {here:X} of timeline {timeline} is missing')
            chunk = max(holding, key=lambda chunk: chunk.end)
            out += chunk.read(self.system, self.segment_bytes)[here - chunk.start:]
        return out[:end - start]

    def segments(self):
        """(name, content) of each segment file"""
        per_id = (1 << 32) // self.segment_bytes
        for timeline, start, end in self.ranges:
            wal = self.wal(timeline, start, end)
            for at in range(0, len(wal), self.segment_bytes):
                number = (start + at) // self.segment_bytes
                yield (f'{timeline:08X}{number // per_id:08X}{number % per_id:08X}',
                       wal[at:at + self.segment_bytes].ljust(self.segment_bytes, b'\0'))


def lsn(text):
    match = re.fullmatch('([0-9A-F]{1,8})/([0-9A-F]{1,8})', text)
    require(match, f'LSN {text}')
    return int(match.group(1), 16) << 32 | int(match.group(2), 16)


class Pages:
    """Packs of a manifest, the last few kept in memory. Checksums in pure Python take a while, so
    only `check` looks at those of whole files, once for each content."""

    known_checksums = {}

    def __init__(self, manifest, checksums=False):
        self.manifest = manifest
        self.checksums = checksums
        self.cache = {}

    def checksum(self, content):
        name = hashlib.sha256(content).digest()
        if name not in self.known_checksums:
            self.known_checksums[name] = crc32c(content)
        return self.known_checksums[name]

    def pack(self, number):
        if number not in self.cache:
            if len(self.cache) >= 16:
                self.cache.pop(next(iter(self.cache)))
            row = self.manifest.packs[number]
            pack = Pack(self.manifest.repository, row.name)
            fits = (pack.size, pack.index_bytes, len(pack.pages)) == \
                   (row.size, row.index_bytes, row.pages)
            require(fits, f'pack {row.name} is not as the manifest says')
            self.cache[number] = pack
        return self.cache[number]

    def file(self, entry):
        content = bytearray()
        for count, number, first in entry.runs(self.manifest.packs):
            if number is None:
                content += bytes(count * BLOCK)
            else:
                content += b''.join(self.pack(number).pages[first:first + count])
        if entry.hashes is not None:
            for block in range(entry.blocks()):
                page = content[block * BLOCK:(block + 1) * BLOCK]
                require(hashlib.sha256(page).digest()[:16] ==
                        entry.hashes[16 * block:16 * block + 16], 'hash of a block')
        del content[entry.size:]
        if self.checksums and entry.crc is not None and self.manifest.summary['data_checksums']:
            path = entry.path.decode('utf-8', 'replace')
            require(self.checksum(content) == entry.crc, f'CRC-32C of {path}')
        return content


def restore(manifest, directory):
    pages = Pages(manifest)
    modes = []
    segments = dict(Archive(manifest.repository, manifest.summary).segments())
    for entry in manifest.entries:
        path = os.path.join(os.fsencode(directory), entry.path)
        os.makedirs(os.path.dirname(path) if entry.is_file else path, exist_ok=True)
        if entry.is_file:
            with open(path, 'xb') as file:
                file.write(pages.file(entry))
        modes.append((path, entry.mode))
    for name, content in segments.items():
        path = os.path.join(os.fsencode(directory), b'pg_wal', name.encode())
        with open(path, 'xb') as file:
            file.write(content)
        modes.append((path, 0o600))
    for path, mode in reversed(modes):
        os.chmod(path, mode)


def check(repository):
    for name in repository.snapshots():
        manifest = Manifest(repository, name)
        pages = Pages(manifest, checksums=True)
        for entry in manifest.entries:
            pages.file(entry)
        archive = Archive(repository, manifest.summary)
        segments = sum(1 for _ in archive.segments())
        print(f'{name}: {len(manifest.entries)} entries, {len(manifest.packs)} packs, '
              f'{segments} segments of the archive')
    for chunk in archive.chunks if repository.snapshots() else []:
        chunk.read(archive.system, archive.segment_bytes)


def main(arguments):
    if len(arguments) < 2 or len(arguments) != {'list': 2, 'check': 2, 'restore': 4}.get(
            arguments[0]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        repository = Repository(arguments[1])
        if arguments[0] == 'list':
            print('\n'.join(repository.snapshots()))
        elif arguments[0] == 'check':
            check(repository)
        else:
            restore(Manifest(repository, arguments[2]), arguments[3])
    except (Refused, KeyError) as problem:
        print(f'refused: {problem}', file=sys.stderr)
        return 4
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
