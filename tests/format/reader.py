#!/usr/bin/python3
"""A second reader of the repository format, written from src/repository/FORMAT.md alone.

    reader.py [KEY] list REPOSITORY
    reader.py [KEY] check REPOSITORY
    reader.py [KEY] restore REPOSITORY SNAPSHOT DIRECTORY

REPOSITORY is a local directory. `check` reads everything that manifests name, all WAL and every other object;
`restore` writes the files of one snapshot below DIRECTORY, tablespaces in place of their links. KEY opens a
sealed repository: `--key-file FILE`, `--passphrase-file FILE`, or `--recipient FILE SIGNER` with the
secret key in the file and the public key of who signs. Whatever FORMAT.md says a reader must refuse
ends the program with status 4 and one line on stderr.

It shares no code with the program on purpose: where the two disagree, FORMAT.md decides.
"""
import hashlib
import os
import re
import sys

from primitives import Input, Refused, crc32c, decompress, parse_json, require, xxh3
import sealed

BLOCK = 8192
OBJECT_MAX = 128 << 20
FEATURES = {'sealed'}
ENVELOPE_BYTES, WRITER_BYTES, TRAILER_BYTES, HASH_BYTES = 32, 8, 32, 32
KIND_PACK, KIND_MANIFEST, KIND_WAL, KIND_HISTORY, KIND_RECORD = 1, 2, 3, 4, 5
HISTORY_MAX = 1 << 20
WAL_MAX, WAL_FRAME = 64 << 20, 256 << 10
FLAG_LSN, FLAG_HASHES, FLAG_CRC = 1, 2, 4
MANIFEST_NAME = re.compile(r'[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-([0-9a-f]{16})\.manifest')


# Of each kind of record: how large it is at most, and members that it always has.
RECORDS = {
    'pins': (16 << 10, {'snapshot', 'reason', 'created'}),
    'leases': (16 << 10, {'kind', 'created'}),
    'terms': (16 << 10, {'holder', 'created'}),
    'runs': (16 << 10, {'job', 'outcome', 'started', 'finished'}),
    'drills': (1 << 20, {'id', 'repository_id', 'passed', 'broken', 'checks', 'phases'}),
    'restore-points': (4 << 10, {'name', 'system_identifier', 'timeline', 'lsn', 'time'}),
}


class Repository:
    def __init__(self, directory, holder):
        self.directory = directory
        data = self.read('mainstay.json')
        require(len(data) <= 65536, 'mainstay.json is too large')
        head = parse_json(data, 'mainstay.json')
        require(head.get('format') == 'mainstay-repository', 'not a repository')
        require(head.get('version') == 1, 'unknown version of the repository')
        unknown = set(head['features']) - FEATURES
        require(not unknown, f'unknown features: {sorted(unknown)}')
        is_sealed = 'sealed' in head['features']
        require(head.get('cipher') == ('xchacha20-poly1305' if is_sealed else 'none'), 'cipher')
        require(head.get('key_slots') == [], 'key slots in mainstay.json')
        require(re.fullmatch('[0-9a-f]{32}', head['id']), 'id of the repository')
        self.id = bytes.fromhex(head['id'])
        require(holder or not is_sealed, 'the repository is sealed, and no key was given')
        require(is_sealed or not holder, 'a key was given, and the repository is not sealed')
        keys = [(key.split('/')[1], self.read(key)) for key in self.below('keys', '.json')]
        self.keyring = sealed.Keyring(holder, hashlib.sha256(data).digest(), self.id, keys) \
            if is_sealed else None

    def read(self, key):
        with open(os.path.join(self.directory, key), 'rb') as file:
            return file.read(OBJECT_MAX + 1)

    def snapshots(self):
        """Names of manifests in order of time: key without directory and extension."""
        names = sorted(os.listdir(os.path.join(self.directory, 'snapshots')))
        return [name[:-len('.manifest')] for name in names if MANIFEST_NAME.fullmatch(name)]

    def below(self, top, ending):
        """Keys of objects below a directory, in order."""
        files = [os.path.relpath(os.path.join(directory, name), self.directory)
                 for directory, _, names in os.walk(os.path.join(self.directory, top))
                 for name in names]
        return sorted(key for key in files if key.endswith(ending))

    def wal(self):
        """Names of chunks below wal/"""
        return [key[len('wal/'):] for key in self.below('wal', '.wal')]

    def check_envelope(self, data, kind):
        require(data[:8] == b'MAINSTAY', 'no envelope')
        require(data[8] == 1, f'format version {data[8]}')
        require(data[9] == kind, f'object of kind {data[9]}')
        require(data[10] == (1 if self.keyring else 0), f'cipher {data[10]}')
        require(data[11:16] == bytes(5), 'reserved fields of the envelope')
        require(data[16:32] == self.id, 'belongs to another repository')

    def seal_of(self, data, kind):
        """The seal of a sealed object that says itself which one it has."""
        require(len(data) >= sealed.HEAD_BYTES, 'too small')
        self.check_envelope(data, kind)
        return self.keyring.seal(kind, data[ENVELOPE_BYTES:sealed.HEAD_BYTES])

    def content(self, key, kind):
        """Of an object that is one piece: a record's text, a history behind its envelope."""
        data = self.read(key)
        if self.keyring:
            return self.seal_of(data, kind).open(data[sealed.HEAD_BYTES:], 0, key)
        if kind == KIND_RECORD:
            return data
        require(len(data) > ENVELOPE_BYTES + HASH_BYTES, 'too small')
        self.check_envelope(data, kind)
        require(hashlib.sha256(data[:-HASH_BYTES]).digest() == data[-HASH_BYTES:], 'SHA-256')
        return data[ENVELOPE_BYTES:-HASH_BYTES]

    def check_record(self, key):
        limit, members = RECORDS[key.split('/')[0]]
        text = self.content(key, KIND_RECORD)
        require(len(text) <= limit, 'too large')
        record = parse_json(text, 'record')
        require(members <= set(record), 'members are missing')

    def check_history(self, key):
        source = Input(self.content(key, KIND_HISTORY))
        require(f'history/{source.number("I"):08x}.history' == key, 'another timeline')
        length = source.number('I')
        require(length <= HISTORY_MAX, 'too large')
        source.bytes(length)
        source.end('history')


class Pack:
    """All pages of a pack, checked."""

    def __init__(self, repository, row):
        name = row.name
        data = repository.read(f'packs/{name[:2]}/{name}.pack')
        try:
            self.size = len(data)
            require(self.size <= OBJECT_MAX, 'too large')
            require(self.size >= ENVELOPE_BYTES + WRITER_BYTES + TRAILER_BYTES, 'too small')
            require(hashlib.sha256(data).hexdigest() == name, 'SHA-256 is not the name')
            repository.check_envelope(data, KIND_PACK)
            if repository.keyring:
                pieces = sealed.PackPieces(repository.keyring, row.seal_id, data, row.index_bytes)
                self.parse(data, sealed.HEAD_BYTES, pieces.tail_at, pieces.index_and_trailer,
                           pieces.frame)
            else:
                index_at = Input(data[-TRAILER_BYTES:]).number('Q')
                self.parse(data, ENVELOPE_BYTES + WRITER_BYTES, index_at, data[index_at:],
                           lambda _, frame: frame)
        except Refused as problem:
            raise Refused(f'pack {name}: {problem}') from None

    def parse(self, data, at, frames_end, index_and_trailer, open_frame):
        trailer = Input(index_and_trailer[-TRAILER_BYTES:])
        index_at, self.index_bytes = trailer.number('Q'), trailer.number('I')
        page_count, index_hash = trailer.number('I'), trailer.number('Q')
        require(trailer.bytes(8) == b'MSPACKED', 'no trailer')
        require(index_at == frames_end, 'offset of the index')
        index = index_and_trailer[:-TRAILER_BYTES]
        require(self.index_bytes == len(index), 'index and trailer')
        require(page_count <= 65536, 'too many pages')
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
        require(at + sum(length for _, _, length in frames) == index_at, 'frames and index')
        for number, (codec, pages, length) in enumerate(frames):
            frame = open_frame(number, data[at:at + length])
            content = decompress(codec, frame, pages * BLOCK)
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
    def __init__(self, source, is_sealed):
        self.name = source.bytes(HASH_BYTES).hex()
        self.size, self.index_bytes, self.pages = (source.varint(), source.varint(),
                                                   source.varint())
        self.seal_id = source.bytes(sealed.SEAL_ID_BYTES) if is_sealed else None


class Manifest:
    def __init__(self, repository, name):
        self.repository = repository
        try:
            self.parse(repository.read(f'snapshots/{name}.manifest'))
            started = re.sub('[-:]', '', self.summary['started'])
            require(name == f'{started}-{self.summary["id"]}', 'key is not its own')
        except Refused as problem:
            raise Refused(f'manifest {name}: {problem}') from None

    def parse(self, data):
        require(len(data) > ENVELOPE_BYTES + HASH_BYTES, 'too small')
        self.repository.check_envelope(data, KIND_MANIFEST)
        require(hashlib.sha256(data[:-HASH_BYTES]).digest() == data[-HASH_BYTES:], 'SHA-256')
        if self.repository.keyring:
            seal = self.repository.seal_of(data, KIND_MANIFEST)
            source = Input(data[sealed.HEAD_BYTES:-HASH_BYTES])
            summary = seal.open(source.bytes(source.number('I')), 0, '')
            source = Input(seal.open(source.rest(), 1, ''))
        else:
            source = Input(data[ENVELOPE_BYTES:-HASH_BYTES])
            summary = source.bytes(source.number('I'))
            require(xxh3(summary) == source.number('Q'), 'damaged summary')
        self.summary = parse_json(summary, 'summary')
        codec, length, stored = source.number('B'), source.number('Q'), source.number('Q')
        body = decompress(codec, source.bytes(stored), length)
        source.end('manifest')
        self.parse_body(Input(body))

    def parse_body(self, source):
        is_sealed = self.repository.keyring is not None
        self.packs = [PackRow(source, is_sealed) for _ in range(source.varint())]
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
        self.parts = 1
        require(self.timeline > 0 and 0 < self.end - self.start <= WAL_MAX, f'WAL chunk {name}')

    def read(self, system, segment_bytes):
        data = self.repository.read(f'wal/{self.name}')
        parse = self.parse_sealed if self.repository.keyring else self.parse
        try:
            return parse(data, system, segment_bytes)
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

    def parse_sealed(self, data, system, segment_bytes):
        require(hashlib.sha256(data[:-HASH_BYTES]).digest() == data[-HASH_BYTES:], 'SHA-256')
        data = data[:-HASH_BYTES]
        seal = self.repository.seal_of(data, KIND_WAL)
        head = sealed.WalHead(seal, f'wal/{self.name}', data)
        require(head.system == system, 'another system')
        require(head.segment_bytes == segment_bytes, 'another segment size')
        head.check_parts(self.start, self.end)
        self.parts = len(head.parts)
        wal, at = b'', head.frames_at
        for part in head.parts:
            content = part.wal(self.repository.keyring, self.timeline,
                               data[at:at + part.stored_bytes()])
            overlap = self.start + len(wal) - part.start
            require(wal.endswith(content[:overlap]), 'parts differ where they overlap')
            wal, at = wal + content[overlap:], at + part.stored_bytes()
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
            pack = Pack(self.manifest.repository, row)
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
    """What takes longest goes last."""
    check_others(repository)
    manifests = [Manifest(repository, name) for name in repository.snapshots()]
    if manifests:
        check_wal(Archive(repository, manifests[-1].summary))
    for manifest in manifests:
        check_snapshot(repository, manifest)


def check_wal(archive):
    for chunk in archive.chunks:
        chunk.read(archive.system, archive.segment_bytes)
    parts = sum(chunk.parts for chunk in archive.chunks)
    print(f'{len(archive.chunks)} chunks of WAL in {parts} parts')


def check_snapshot(repository, manifest):
    pages = Pages(manifest, checksums=True)
    for entry in manifest.entries:
        pages.file(entry)
    segments = sum(1 for _ in Archive(repository, manifest.summary).segments())
    print(f'{manifest.summary["id"]}: {len(manifest.entries)} entries, {len(manifest.packs)} packs, '
          f'{segments} segments of the archive')


def check_others(repository):
    others = [(repository.check_record, key) for top in RECORDS
              for key in repository.below(top, '.json')]
    others += [(repository.check_history, key) for key in repository.below('history', '.history')]
    for check_one, key in others:
        try:
            check_one(key)
        except Refused as problem:
            raise Refused(f'{key}: {problem}') from None
    print(f'{len(others)} other objects')


def first_line(path):
    with open(path, 'rb') as file:
        return file.read().split(b'\n')[0]


def key_bytes(path):
    text = first_line(path).decode()
    require(re.fullmatch('[0-9a-fA-F]{64}', text), f'{path}: not a key')
    return bytes.fromhex(text)


def take_holder(arguments):
    """Who opens slots, of the options at the front of the arguments, which are taken away."""
    options = {'--key-file': (1, lambda path: sealed.Key(key_bytes(path))),
               '--passphrase-file': (1, lambda path: sealed.Passphrase(first_line(path))),
               '--recipient': (2, lambda path, signer: sealed.Recipient(key_bytes(path),
                                                                        bytes.fromhex(signer)))}
    if not arguments or arguments[0] not in options:
        return None
    count, make = options[arguments.pop(0)]
    return make(*[arguments.pop(0) for _ in range(count)])


def main(arguments):
    try:
        holder = take_holder(arguments)
    except (Refused, ValueError) as problem:
        print(f'refused: {problem}', file=sys.stderr)
        return 4
    if len(arguments) < 2 or len(arguments) != {'list': 2, 'check': 2, 'restore': 4}.get(
            arguments[0]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        repository = Repository(arguments[1], holder)
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
