#include "snapshot/server_manifest.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "codec/digest.h"
#include "document/value.h"

#include <stdlib.h>
#include <string.h>

#define WHAT "the server's backup manifest"

enum { LINE_MAX_BYTES = 64 << 10 };

struct server_manifest {
    struct manifest *manifest;
    struct buf line;
    struct sha256 *hash;
    uint64_t files;
    bool complete; /* the line with the checksum was seen */
};

bool server_manifest_new(struct manifest *manifest, struct server_manifest **out, struct error *err)
{
    CLEANUP(server_manifest_cleanup) struct server_manifest *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_no_memory(err, WHAT);
    reader->manifest = manifest;
    buf_init(&reader->line, LINE_MAX_BYTES);
    if (!sha256_new(&reader->hash, err))
        return false;
    *out = TAKE(reader);
    return true;
}

void server_manifest_free(struct server_manifest *reader)
{
    if (reader == NULL)
        return;
    buf_release(&reader->line);
    sha256_free(reader->hash);
    free(reader);
}

void server_manifest_cleanup(struct server_manifest **reader)
{
    server_manifest_free(*reader);
    *reader = NULL;
}

/* Paths that are not UTF-8 come in hex, as "Encoded-Path". Gives *out. */
static bool file_path(const struct value *file, char **out, struct error *err)
{
    const char *text;
    if (!value_has(file, "Encoded-Path")) {
        if (!value_get_text(file, "Path", &text, err))
            return false;
        *out = strdup(text);
        return *out != NULL || error_no_memory(err, WHAT);
    }
    if (!value_get_text(file, "Encoded-Path", &text, err))
        return false;
    size_t len = strlen(text) / 2;
    char *path = calloc(len + 1, 1);
    if (path == NULL)
        return error_no_memory(err, WHAT);
    if (!text_from_hex(text, path, len)) {
        free(path);
        return error_set(err, ERROR_INVALID, WHAT " has a path that cannot be decoded");
    }
    *out = path;
    return true;
}

/* pg_checksum_final copies the CRC out of memory, so the text shows its bytes low end first. */
static bool parse_crc32c(const char *text, uint32_t *out)
{
    uint8_t bytes[4];
    if (!text_from_hex(text, bytes, sizeof bytes))
        return false;
    *out = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
    return true;
}

static bool differs(const char *path, const char *what, struct error *err)
{
    (void)error_set(err, ERROR_CORRUPT, "file \"%s\" arrived with another %s than the server says",
                    path, what);
    return error_hint(err, "The bytes were changed on their way from the server; take the snapshot "
                           "again and check the network and this machine's memory.");
}

static bool check_file(struct server_manifest *reader, const struct value *file, struct error *err)
{
    CLEANUP(free_pointer) char *path = NULL;
    uint64_t size;
    const char *algorithm;
    const char *checksum;
    uint32_t crc;
    if (!file_path(file, &path, err) || !value_get_u64(file, "Size", &size, err) ||
        !value_get_text_or(file, "Checksum-Algorithm", "NONE", &algorithm, err) ||
        !value_get_text_or(file, "Checksum", "", &checksum, err))
        return false;
    const struct manifest_entry *entry = manifest_find(reader->manifest, path);
    if (entry == NULL || entry->kind != ENTRY_FILE)
        return error_set(err, ERROR_CORRUPT,
                         "file \"%s\" did not arrive, though the server's "
                         "backup manifest lists it",
                         path);
    reader->files++;
    if (entry->size_bytes != size)
        return differs(path, "size", err);
    if (strcmp(algorithm, "CRC32C") == 0 && (!parse_crc32c(checksum, &crc) || crc != entry->crc32c))
        return differs(path, "checksum", err);
    return true;
}

static bool get_lsn(const struct value *range, const char *key, uint64_t *out, struct error *err)
{
    const char *text;
    if (!value_get_text(range, key, &text, err))
        return false;
    return text_to_lsn(text, out) ||
           error_set(err, ERROR_INVALID, WHAT " has no valid \"%s\"", key);
}

static bool take_wal_range(struct server_manifest *reader, const struct value *item,
                           struct error *err)
{
    struct snapshot_wal_range range = {0};
    return value_get_u32(item, "Timeline", &range.timeline, err) &&
           get_lsn(item, "Start-LSN", &range.start_lsn, err) &&
           get_lsn(item, "End-LSN", &range.end_lsn, err) &&
           snapshot_info_add_wal_range(&reader->manifest->info, &range, err);
}

/* `"Manifest-Checksum": "<hex>"}`: SHA-256 of everything before this line. */
static bool check_checksum(struct server_manifest *reader, const char *line, struct error *err)
{
    static const char head[] = "\"Manifest-Checksum\": \"";
    uint8_t expected[SHA256_BYTES];
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE] = "";
    sha256_final(reader->hash, hash);
    if (!text_starts_with(line, head) || strlen(line) < sizeof head - 1 + sizeof hex - 1)
        return error_set(err, ERROR_CORRUPT, WHAT " has no checksum");
    const char *rest = line + sizeof head - 1 + sizeof hex - 1;
    memcpy(hex, rest - (sizeof hex - 1), sizeof hex - 1);
    if (!text_from_hex(hex, expected, sizeof expected) ||
        memcmp(hash, expected, sizeof hash) != 0 ||
        (strcmp(rest, "\"}\n") != 0 && strcmp(rest, "\"}") != 0))
        return error_set(err, ERROR_CORRUPT, WHAT " arrived damaged: its checksum differs");
    reader->complete = true;
    return true;
}

/* The server writes one object to a line; the lines between are punctuation. */
static bool take_line(struct server_manifest *reader, struct error *err)
{
    struct buf *line = &reader->line;
    const char *text = buf_text(line);
    if (text == NULL)
        return error_set(err, ERROR_CORRUPT, WHAT " has a line of more than %d bytes",
                         LINE_MAX_BYTES);
    if (reader->complete)
        return error_set(err, ERROR_CORRUPT, WHAT " goes on behind its checksum");
    if (text_starts_with(text, "\"Manifest-Checksum\""))
        return check_checksum(reader, text, err);
    sha256_update(reader->hash, line->data, line->len);
    size_t len = line->len;
    while (len > 0 && strchr(", \n", text[len - 1]) != NULL)
        len--;
    if (!text_starts_with(text, "{ \"") || len == 0 || text[len - 1] != '}')
        return true;
    CLEANUP(value_cleanup) struct value *item = value_parse(text, len, LINE_MAX_BYTES, WHAT, err);
    if (item == NULL)
        return false;
    return value_has(item, "Start-LSN") ? take_wal_range(reader, item, err)
                                        : check_file(reader, item, err);
}

bool server_manifest_feed(struct server_manifest *reader, const void *bytes, size_t len,
                          struct error *err)
{
    const char *from = bytes;
    while (len > 0) {
        const char *newline = memchr(from, '\n', len);
        size_t part = newline == NULL ? len : (size_t)(newline - from) + 1;
        buf_put(&reader->line, from, part);
        from += part;
        len -= part;
        if (newline == NULL)
            break;
        if (!take_line(reader, err))
            return false;
        buf_clear(&reader->line);
    }
    return true;
}

bool server_manifest_finish(struct server_manifest *reader, struct error *err)
{
    if (reader->line.len > 0 && !take_line(reader, err))
        return false;
    if (!reader->complete || reader->files == 0)
        return error_set(err, ERROR_CORRUPT, WHAT " ended too early");
    return true;
}
