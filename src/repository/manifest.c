#include "repository/manifest.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "codec/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUMMARY_MAX_BYTES = 1 << 20,
    SUMMARY_FIRST_READ = 64 << 10,
    PATH_MAX_BYTES = 1023,
};

/* A manifest of a cluster with 10 million files stays below this. */
static const size_t MANIFEST_MAX_BYTES = (size_t)4 << 30;

void manifest_init(struct manifest *manifest)
{
    *manifest = (struct manifest){0};
}

void manifest_entry_release(struct manifest_entry *entry)
{
    free(entry->path);
    free(entry->map);
    free(entry->hashes);
    *entry = (struct manifest_entry){0};
}

void manifest_release(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->entry_count; i++)
        manifest_entry_release(&manifest->entries[i]);
    free(manifest->entries);
    free(manifest->packs);
    snapshot_info_release(&manifest->info);
    manifest_init(manifest);
}

/* Makes room for one more element of a growing array. */
static bool grow(void **array, size_t count, size_t *capacity, size_t element_bytes,
                 struct error *err)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void *grown = realloc(*array, wanted * element_bytes);
    if (grown == NULL)
        return error_no_memory(err, "a manifest");
    *array = grown;
    *capacity = wanted;
    return true;
}

bool manifest_add_pack(struct manifest *manifest, const struct pack_ref *ref, uint32_t *out_index,
                       struct error *err)
{
    void *packs = manifest->packs;
    if (!grow(&packs, manifest->pack_count, &manifest->pack_capacity, sizeof *ref, err))
        return false;
    manifest->packs = packs;
    manifest->packs[manifest->pack_count] = *ref;
    *out_index = (uint32_t)manifest->pack_count++;
    return true;
}

bool manifest_add_entry(struct manifest *manifest, struct manifest_entry *entry, struct error *err)
{
    void *entries = manifest->entries;
    if (!grow(&entries, manifest->entry_count, &manifest->entry_capacity, sizeof *entry, err))
        return false;
    manifest->entries = entries;
    manifest->entries[manifest->entry_count++] = *entry;
    *entry = (struct manifest_entry){0};
    return true;
}

static int compare_entries(const void *a, const void *b)
{
    const struct manifest_entry *left = a;
    const struct manifest_entry *right = b;
    return strcmp(left->path, right->path);
}

/* A path is safe, and comes behind its predecessor (NULL for the first). */
static bool check_path(const char *path, const char *previous, struct error *err)
{
    if (!path_is_safe_relative(path))
        return error_set(err, ERROR_CORRUPT, "cannot use the path \"%.200s\" in a snapshot", path);
    if (previous != NULL && strcmp(previous, path) >= 0)
        return error_set(err, ERROR_CORRUPT, "the path \"%s\" is out of order or there twice",
                         path);
    return true;
}

static bool check_order(const struct manifest *manifest, struct error *err)
{
    const char *previous = NULL;
    for (size_t i = 0; i < manifest->entry_count; i++) {
        if (!check_path(manifest->entries[i].path, previous, err))
            return false;
        previous = manifest->entries[i].path;
    }
    return true;
}

bool manifest_sort(struct manifest *manifest, struct error *err)
{
    if (manifest->entry_count > 0)
        qsort(manifest->entries, manifest->entry_count, sizeof *manifest->entries, compare_entries);
    return check_order(manifest, err);
}

const struct manifest_entry *manifest_find(const struct manifest *manifest, const char *path)
{
    size_t low = 0;
    size_t high = manifest->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, manifest->entries[middle].path);
        if (order == 0)
            return &manifest->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *manifest_key(const struct snapshot_info *info, char out[MANIFEST_KEY_SIZE])
{
    char when[TEXT_SIZE];
    (void)text_time_key_us(info->started_us, when);
    (void)snprintf(out, MANIFEST_KEY_SIZE, "snapshots/%.23s-%s.manifest", when, info->id);
    return out;
}

bool manifest_visit_runs(const struct manifest_entry *entry, run_visit_fn visit, void *context,
                         struct error *err)
{
    struct page_map_reader map;
    uint64_t block = 0;
    page_map_reader_init(&map, entry->map, entry->map_bytes, page_count_of(entry->size_bytes),
                         entry->path);
    for (;;) {
        struct page_run run;
        bool found;
        if (!page_map_reader_next(&map, &run, &found, err))
            return false;
        if (!found)
            return true;
        if (!visit(context, block, &run, err))
            return false;
        block += run.count;
    }
}

static void put_entry(struct buf *out, const struct manifest_entry *entry)
{
    buf_put_u8(out, (uint8_t)entry->kind);
    buf_put_text(out, entry->path);
    buf_put_varint(out, entry->mode);
    buf_put_signed(out, entry->mtime_s);
    if (entry->kind != ENTRY_FILE)
        return;
    buf_put_varint(out, entry->size_bytes);
    buf_put_u8(out, (uint8_t)entry->flags);
    if ((entry->flags & ENTRY_CHECKSUM) != 0)
        buf_put_u32(out, entry->crc32c);
    buf_put_varint(out, entry->map_bytes);
    buf_put(out, entry->map, entry->map_bytes);
    if ((entry->flags & ENTRY_HASHES) != 0)
        buf_put(out, entry->hashes, page_count_of(entry->size_bytes) * BLOCK_HASH_BYTES);
}

static void put_body(struct buf *out, const struct repository *repository,
                     const struct manifest *manifest)
{
    buf_put_varint(out, manifest->pack_count);
    for (size_t i = 0; i < manifest->pack_count; i++) {
        const struct pack_ref *pack = &manifest->packs[i];
        buf_put(out, pack->id, PACK_ID_BYTES);
        buf_put_varint(out, pack->size_bytes);
        buf_put_varint(out, pack->index_bytes);
        buf_put_varint(out, pack->page_count);
        if (repository_is_sealed(repository)) {
            buf_put(out, pack->seal.generation, sizeof pack->seal.generation);
            buf_put(out, pack->seal.object, sizeof pack->seal.object);
        }
    }
    buf_put_varint(out, manifest->entry_count);
    for (size_t i = 0; i < manifest->entry_count; i++)
        put_entry(out, &manifest->entries[i]);
}

/* The body is compressed whole: paths and maps repeat a lot. */
static bool compress_body(const struct repository *repository, const struct manifest *manifest,
                          struct buf *out, size_t *out_raw_bytes, struct error *err)
{
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    CLEANUP(buf_release) struct buf raw;
    buf_init(&raw, MANIFEST_MAX_BYTES);
    put_body(&raw, repository, manifest);
    if (!buf_check(&raw, "a manifest", err) || !codec_context_new(&codec, err))
        return false;
    uint8_t *to = buf_reserve(out, codec_bound(repository->settings.codec, raw.len));
    if (to == NULL)
        return error_no_memory(err, "a manifest");
    size_t stored;
    if (!codec_compress(codec, repository->settings.codec, repository->settings.level, raw.data,
                        raw.len, to, &stored, err))
        return false;
    out->len += stored;
    *out_raw_bytes = raw.len;
    return true;
}

/* Position 0 of a sealed manifest is the summary, 1 the body. */
enum { SUMMARY_AT, BODY_AT };

static bool put_sealed_summary(const struct repository *repository, struct buf *out,
                               struct seal_place *place, const struct buf *summary,
                               struct error *err)
{
    seal_id_new(repository, &place->id);
    seal_head_put(out, OBJECT_MANIFEST, repository, &place->id);
    buf_put_u32(out, (uint32_t)(summary->len + SEAL_OVERHEAD));
    place->position = SUMMARY_AT;
    return metadata_seal(repository, place, summary->data, summary->len, out, err);
}

static bool put_summary(const struct repository *repository, struct buf *out,
                        struct seal_place *place, const struct snapshot_info *info,
                        struct error *err)
{
    CLEANUP(buf_release) struct buf summary;
    buf_init(&summary, SUMMARY_MAX_BYTES);
    if (!snapshot_info_to_json(info, &summary, err))
        return false;
    if (repository_is_sealed(repository))
        return put_sealed_summary(repository, out, place, &summary, err);
    envelope_put(out, OBJECT_MANIFEST, repository);
    buf_put_u32(out, (uint32_t)summary.len);
    buf_put(out, summary.data, summary.len);
    buf_put_u64(out, digest_xxh3(summary.data, summary.len));
    return true;
}

static void put_coded_body(struct buf *out, const struct repository *repository, size_t raw_bytes,
                           const struct buf *body)
{
    buf_put_u8(out, (uint8_t)repository->settings.codec);
    buf_put_u64(out, raw_bytes);
    buf_put_u64(out, body->len);
    buf_put(out, body->data, body->len);
}

static bool put_sealed_body(const struct repository *repository, struct buf *out,
                            struct seal_place *place, size_t raw_bytes, const struct buf *body,
                            struct error *err)
{
    CLEANUP(buf_release) struct buf plain;
    buf_init(&plain, MANIFEST_MAX_BYTES);
    put_coded_body(&plain, repository, raw_bytes, body);
    if (!buf_check(&plain, "a manifest", err))
        return false;
    place->position = BODY_AT;
    return metadata_seal(repository, place, plain.data, plain.len, out, err);
}

bool manifest_encode(const struct repository *repository, struct manifest *manifest,
                     struct buf *out, struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    size_t raw_bytes;
    struct seal_place place = {.kind = OBJECT_MANIFEST, .name = ""};
    CLEANUP(buf_release) struct buf body;
    buf_init(&body, MANIFEST_MAX_BYTES);
    if (!compress_body(repository, manifest, &body, &raw_bytes, err))
        return false;
    manifest->info.bytes_stored += body.len;
    if (!put_summary(repository, out, &place, &manifest->info, err))
        return false;
    if (!repository_is_sealed(repository))
        put_coded_body(out, repository, raw_bytes, &body);
    else if (!put_sealed_body(repository, out, &place, raw_bytes, &body, err))
        return false;
    if (!buf_check(out, "a manifest", err))
        return false;
    digest_sha256(out->data, out->len, hash);
    buf_put(out, hash, sizeof hash);
    return buf_check(out, "a manifest", err);
}

bool manifest_write(const struct repository *repository, struct manifest *manifest,
                    struct error *err)
{
    char key[MANIFEST_KEY_SIZE];
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, MANIFEST_MAX_BYTES);
    if (!manifest_encode(repository, manifest, &bytes, err))
        return false;
    if (!store_put(repository->store, manifest_key(&manifest->info, key), bytes.data, bytes.len,
                   NULL, err))
        return error_wrap(err, "could not store manifest \"%s\"", key);
    return true;
}

struct checking {
    const struct manifest *manifest;
    const struct manifest_entry *entry;
};

/* Runs stay within the packs of the table; manifest_visit_runs sees to it that they cover the file.
 */
static bool check_run(void *context, uint64_t block, const struct page_run *run, struct error *err)
{
    const struct checking *at = context;
    (void)block;
    if (run->is_data && (run->pack >= at->manifest->pack_count ||
                         run->ordinal + run->count > at->manifest->packs[run->pack].page_count))
        return error_set(err, ERROR_CORRUPT, "the page map of \"%s\" points outside its packs",
                         at->entry->path);
    return true;
}

static bool copy_bytes(struct reader *body, size_t len, uint8_t **out, struct error *err)
{
    const uint8_t *bytes;
    if (!reader_bytes(body, len, &bytes, err))
        return false;
    *out = malloc(len + 1);
    if (*out == NULL)
        return error_no_memory(err, "a manifest");
    memcpy(*out, bytes, len);
    return true;
}

static bool read_file(struct reader *body, const struct manifest *manifest,
                      struct manifest_entry *entry, struct error *err)
{
    uint8_t flags;
    uint64_t map_bytes;
    if (!reader_count(body, UINT64_MAX / 2, &entry->size_bytes, err) ||
        !reader_u8(body, &flags, err))
        return false;
    entry->flags = flags;
    if ((flags & ~(ENTRY_RELATION | ENTRY_HASHES | ENTRY_CHECKSUM)) != 0)
        return error_set(err, ERROR_UNSUPPORTED, "cannot read %s: \"%s\" has unknown flags %#x",
                         body->what, entry->path, flags);
    if ((flags & ENTRY_CHECKSUM) != 0 && !reader_u32(body, &entry->crc32c, err))
        return false;
    if (!reader_count(body, PAGE_MAP_MAX_BYTES, &map_bytes, err) ||
        !copy_bytes(body, map_bytes, &entry->map, err))
        return false;
    entry->map_bytes = map_bytes;
    struct checking at = {.manifest = manifest, .entry = entry};
    if (!manifest_visit_runs(entry, check_run, &at, err))
        return false;
    if ((flags & ENTRY_HASHES) == 0)
        return true;
    uint64_t blocks = page_count_of(entry->size_bytes);
    if (blocks > reader_left(body) / BLOCK_HASH_BYTES)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: it ends too early", body->what);
    return copy_bytes(body, blocks * BLOCK_HASH_BYTES, &entry->hashes, err);
}

static bool read_entry(struct reader *body, const struct manifest *manifest,
                       struct manifest_entry *entry, struct error *err)
{
    uint8_t kind;
    uint64_t mode;
    if (!reader_u8(body, &kind, err) || !reader_text(body, PATH_MAX_BYTES, &entry->path, err) ||
        !reader_count(body, 07777, &mode, err) || !reader_signed(body, &entry->mtime_s, err))
        return false;
    entry->mode = (uint32_t)mode;
    entry->kind = (enum manifest_entry_kind)kind;
    switch (kind) {
    case ENTRY_FILE:
        return read_file(body, manifest, entry, err);
    case ENTRY_DIRECTORY:
        return true;
    default:
        return error_set(err, ERROR_CORRUPT, "%s is damaged: \"%s\" is of unknown kind %u",
                         body->what, entry->path, kind);
    }
}

static bool read_seal(struct reader *body, struct seal_id *out, struct error *err)
{
    const uint8_t *bytes;
    if (!reader_bytes(body, sizeof *out, &bytes, err))
        return false;
    memcpy(out->generation, bytes, sizeof out->generation);
    memcpy(out->object, bytes + sizeof out->generation, sizeof out->object);
    return true;
}

static bool read_packs(struct reader *body, bool sealed, struct manifest *manifest,
                       struct error *err)
{
    uint64_t count;
    if (!reader_count(body, reader_left(body) / PACK_ID_BYTES, &count, err))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct pack_ref ref = {0};
        const uint8_t *id;
        uint64_t index_bytes;
        uint64_t pages;
        uint32_t index;
        if (!reader_bytes(body, PACK_ID_BYTES, &id, err) ||
            !reader_count(body, PACK_MAX_BYTES, &ref.size_bytes, err) ||
            !reader_count(body, PACK_MAX_BYTES, &index_bytes, err) ||
            !reader_count(body, PACK_MAX_PAGES, &pages, err) ||
            (sealed && !read_seal(body, &ref.seal, err)))
            return false;
        if (ref.size_bytes < PACK_HEADER_BYTES + index_bytes + PACK_TRAILER_BYTES)
            return error_set(err, ERROR_CORRUPT, "%s is damaged: pack %llu cannot have %llu bytes",
                             body->what, (unsigned long long)i, (unsigned long long)ref.size_bytes);
        memcpy(ref.id, id, PACK_ID_BYTES);
        ref.index_bytes = (uint32_t)index_bytes;
        ref.page_count = (uint32_t)pages;
        if (!manifest_add_pack(manifest, &ref, &index, err))
            return false;
    }
    return true;
}

static bool read_body(struct reader *body, bool sealed, struct manifest *manifest,
                      struct error *err)
{
    uint64_t count;
    if (!read_packs(body, sealed, manifest, err) ||
        !reader_count(body, reader_left(body), &count, err))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct manifest_entry entry = {0};
        if (!read_entry(body, manifest, &entry, err) ||
            !manifest_add_entry(manifest, &entry, err)) {
            manifest_entry_release(&entry);
            return false;
        }
    }
    if (reader_left(body) > 0)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: bytes are left over", body->what);
    return check_order(manifest, err) || error_wrap(err, "%s is damaged", body->what);
}

/* Reads envelope and summary; the reader stands at the body afterwards. */
static bool read_sealed_head(const struct repository *repository, struct reader *reader,
                             struct seal_place *place, struct snapshot_info *out, struct error *err)
{
    uint32_t len;
    const uint8_t *sealed;
    CLEANUP(buf_release) struct buf summary;
    buf_init(&summary, SUMMARY_MAX_BYTES + SEAL_OVERHEAD);
    place->position = SUMMARY_AT;
    return seal_head_read(reader, OBJECT_MANIFEST, repository, &place->id, err) &&
           reader_u32(reader, &len, err) && reader_bytes(reader, len, &sealed, err) &&
           metadata_open(repository, place, sealed, len, reader->what, &summary, err) &&
           snapshot_info_from_json(summary.data, summary.len, reader->what, out, err);
}

static bool read_head(const struct repository *repository, struct reader *reader,
                      struct seal_place *place, struct snapshot_info *out, struct error *err)
{
    uint32_t len;
    uint64_t hash;
    const uint8_t *summary;
    if (repository_is_sealed(repository))
        return read_sealed_head(repository, reader, place, out, err);
    if (!envelope_check(reader, OBJECT_MANIFEST, repository, err) ||
        !reader_u32(reader, &len, err) || !reader_bytes(reader, len, &summary, err) ||
        !reader_u64(reader, &hash, err))
        return false;
    if (hash != digest_xxh3(summary, len))
        return error_set(err, ERROR_CORRUPT,
                         "%s is damaged: its summary does not have the right "
                         "checksum",
                         reader->what);
    return snapshot_info_from_json(summary, len, reader->what, out, err);
}

/* Zstandard reaches ratios of several thousand on zeros; more than this is not a manifest. */
enum { BODY_MAX_RATIO = 1 << 16 };

static bool decompress_body(struct reader *reader, uint8_t **out, size_t *out_len,
                            struct error *err)
{
    uint8_t codec_id;
    uint64_t raw_bytes;
    uint64_t stored_bytes;
    const uint8_t *stored;
    CLEANUP(codec_context_cleanup) struct codec_context *codec = NULL;
    if (!reader_u8(reader, &codec_id, err) || !reader_u64(reader, &raw_bytes, err) ||
        !reader_u64(reader, &stored_bytes, err) ||
        !reader_bytes(reader, stored_bytes, &stored, err))
        return false;
    if (codec_id >= CODEC_COUNT)
        return error_set(err, ERROR_UNSUPPORTED, "cannot read %s: its codec %u is unknown",
                         reader->what, codec_id);
    if (reader_left(reader) != 0 || raw_bytes > MANIFEST_MAX_BYTES ||
        raw_bytes / BODY_MAX_RATIO > stored_bytes)
        return error_set(err, ERROR_CORRUPT, "%s is damaged: its lengths do not fit", reader->what);
    uint8_t *raw = malloc(raw_bytes + 1);
    if (raw == NULL)
        return error_no_memory(err, reader->what);
    if (!codec_context_new(&codec, err) ||
        !codec_decompress(codec, (enum codec)codec_id, stored, stored_bytes, raw, raw_bytes, err)) {
        free(raw);
        return error_wrap(err, "%s is damaged", reader->what);
    }
    *out = raw;
    *out_len = raw_bytes;
    return true;
}

/* Everything behind the summary; `opened` holds what was sealed. */
static bool open_body(const struct repository *repository, struct reader *reader,
                      struct seal_place *place, struct buf *opened, struct error *err)
{
    place->position = BODY_AT;
    if (!repository_is_sealed(repository))
        return true;
    if (!metadata_open(repository, place, reader->next, reader_left(reader), reader->what, opened,
                       err))
        return false;
    reader_init(reader, opened->data, opened->len, reader->what);
    return true;
}

bool manifest_decode(const struct repository *repository, const void *bytes, size_t len,
                     const char *what, struct manifest *out, struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct reader reader;
    struct reader body_reader;
    struct manifest manifest;
    struct seal_place place = {.kind = OBJECT_MANIFEST, .name = ""};
    CLEANUP(free_pointer) uint8_t *body = NULL;
    CLEANUP(buf_release) struct buf opened;
    size_t body_len;
    manifest_init(&manifest);
    buf_init(&opened, MANIFEST_MAX_BYTES);
    size_t checked_len = len < sizeof hash ? 0 : len - sizeof hash;
    reader_init(&reader, bytes, checked_len, what);
    digest_sha256(bytes, checked_len, hash);
    if (len < sizeof hash || memcmp(hash, (const uint8_t *)bytes + checked_len, sizeof hash) != 0) {
        /* Say the more telling thing first: another repository, a newer format. */
        struct error foreign;
        if (!envelope_check(&reader, OBJECT_MANIFEST, repository, &foreign)) {
            *err = foreign;
            return false;
        }
        return error_set(err, ERROR_CORRUPT,
                         "%s is damaged: its bytes do not have the SHA-256 at their end", what);
    }
    if (!read_head(repository, &reader, &place, &manifest.info, err))
        return false;
    bool done = open_body(repository, &reader, &place, &opened, err) &&
                decompress_body(&reader, &body, &body_len, err);
    if (done) {
        reader_init(&body_reader, body, body_len, what);
        done = read_body(&body_reader, repository_is_sealed(repository), &manifest, err);
    }
    if (!done) {
        manifest_release(&manifest);
        return false;
    }
    *out = manifest;
    return true;
}

/* Appends the first `want` bytes of the object (all of it when it is shorter). */
static bool fetch(const struct repository *repository, const char *key, size_t want,
                  struct buf *out, struct error *err)
{
    size_t got;
    uint8_t *to = buf_reserve(out, want + 1);
    if (to == NULL)
        return error_no_memory(err, "a manifest");
    if (!store_get(repository->store, key, 0, want, to, &got, err))
        return error_wrap(err, "could not read manifest \"%s\"", key);
    out->len += got;
    return true;
}

static bool fetch_whole(const struct repository *repository, const char *key, struct buf *out,
                        struct error *err)
{
    struct store_object object;
    if (!store_stat(repository->store, key, &object, err))
        return error_wrap(err, "could not read manifest \"%s\"", key);
    if (object.size_bytes >= MANIFEST_MAX_BYTES)
        return error_set(err, ERROR_CORRUPT, "manifest \"%s\" cannot have %llu bytes", key,
                         (unsigned long long)object.size_bytes);
    return fetch(repository, key, object.size_bytes, out, err);
}

/* A sealed summary says which name it was sealed for. */
static bool is_of_key(const struct repository *repository, const char *key,
                      const struct snapshot_info *info, struct error *err)
{
    char expected[MANIFEST_KEY_SIZE];
    return !repository_is_sealed(repository) || strcmp(manifest_key(info, expected), key) == 0 ||
           error_set(err, ERROR_CORRUPT, "manifest \"%s\" describes another snapshot", key);
}

bool manifest_load(const struct repository *repository, const char *key, struct manifest *out,
                   struct error *err)
{
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(free_pointer) char *what = text_format("manifest \"%s\"", key);
    buf_init(&bytes, MANIFEST_MAX_BYTES);
    if (what == NULL)
        return error_no_memory(err, "a manifest");
    if (!fetch_whole(repository, key, &bytes, err) ||
        !manifest_decode(repository, bytes.data, bytes.len, what, out, err))
        return false;
    if (is_of_key(repository, key, &out->info, err))
        return true;
    manifest_release(out);
    return false;
}

/* The length of envelope and summary, from the first bytes; 0 when they cannot be right. */
static size_t head_length(const struct repository *repository, const struct buf *bytes)
{
    size_t start = repository_head_bytes(repository);
    struct error ignored;
    struct reader reader;
    const uint8_t *envelope;
    uint32_t len;
    reader_init(&reader, bytes->data, bytes->len, "a manifest");
    if (!reader_bytes(&reader, start, &envelope, &ignored) ||
        !reader_u32(&reader, &len, &ignored) || len > SUMMARY_MAX_BYTES + SEAL_OVERHEAD)
        return 0;
    return start + 4 + len + 8;
}

bool manifest_load_info(const struct repository *repository, const char *key,
                        struct snapshot_info *out, struct error *err)
{
    struct reader reader;
    struct seal_place place = {.kind = OBJECT_MANIFEST, .name = ""};
    CLEANUP(buf_release) struct buf bytes;
    CLEANUP(free_pointer) char *what = text_format("manifest \"%s\"", key);
    buf_init(&bytes, SUMMARY_MAX_BYTES + SUMMARY_FIRST_READ);
    if (what == NULL)
        return error_no_memory(err, "a manifest");
    if (!fetch(repository, key, SUMMARY_FIRST_READ, &bytes, err))
        return false;
    size_t head = head_length(repository, &bytes);
    if (head > bytes.len) {
        buf_clear(&bytes);
        if (!fetch(repository, key, head, &bytes, err))
            return false;
    }
    reader_init(&reader, bytes.data, bytes.len, what);
    return read_head(repository, &reader, &place, out, err);
}
