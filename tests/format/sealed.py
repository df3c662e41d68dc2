"""The sealed half of the second reader: keys, sealed pieces, and the objects made of them, written from
"Sealing" in src/repository/FORMAT.md alone.
"""
import datetime
import hashlib
import re
import struct

from nacl import bindings, exceptions

from primitives import Input, Refused, decompress, parse_json, require

KIND_HISTORY, KIND_RECORD = 4, 5
ENVELOPE_BYTES, SEAL_ID_BYTES, HEAD_BYTES = 32, 24, 56
NONCE_BYTES, TAG_BYTES, WRAPPED_BYTES, DIGEST_BYTES = 24, 16, 80, 32
PIECE_BYTES = NONCE_BYTES + TAG_BYTES  # what sealing adds
KEY_OBJECT_MAX = 8192
WAL_FRAME, BLOCK = 256 << 10, 8192
KEY_NAME = re.compile('[0-9a-f]{16}-[0-9a-f]{16}.json')
SLOT_KINDS = {'passphrase': 1, 'key-file': 2, 'command': 3, 'recipient': 4}
GRANTS = {'all': 1, 'write': 2}


def derive(key, number):
    """crypto_kdf of libsodium: BLAKE2b of nothing, the number as salt, the context as person."""
    return hashlib.blake2b(key=key, digest_size=32, salt=struct.pack('<QQ', number, 0),
                           person=b'mainstay'.ljust(16, b'\0')).digest()


def digest(key, data):
    return hashlib.blake2b(data, key=key, digest_size=DIGEST_BYTES).digest()


def public_of(secret):
    return bindings.crypto_scalarmult_base(secret)


def open_box(box, secret, what):
    try:
        return bindings.crypto_box_seal_open(box, public_of(secret), secret)
    except exceptions.CryptoError:
        raise Refused(f'{what} does not open') from None


class KeyObject:
    """One of keys/: what it says, before anything of it is believed."""

    def __init__(self, name, data):
        require(len(data) <= KEY_OBJECT_MAX, 'too large')
        self.members = parse_json(data, 'key')
        require(self.members['format'] == 'mainstay-key', 'not a key')
        require(self.members['version'] == 1, 'unknown version of a key')
        self.generation, self.slot = self.bytes('generation', 8), self.bytes('slot', 8)
        require(name == f'{self.generation.hex()}-{self.slot.hex()}.json', 'name is not its own')
        self.number, self.kind = self.integer('number'), self.members['kind']
        require(self.number > 0, 'number of the generation')
        require(self.kind in SLOT_KINDS, 'unknown kind of slot')
        require(self.members['grant'] in GRANTS, 'unknown grant')
        self.all = self.members['grant'] == 'all'
        self.passes, self.memory = self.integer('passes'), self.integer('memory_bytes')
        if self.kind == 'passphrase':
            require(1 <= self.passes <= 16, 'passes')
            require(8 << 20 <= self.memory <= 1 << 30, 'memory')
        self.salt, self.public = self.bytes('salt', 16), self.bytes('public_key', 32)
        self.proof, self.signer = self.bytes('proof', 32), self.bytes('signer', 32)
        self.content_public = self.bytes('content_public', 32)
        self.wrapped = self.bytes('wrapped', (96 if self.all else 32) + 48)
        self.signature = self.bytes('signature', 64)

    def bytes(self, member, length):
        text = self.members[member]
        require(isinstance(text, str) and re.fullmatch('(?:[0-9a-f]{2}){%d}' % length, text),
                f'member {member}')
        return bytes.fromhex(text)

    def integer(self, member):
        value = self.members[member]
        require(isinstance(value, int) and 0 <= value < 1 << 64, f'member {member}')
        return value

    def created_us(self):
        try:
            created = datetime.datetime.strptime(self.members['created'], '%Y-%m-%dT%H:%M:%S.%f%z')
        except (TypeError, ValueError):
            raise Refused('member created') from None
        since = created - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
        return since // datetime.timedelta(microseconds=1)

    def kind_and_grant(self):
        return bytes([SLOT_KINDS[self.kind], GRANTS[self.members['grant']]])

    def check_proof(self, key, repository):
        what = (b'mainstay-key-proof\0' + repository + self.slot + self.kind_and_grant() +
                self.public + self.signer)
        require(digest(derive(key, 2), what) == self.proof, 'proof')

    def check_signature(self, repository):
        label = self.members['label'].encode()
        require(len(label) <= 63, 'label')
        what = (b'mainstay-key-signature\0' + repository + struct.pack('<Q', self.number) +
                self.kind_and_grant() + bytes([len(label)]) + label +
                struct.pack('<QQQ', self.created_us(), self.passes, self.memory) +
                self.generation + self.slot + self.salt + self.public + self.proof + self.signer +
                self.content_public + self.wrapped)
        try:
            bindings.crypto_sign_open(self.signature + what, self.signer)
        except exceptions.CryptoError:
            raise Refused('signature') from None


class Key:
    """The key of a slot: of a key file, or what a command printed."""

    def __init__(self, key):
        self.key = key

    def of(self, slot):
        return self.key if slot.kind in ('key-file', 'command') else None

    def secret(self, slot, repository):
        """The X25519 key that opens the slot; None when it is another's."""
        key = self.of(slot)
        if key is None or public_of(derive(key, 1)) != slot.public:
            return None
        slot.check_proof(key, repository)
        return derive(key, 1)


class Passphrase(Key):
    """Argon2id is made to be slow: once for each slot."""

    def __init__(self, passphrase):
        super().__init__(None)
        self.passphrase = passphrase
        self.known = {}

    def of(self, slot):
        if slot.kind != 'passphrase':
            return None
        how = (slot.salt, slot.passes, slot.memory)
        if how not in self.known:
            self.known[how] = bindings.crypto_pwhash_alg(
                32, self.passphrase, *how, bindings.crypto_pwhash_ALG_ARGON2ID13)
        return self.known[how]


class Recipient:
    """A secret key of one's own. It proves nothing, so who signs must be known beforehand."""

    def __init__(self, secret, signer):
        self.own, self.signer = secret, signer

    def secret(self, slot, _):
        own = slot.kind == 'recipient' and public_of(self.own) == slot.public
        return self.own if own and slot.signer == self.signer else None


class Generation:
    def __init__(self, slot, secret):
        keys = open_box(slot.wrapped, secret, 'key')
        self.seal_key, self.digest_key = derive(keys[:32], 1), derive(keys[:32], 2)
        self.content_secret = keys[32:64] if slot.all else None
        require(not slot.all or public_of(keys[32:64]) == slot.content_public, 'content key')

    def content_key(self, wrapped):
        require(self.content_secret, 'the key that was given does not open content')
        key = open_box(wrapped, self.content_secret, 'content key')
        require(len(key) == 32, 'length of a content key')
        return key


class Keyring:
    """Every generation that one key opens."""

    def __init__(self, holder, identity, repository_id, objects):
        self.repository_id = repository_id
        self.generations = {}
        for name, data in objects:
            if not KEY_NAME.fullmatch(name):
                continue
            try:
                self.add(KeyObject(name, data), holder, repository_id + identity)
            except Refused as problem:
                raise Refused(f'keys/{name}: {problem}') from None
        require(self.generations, 'the key that was given opens no slot')

    def add(self, slot, holder, repository):
        secret = holder.secret(slot, repository)
        if secret is not None:
            slot.check_signature(repository)
            self.generations[slot.generation] = Generation(slot, secret)

    def seal(self, kind, seal_id):
        """What opens pieces of the object of that kind and id."""
        require(seal_id[:8] in self.generations, f'generation {seal_id[:8].hex()} does not open')
        envelope = b'MAINSTAY' + bytes([1, kind, 1, 0]) + bytes(4) + self.repository_id
        return Seal(self.generations[seal_id[:8]], envelope + seal_id)


class Seal:
    def __init__(self, generation, head):
        self.generation, self.head = generation, head

    def open(self, piece, position, name, key=None):
        """With the key of metadata where no other is given."""
        require(len(piece) >= PIECE_BYTES, 'piece is too small')
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                piece[NONCE_BYTES:], self.head + struct.pack('<Q', position) + name.encode(),
                piece[:NONCE_BYTES], key or self.generation.seal_key)
        except exceptions.CryptoError:
            raise Refused(f'piece {position} does not open') from None


class PackPieces:
    """Tail and frames of a sealed pack, with the seal id that the manifest gives it."""

    def __init__(self, keyring, seal_id, data, index_bytes):
        seal = keyring.seal(1, seal_id)
        require(data[:HEAD_BYTES] == seal.head, 'seal is not as the manifest says')
        self.tail_at = len(data) - (PIECE_BYTES + WRAPPED_BYTES + index_bytes + 32)
        require(self.tail_at >= HEAD_BYTES, 'too small')
        tail = seal.open(data[self.tail_at:], 0, '')
        self.content_key = seal.generation.content_key(tail[:WRAPPED_BYTES])
        self.index_and_trailer = tail[WRAPPED_BYTES:]
        self.seal = seal

    def frame(self, number, piece):
        return self.seal.open(piece, number, '', self.content_key)


class WalPart:
    """WAL of a chunk that was stored as one, and its frames wherever they lie now."""

    def __init__(self, source):
        self.seal_id = source.bytes(SEAL_ID_BYTES)
        self.start, self.end = source.number('Q'), source.number('Q')
        self.wrapped, self.digest = source.bytes(WRAPPED_BYTES), source.bytes(DIGEST_BYTES)
        self.last_digest, self.sha256 = source.bytes(DIGEST_BYTES), source.bytes(DIGEST_BYTES)
        require(self.start < self.end, 'empty part')
        self.frames = [(source.number('I'), source.number('I'))
                       for _ in range(-(-(self.end - self.start) // WAL_FRAME))]
        require(all(PIECE_BYTES < length <= WAL_FRAME + PIECE_BYTES for _, length in self.frames),
                'length of a frame')

    def stored_bytes(self):
        return sum(length for _, length in self.frames)

    def wal(self, keyring, timeline, data):
        """Its WAL, from the bytes of its frames."""
        require(hashlib.sha256(data).digest() == self.sha256, 'SHA-256 of a part')
        seal = keyring.seal(3, self.seal_id)
        name = f'wal/{timeline:08x}/{self.start:016x}-{self.end:016x}.wal'
        key = seal.generation.content_key(self.wrapped)
        wal, at = b'', 0
        for number, (codec, length) in enumerate(self.frames):
            piece = seal.open(data[at:at + length], number, name, key)
            wal += decompress(codec, piece, min(WAL_FRAME, self.end - self.start - len(wal)))
            at += length
        last = max(self.start, self.end // BLOCK * BLOCK) - self.start
        require(digest(seal.generation.digest_key, wal) == self.digest, 'digest of a part')
        require(digest(seal.generation.digest_key, wal[last:]) == self.last_digest, 'digest of its end')
        return wal


class WalHead:
    """The head of a sealed chunk; `data` is the object without its SHA-256."""

    def __init__(self, seal, key, data):
        outer = Input(data[HEAD_BYTES:])
        source = Input(seal.open(outer.bytes(outer.number('I')), 0, key))
        self.system, self.segment_bytes = source.number('Q'), source.number('I')
        self.parts = [WalPart(source) for _ in range(source.number('I'))]
        source.end('head of the chunk')
        self.frames_at = HEAD_BYTES + outer.at
        stored = sum(part.stored_bytes() for part in self.parts)
        require(self.frames_at + stored == len(data), 'parts do not fill the object')

    def check_parts(self, start, end):
        require(self.parts, 'no parts')
        require(self.parts[0].start == start and self.parts[-1].end == end, 'parts and name')
        for one, next_one in zip(self.parts, self.parts[1:]):
            require(start <= next_one.start <= one.end < next_one.end, 'order of parts')
