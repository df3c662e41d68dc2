/*
 * What a dump of processes gives to whoever holds it.
 *
 * tool_dump take PID DIRECTORY: writes every readable mapping of a process there, as PID-START with
 * ".locked" (locked, left out of core dumps), ".file" (pages of a file that nobody changed) or
 * ".plain" behind it.
 *
 * tool_dump search REPOSITORY KEY-FILE DIRECTORY [MARKS-FILE]: opens the sealed repository with a
 * key that grants all, so it knows every secret there is, and prints how often each kind of them
 * stands in the files of the directory, at any byte: a name and a count. Lines of the marks file
 * are a name and a text that is searched, too.
 *
 * tool_dump try REPOSITORY KEY-FILE DIRECTORY: takes every 32 bytes there that could be a key, at
 * any byte, and tries them on the smallest page frame, on the smallest frame of WAL, and, because a
 * search that finds nothing must be able to find something, on the tail of a pack, which metadata
 * keys open. The key file is for finding these pieces only.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "codec/digest.h"
#include "repository/catalog.h"
#include "repository/manifest.h"
#include "repository/pack_reader.h"
#include "repository/wal_archive.h"
#include "src/repository/keyring_internal.h"
#include "store/store_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* --- taking -------------------------------------------------------------------------------------
 */

struct mapping {
    uint64_t start;
    uint64_t end;
    bool readable;
    bool locked;
    bool pristine; /* of a file, and nobody changed a page of it */
};

static bool copy_mapping(int memory, const struct mapping *mapping, int directory, const char *pid,
                         struct error *err)
{
    static uint8_t room[1 << 20];
    char name[64];
    (void)snprintf(name, sizeof name, "%.12s-%" PRIx64 ".%s", pid, mapping->start,
                   mapping->locked     ? "locked"
                   : mapping->pristine ? "file"
                                       : "plain");
    CLEANUP(close_fd)
    int out = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return error_set_errno(err, errno, "could not make %s", name);
    for (uint64_t at = mapping->start; at < mapping->end;) {
        size_t want = mapping->end - at < sizeof room ? (size_t)(mapping->end - at) : sizeof room;
        ssize_t got = pread(memory, room, want, (off_t)at);
        if (got <= 0)
            return error_set_errno(err, errno, "could not read %s at %" PRIx64, name, at);
        if (!file_write_at(out, name, room, (size_t)got, at - mapping->start, err))
            return false;
        at += (uint64_t)got;
    }
    return true;
}

/* True at the last line of a mapping: its flags. */
static bool take_line(const char *line, struct mapping *mapping)
{
    char access[5];
    char path[256] = "";
    struct mapping next = {0};
    unsigned long anonymous_kib;
    if (sscanf(line, "Anonymous: %lu kB", &anonymous_kib) == 1 && anonymous_kib > 0)
        mapping->pristine = false;
    if (text_starts_with(line, "VmFlags:")) {
        mapping->locked = strstr(line, " lo") != NULL && strstr(line, " dd") != NULL;
        return true;
    }
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %255s", &next.start, &next.end,
               access, path) >= 3) {
        next.readable = access[0] == 'r' && !text_starts_with(path, "[v"); /* the kernel's own */
        next.pristine = path[0] == '/';
        *mapping = next;
    }
    return false;
}

static bool take(const char *pid, const char *to, struct error *err)
{
    char path[64];
    char line[1024];
    struct mapping mapping = {0};
    bool done = true;
    CLEANUP(close_fd) int directory = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/%.20s/mem", pid);
    CLEANUP(close_fd) int memory = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/%.20s/smaps", pid);
    FILE *maps = fopen(path, "re");
    if (directory < 0 || memory < 0 || maps == NULL)
        return error_set_errno(err, errno, "could not look at process %s", pid);
    while (done && fgets(line, sizeof line, maps) != NULL)
        if (take_line(line, &mapping) && mapping.readable)
            done = copy_mapping(memory, &mapping, directory, pid, err);
    (void)fclose(maps);
    return done;
}

/* --- what is searched ---------------------------------------------------------------------------
 */

enum { NAMES_MAX = 32, NEEDLE_MAX = 96, NEEDLES_MAX = 1 << 16, SLOTS = 1 << 18, DISTINCT_MIN = 20 };

struct needle {
    uint8_t bytes[NEEDLE_MAX];
    size_t len; /* 8 at least: what the table is made of */
    size_t name;
    bool found;
};

/* Sealed bytes with all that opening them takes but the key. */
struct piece {
    uint8_t *bytes;
    size_t len;
    struct buf context;
    uint8_t wrapped[CONTENT_WRAPPED_BYTES]; /* of content */
    size_t opened;
};

struct search {
    struct repository repository;
    const char *names[NAMES_MAX];
    size_t counts[NAMES_MAX];
    size_t distinct[NAMES_MAX]; /* needles of that name that were found */
    size_t totals[NAMES_MAX];
    size_t name_count;
    struct needle *needles;
    size_t needle_count;
    uint32_t *table; /* SLOTS numbers of needles, counted from 1 */
    struct piece page;
    struct piece wal;
    struct piece tail;
    size_t metadata_unlocked;
    size_t pages_by_secret;
    size_t tried;
    size_t searched;
    uint64_t *seen; /* hashes of what was searched already: libraries are the same everywhere */
    size_t seen_count;
    bool try_keys; /* instead of looking for those that are known */
};

static size_t name_of(struct search *search, const char *name)
{
    size_t at = 0;
    while (at < search->name_count && strcmp(search->names[at], name) != 0)
        at++;
    if (at == search->name_count && at < NAMES_MAX)
        search->names[search->name_count++] = name;
    return at;
}

static size_t slot_of(const uint8_t *bytes)
{
    uint64_t start;
    memcpy(&start, bytes, sizeof start);
    return (size_t)((start * UINT64_C(0x9e3779b97f4a7c15)) >> 46) % SLOTS;
}

static bool add_needle(struct search *search, const char *name, const void *bytes, size_t len,
                       struct error *err)
{
    if (len < 8 || len > NEEDLE_MAX || search->needle_count == NEEDLES_MAX)
        return error_set(err, ERROR_INVALID, "cannot search for %zu bytes of %s", len, name);
    struct needle *needle = &search->needles[search->needle_count++];
    *needle = (struct needle){.len = len, .name = name_of(search, name)};
    memcpy(needle->bytes, bytes, len);
    search->totals[needle->name]++;
    size_t slot = slot_of(needle->bytes);
    while (search->table[slot] != 0)
        slot = (slot + 1) % SLOTS;
    search->table[slot] = (uint32_t)search->needle_count;
    return true;
}

/* X25519 ignores five bits of a secret: some keep it without them. */
static bool add_secret(struct search *search, const char *name, const uint8_t *secret,
                       struct error *err)
{
    uint8_t clamped[SEAL_KEY_BYTES];
    memcpy(clamped, secret, sizeof clamped);
    clamped[0] &= 0xf8;
    clamped[31] = (uint8_t)((clamped[31] & 0x7f) | 0x40);
    return add_needle(search, name, secret, SEAL_KEY_BYTES, err) &&
           (memcmp(clamped, secret, sizeof clamped) == 0 ||
            add_needle(search, name, clamped, sizeof clamped, err));
}

static bool add_keys(struct search *search, const char *key_file, struct error *err)
{
    uint8_t secret[SEAL_KEY_BYTES];
    uint8_t proof[SEAL_KEY_BYTES];
    struct key_material *material;
    const struct keyring *keyring = search->repository.keyring;
    const struct key_options options = {.key_file = key_file};
    char hex[2 * SEAL_KEY_BYTES + 1];
    if (!key_material_load(&options, &material, err))
        return false;
    keyring_slot_secret(material->key, KEY_FILE, secret, proof);
    text_hex(material->key, SEAL_KEY_BYTES, hex);
    bool done = add_needle(search, "full-slot", material->key, SEAL_KEY_BYTES, err) &&
                add_needle(search, "full-slot", hex, strlen(hex), err) &&
                add_secret(search, "full-slot", secret, err) &&
                add_needle(search, "signing-seed", keyring->signing_seed, SEAL_KEY_BYTES, err);
    key_material_free(material);
    for (size_t i = 0; done && i < keyring->count; i++) {
        const struct key_generation *generation = keyring->generations[i];
        done = add_needle(search, "metadata-key", generation->metadata, SEAL_KEY_BYTES, err) &&
               add_needle(search, "metadata-key", generation->seal_key, SEAL_KEY_BYTES, err) &&
               add_secret(search, "content-secret", generation->content_secret, err);
    }
    return done;
}

/* Keeps the smallest: it is tried most often. */
static bool keep_piece(struct search *search, struct piece *piece, const struct seal_place *place,
                       const void *bytes, size_t len, struct error *err)
{
    if (piece->bytes != NULL && piece->len <= len)
        return true;
    free(piece->bytes);
    piece->bytes = malloc(len);
    if (piece->bytes == NULL)
        return error_no_memory(err, "a piece");
    memcpy(piece->bytes, bytes, len);
    piece->len = len;
    buf_release(&piece->context);
    buf_init(&piece->context, 4096);
    seal_head_put(&piece->context, place->kind, &search->repository, &place->id);
    buf_put_u64(&piece->context, place->position);
    buf_put(&piece->context, place->name, strlen(place->name));
    return buf_check(&piece->context, "a piece", err);
}

static bool add_frame(struct search *search, const struct pack_ref *ref,
                      const struct pack_index *index, const uint8_t *wrapped, struct error *err)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < index->frame_count; i++)
        if (index->frames[i].stored_bytes < index->frames[best].stored_bytes)
            best = i;
    const struct pack_frame *frame = &index->frames[best];
    struct seal_place place = {
        .kind = OBJECT_PACK, .id = index->seal, .name = "", .position = best};
    CLEANUP(free_pointer) uint8_t *bytes = malloc(frame->stored_bytes);
    if (bytes == NULL ||
        !pack_read_range(&search->repository, ref, frame->offset, frame->stored_bytes, bytes, err))
        return bytes != NULL || error_no_memory(err, "a frame");
    size_t before = search->page.len;
    if (!keep_piece(search, &search->page, &place, bytes, frame->stored_bytes, err))
        return false;
    if (search->page.len != before)
        memcpy(search->page.wrapped, wrapped, CONTENT_WRAPPED_BYTES);
    return true;
}

static bool add_pack(struct search *search, const struct pack_ref *ref, struct error *err)
{
    struct pack_index index;
    struct repository *repository = &search->repository;
    size_t len = pack_tail_bytes(repository, ref);
    struct seal_place place = {.kind = OBJECT_PACK, .id = ref->seal, .name = ""};
    CLEANUP(buf_release) struct buf opened;
    CLEANUP(free_pointer) uint8_t *tail = malloc(len);
    buf_init(&opened, PACK_MAX_BYTES);
    if (tail == NULL || !pack_read_range(repository, ref, ref->size_bytes - len, len, tail, err) ||
        !metadata_open(repository, &place, tail, len, "a tail", &opened, err) ||
        !keep_piece(search, &search->tail, &place, tail, len, err) ||
        !pack_read_index(repository, ref, &index, err))
        return false;
    bool done = add_needle(search, "pack-key", index.content_key, SEAL_KEY_BYTES, err) &&
                add_frame(search, ref, &index, opened.data, err);
    pack_index_release(&index);
    return done;
}

/* A pack of several snapshots is added once. */
static bool is_known(const struct pack_ref *ref, struct pack_ref *known, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        if (memcmp(known[i].id, ref->id, PACK_ID_BYTES) == 0)
            return true;
    known[(*count)++] = *ref;
    return false;
}

static bool add_packs(struct search *search, struct error *err)
{
    enum { PACKS_MAX = 4096 };
    static struct pack_ref known[PACKS_MAX];
    size_t count = 0;
    struct catalog catalog;
    bool done = true;
    if (!catalog_load(&search->repository, &catalog, err))
        return false;
    for (size_t i = 0; done && i < catalog.count; i++) {
        struct manifest manifest;
        done = manifest_load(&search->repository, catalog.entries[i].key, &manifest, err);
        for (size_t j = 0; done && j < manifest.pack_count && count < PACKS_MAX; j++)
            done = is_known(&manifest.packs[j], known, &count) ||
                   add_pack(search, &manifest.packs[j], err);
        if (done)
            manifest_release(&manifest);
    }
    catalog_release(&catalog);
    return done;
}

static bool add_rows(struct search *search, const struct wal_chunk *part, struct seal_place *place,
                     struct reader *head, const uint8_t **frames, struct error *err)
{
    enum { FRAME_WAL_BYTES = 256 << 10 };
    uint64_t rows = (part->end_lsn - part->start_lsn + FRAME_WAL_BYTES - 1) / FRAME_WAL_BYTES;
    for (place->position = 0; place->position < rows; place->position++) {
        uint32_t codec;
        uint32_t len;
        if (!reader_u32(head, &codec, err) || !reader_u32(head, &len, err) ||
            !keep_piece(search, &search->wal, place, *frames, len, err))
            return false;
        *frames += len;
    }
    return true;
}

/* FORMAT.md, "Sealed WAL chunk". */
static bool add_part(struct search *search, const struct wal_chunk *chunk, struct reader *head,
                     const uint8_t **frames, struct error *err)
{
    char name[WAL_KEY_SIZE];
    uint8_t key[SEAL_KEY_BYTES];
    const uint8_t *id;
    const uint8_t *wrapped;
    const uint8_t *digests;
    struct wal_chunk part = {.timeline = chunk->timeline};
    struct seal_place place = {.kind = OBJECT_WAL};
    if (!reader_bytes(head, sizeof place.id, &id, err) || !reader_u64(head, &part.start_lsn, err) ||
        !reader_u64(head, &part.end_lsn, err) ||
        !reader_bytes(head, CONTENT_WRAPPED_BYTES, &wrapped, err) ||
        !reader_bytes(head, 96, &digests, err))
        return false;
    memcpy(&place.id, id, sizeof place.id);
    place.name = wal_chunk_key(&part, name);
    return content_key_open(&search->repository, &place.id, wrapped, "a part", key, err) &&
           add_needle(search, "wal-key", key, sizeof key, err) &&
           add_rows(search, &part, &place, head, frames, err);
}

static bool add_chunk(struct search *search, const struct wal_chunk *chunk, struct error *err)
{
    char key[WAL_KEY_SIZE];
    size_t got;
    uint32_t len;
    uint32_t count;
    const uint8_t *sealed;
    const uint8_t *source;
    struct reader reader;
    struct seal_place place = {.kind = OBJECT_WAL, .name = wal_chunk_key(chunk, key)};
    CLEANUP(buf_release) struct buf head;
    CLEANUP(free_pointer) uint8_t *object = malloc(chunk->size_bytes);
    buf_init(&head, 8 << 20);
    if (object == NULL ||
        !store_get(search->repository.store, key, 0, chunk->size_bytes, object, &got, err))
        return object != NULL || error_no_memory(err, key);
    reader_init(&reader, object, got, key);
    if (!seal_head_read(&reader, OBJECT_WAL, &search->repository, &place.id, err) ||
        !reader_u32(&reader, &len, err) || !reader_bytes(&reader, len, &sealed, err) ||
        !metadata_open(&search->repository, &place, sealed, len, key, &head, err))
        return false;
    const uint8_t *frames = sealed + len;
    reader_init(&reader, head.data, head.len, key);
    if (!reader_bytes(&reader, 12, &source, err) || !reader_u32(&reader, &count, err))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!add_part(search, chunk, &reader, &frames, err))
            return false;
    return true;
}

static bool add_chunks(struct search *search, struct error *err)
{
    struct wal_catalog catalog;
    bool done = true;
    if (!wal_catalog_load(&search->repository, 0, 0, &catalog, err))
        return false;
    for (size_t i = 0; done && i < catalog.count; i++)
        done = add_chunk(search, &catalog.chunks[i], err);
    wal_catalog_release(&catalog);
    return done;
}

/* The text stays: names are in it. */
static bool add_marks(struct search *search, const char *path, struct error *err)
{
    struct buf text;
    buf_init(&text, 64 << 20);
    if (!file_read_all(path, &text, err) || buf_text(&text) == NULL)
        return false;
    char *rest = (char *)text.data;
    for (char *line = strtok_r(rest, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *mark = line;
        const char *name = strsep(&mark, " ");
        if (mark == NULL || !add_needle(search, name, mark, strlen(mark), err))
            return mark != NULL || error_set(err, ERROR_INVALID, "no mark: %.80s", line);
    }
    return true;
}

/* --- the search ---------------------------------------------------------------------------------
 */

static bool opens(const struct piece *piece, const uint8_t *key)
{
    static uint8_t room[4 << 20];
    const struct seal_context context = {.bytes = piece->context.data, .len = piece->context.len};
    return piece->len <= sizeof room && seal_decrypt(key, &context, piece->bytes, piece->len, room);
}

/* What was found is used: the secret opens the key of a pack, which opens a page frame. */
static void use_secret(struct search *search, const uint8_t *secret)
{
    uint8_t key[SEAL_KEY_BYTES];
    if (seal_box_open(secret, search->page.wrapped, CONTENT_WRAPPED_BYTES, key) &&
        opens(&search->page, key))
        search->pages_by_secret++;
}

static void look_for_needles(struct search *search, const uint8_t *at, size_t left, bool locked)
{
    for (size_t slot = slot_of(at); search->table[slot] != 0; slot = (slot + 1) % SLOTS) {
        struct needle *needle = &search->needles[search->table[slot] - 1];
        const char *name = search->names[needle->name];
        if (needle->len > left || memcmp(at, needle->bytes, needle->len) != 0)
            continue;
        search->counts[needle->name]++;
        search->distinct[needle->name] += !needle->found;
        needle->found = true;
        if (strcmp(name, "metadata-key") == 0)
            search->metadata_unlocked += !locked;
        if (strcmp(name, "content-secret") == 0)
            use_secret(search, at);
    }
}

static void try_as_key(struct search *search, const uint8_t *at)
{
    search->tried++;
    search->page.opened += opens(&search->page, at);
    search->wal.opened += opens(&search->wal, at);
    search->tail.opened += opens(&search->tail, at);
}

static void search_bytes(struct search *search, const uint8_t *bytes, size_t len, bool locked)
{
    for (size_t i = 0; i + sizeof(uint64_t) <= len; i++)
        look_for_needles(search, bytes + i, len - i, locked);
}

/* Of 32 random bytes 30 are different ones; fewer than 20 are no key (1 in 10^9). */
static void try_bytes(struct search *search, const uint8_t *bytes, size_t len)
{
    size_t distinct = 0;
    size_t times[256] = {0};
    for (size_t i = 0; i < len; i++) {
        distinct += times[bytes[i]]++ == 0;
        if (i >= SEAL_KEY_BYTES)
            distinct -= --times[bytes[i - SEAL_KEY_BYTES]] == 0;
        if (i + 1 >= SEAL_KEY_BYTES && distinct >= DISTINCT_MIN)
            try_as_key(search, bytes + i + 1 - SEAL_KEY_BYTES);
    }
}

static bool seen_before(struct search *search, const uint8_t *bytes, size_t len)
{
    uint64_t hash = digest_xxh3(bytes, len);
    for (size_t i = 0; i < search->seen_count; i++)
        if (search->seen[i] == hash)
            return true;
    uint64_t *seen = reallocarray(search->seen, search->seen_count + 1, sizeof *seen);
    if (seen == NULL)
        return false;
    search->seen = seen;
    search->seen[search->seen_count++] = hash;
    return false;
}

static bool search_file(struct search *search, int directory, const char *name, struct error *err)
{
    struct stat status;
    CLEANUP(close_fd) int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        return error_set_errno(err, errno, "could not open %s", name);
    size_t len = (size_t)status.st_size;
    if (!S_ISREG(status.st_mode) || len == 0)
        return true;
    uint8_t *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_set_errno(err, errno, "could not map %s", name);
    if (!seen_before(search, bytes, len)) {
        search->searched += len;
        if (!search->try_keys)
            search_bytes(search, bytes, len, text_ends_with(name, ".locked"));
        else if (!text_ends_with(name, ".file"))
            try_bytes(search, bytes, len);
    }
    (void)munmap(bytes, len);
    return true;
}

static bool search_directory(struct search *search, const char *path, struct error *err)
{
    bool done = true;
    DIR *files = opendir(path);
    if (files == NULL)
        return error_set_errno(err, errno, "could not open %s", path);
    for (struct dirent *file = readdir(files); done && file != NULL; file = readdir(files))
        if (file->d_name[0] != '.')
            done = search_file(search, dirfd(files), file->d_name, err);
    (void)closedir(files);
    return done;
}

static void report(const struct search *search)
{
    (void)printf("bytes %zu\n", search->searched);
    for (size_t i = 0; i < search->name_count; i++)
        (void)printf("%s %zu (%zu of %zu)\n", search->names[i], search->counts[i],
                     search->distinct[i], search->totals[i]);
    (void)printf("metadata-key-unlocked %zu\npages-by-secret %zu\n", search->metadata_unlocked,
                 search->pages_by_secret);
}

static void report_tries(const struct search *search)
{
    (void)printf("bytes %zu\ntried %zu\n", search->searched, search->tried);
    (void)printf("opens-page %zu\nopens-wal %zu\nopens-tail %zu\n", search->page.opened,
                 search->wal.opened, search->tail.opened);
}

/* arguments: repository, key file, directory, marks or NULL. */
static bool run_search(char **arguments, bool try_keys, struct error *err)
{
    struct store *store;
    static struct search search;
    const struct store_options options = {.url = arguments[0]};
    const struct key_options keys = {.wish = ENCRYPTION_SEALED, .key_file = arguments[1]};
    search.try_keys = try_keys;
    search.needles = calloc(NEEDLES_MAX, sizeof *search.needles);
    search.table = calloc(SLOTS, sizeof *search.table);
    if (search.needles == NULL || search.table == NULL)
        return error_no_memory(err, "what is searched");
    if (!store_open(&options, &store, err) ||
        !repository_open_with(store, &keys, &search.repository, err) ||
        !add_keys(&search, arguments[1], err) || !add_packs(&search, err) ||
        !add_chunks(&search, err) ||
        (arguments[3] != NULL && !add_marks(&search, arguments[3], err)) ||
        !search_directory(&search, arguments[2], err))
        return false;
    (try_keys ? report_tries : report)(&search);
    return true;
}

static bool run(int argc, char **argv, struct error *err)
{
    if (argc == 4 && strcmp(argv[1], "take") == 0)
        return take(argv[2], argv[3], err);
    if (argc == 5 && strcmp(argv[1], "try") == 0)
        return run_search(argv + 2, true, err);
    if ((argc == 5 || argc == 6) && strcmp(argv[1], "search") == 0)
        return run_search(argv + 2, false, err);
    return error_set(err, ERROR_USAGE, "take, search or try");
}

int main(int argc, char **argv)
{
    struct error err;
    if (run(argc, argv, &err))
        return 0;
    (void)fprintf(stderr, "tool_dump: %s\n", err.text);
    return 1;
}
