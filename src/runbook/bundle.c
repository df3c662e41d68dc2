#include "runbook/bundle.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "codec/digest.h"
#include "codec/tarball.h"
#include "document/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANIFEST "manifest.json"
#define SIGNATURE "manifest.sig"

enum {
    FORMAT = 1,
    MANIFEST_MAX_BYTES = 256 * 1024,
    SIGNATURE_HEX = 2 * SIGNATURE_BYTES,
    READ_BYTES = 64 * 1024,
    PATH_MAX_BYTES = 200,
};

void bundle_release(struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++) {
        free(bundle->files[i].path);
        buf_release(&bundle->files[i].text);
    }
    free(bundle->files);
    *bundle = (struct bundle){0};
}

/* "carrier-outage.yaml", "tests/mixed.sql": letters, digits, "-_./", below the directory. */
static bool path_is_good(const char *path)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./";
    size_t len = strlen(path);
    bool runbook = strchr(path, '/') == NULL && text_ends_with(path, ".yaml");
    return len <= PATH_MAX_BYTES && strspn(path, allowed) == len && path_is_safe_relative(path) &&
           path[0] != '.' && strstr(path, "/.") == NULL &&
           (runbook || text_ends_with(path, ".sql"));
}

static struct bundle_file *find_file(const struct bundle *bundle, const char *path)
{
    for (size_t i = 0; i < bundle->count; i++)
        if (strcmp(bundle->files[i].path, path) == 0)
            return &bundle->files[i];
    return NULL;
}

/* Gives a new last file without text. */
static bool add_path(struct bundle *bundle, const char *path, struct bundle_file **out,
                     struct error *err)
{
    if (!path_is_good(path))
        return error_set(err, ERROR_INVALID, "a bundle cannot have the file \"%.200s\"", path);
    if (bundle->count == BUNDLE_MAX_FILES)
        return error_set(err, ERROR_INVALID, "a bundle can have %d files", BUNDLE_MAX_FILES);
    struct bundle_file *files = reallocarray(bundle->files, bundle->count + 1, sizeof *files);
    if (files == NULL)
        return error_no_memory(err, "a bundle");
    bundle->files = files;
    struct bundle_file file = {.path = strdup(path)};
    if (file.path == NULL)
        return error_no_memory(err, "a bundle");
    buf_init(&file.text, BUNDLE_MAX_FILE_BYTES + 1);
    files[bundle->count] = file;
    *out = &files[bundle->count++];
    return true;
}

static size_t total_bytes(const struct bundle *bundle)
{
    size_t total = 0;
    for (size_t i = 0; i < bundle->count; i++)
        total += bundle->files[i].text.len;
    return total;
}

bool bundle_add(struct bundle *bundle, const char *path, const void *text, size_t len,
                struct error *err)
{
    struct bundle_file *file = find_file(bundle, path);
    if (file != NULL)
        return (file->text.len == len && memcmp(file->text.data, text, len) == 0) ||
               error_set(err, ERROR_EXISTS, "\"%s\" is in the bundle with another content", path);
    if (len > BUNDLE_MAX_FILE_BYTES || total_bytes(bundle) + len > BUNDLE_MAX_BYTES)
        return error_set(err, ERROR_INVALID,
                         "\"%.200s\" is too large: a file can have %d bytes, a bundle %d", path,
                         BUNDLE_MAX_FILE_BYTES, BUNDLE_MAX_BYTES);
    if (!add_path(bundle, path, &file, err))
        return false;
    buf_put(&file->text, text, len);
    return buf_check(&file->text, "a bundle", err);
}

/* ---- writing ---- */

static void hash_text(const struct buf *text, char out[SHA256_HEX_SIZE])
{
    uint8_t digest[SHA256_BYTES];
    digest_sha256(text->data, text->len, digest);
    text_hex(digest, sizeof digest, out);
}

static bool print_manifest(const struct bundle *bundle, const struct signing_key *key,
                           struct buf *out, struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL || !value_set_u64(root, "format", FORMAT, err) ||
        !value_set_text(root, "key", signing_key_id(key), err))
        return false;
    struct value *list = value_set_new_array(root, "files", err);
    for (size_t i = 0; list != NULL && i < bundle->count; i++) {
        char digest[SHA256_HEX_SIZE];
        hash_text(&bundle->files[i].text, digest);
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_text(item, "path", bundle->files[i].path, err) ||
            !value_set_u64(item, "size", bundle->files[i].text.len, err) ||
            !value_set_text(item, "sha256", digest, err))
            return false;
    }
    return list != NULL && value_print(root, false, out, err);
}

static bool write_member(struct tarball_writer *writer, const char *path, const void *bytes,
                         size_t len, struct error *err)
{
    const struct tarball_entry entry = {
        .type = TARBALL_FILE, .path = path, .mode = 0644, .size_bytes = len};
    return tarball_writer_entry(writer, &entry, err) &&
           (len == 0 || tarball_writer_data(writer, bytes, len, err));
}

bool bundle_write(const struct bundle *bundle, const struct signing_key *key, int fd,
                  struct error *err)
{
    uint8_t signature[SIGNATURE_BYTES];
    char hex[SIGNATURE_HEX + 1];
    CLEANUP(buf_release) struct buf manifest;
    CLEANUP(tarball_writer_cleanup) struct tarball_writer *writer = NULL;
    buf_init(&manifest, MANIFEST_MAX_BYTES);
    if (!print_manifest(bundle, key, &manifest, err) ||
        !signature_sign(key, manifest.data, manifest.len, signature, err) ||
        !tarball_writer_open(fd, &writer, err))
        return false;
    text_hex(signature, sizeof signature, hex);
    if (!write_member(writer, MANIFEST, manifest.data, manifest.len, err) ||
        !write_member(writer, SIGNATURE, hex, SIGNATURE_HEX, err))
        return false;
    for (size_t i = 0; i < bundle->count; i++)
        if (!write_member(writer, bundle->files[i].path, bundle->files[i].text.data,
                          bundle->files[i].text.len, err))
            return false;
    return tarball_writer_finish(writer, err);
}

/* ---- reading ---- */

struct source {
    int fd;
    uint64_t total_bytes;
    uint8_t block[READ_BYTES];
};

static bool read_block(void *context, const void **out, size_t *out_len, struct error *err)
{
    struct source *source = context;
    ssize_t got;
    do {
        got = read(source->fd, source->block, sizeof source->block);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set_errno(err, errno, "could not read the bundle");
    source->total_bytes += (uint64_t)got;
    /* Headers and padding come on top of the files. */
    if (source->total_bytes > 2 * (uint64_t)BUNDLE_MAX_BYTES)
        return error_set(err, ERROR_REFUSED, "the bundle is larger than any may be");
    *out = source->block;
    *out_len = (size_t)got;
    return true;
}

/* Reads the content of the current member, which must have `size` bytes at most. */
static bool read_content(struct tarball_reader *reader, const struct tarball_entry *entry,
                         struct buf *out, struct error *err)
{
    const void *bytes;
    size_t len;
    if (entry->size_bytes >= out->max_bytes)
        return error_set(err, ERROR_REFUSED, "\"%.200s\" in the bundle is too large", entry->path);
    do {
        if (!tarball_reader_data(reader, &bytes, &len, err))
            return false;
        buf_put(out, bytes, len);
    } while (len > 0);
    return buf_check(out, "a file of the bundle", err);
}

/* The next member; it must be a plain file. */
static bool next_member(struct tarball_reader *reader, struct tarball_entry *out, bool *out_found,
                        struct error *err)
{
    if (!tarball_reader_next(reader, out, out_found, err))
        return error_wrap(err, "the bundle");
    if (*out_found && out->type != TARBALL_FILE)
        return error_set(err, ERROR_REFUSED, "\"%.200s\" in the bundle is not a plain file",
                         out->path);
    return true;
}

static bool read_named(struct tarball_reader *reader, const char *name, struct buf *out,
                       struct error *err)
{
    bool found;
    struct tarball_entry entry;
    if (!next_member(reader, &entry, &found, err))
        return false;
    if (!found || strcmp(entry.path, name) != 0)
        return error_set(err, ERROR_INVALID, "this is no bundle: it has no %s in its place", name);
    return read_content(reader, &entry, out, err);
}

/* What one file must be. */
struct promise {
    uint64_t size_bytes;
    const char *sha256;
    bool kept;
};

static bool read_promises(const struct value *files, struct bundle *bundle,
                          struct promise promises[BUNDLE_MAX_FILES], struct error *err)
{
    for (size_t i = 0; i < value_count(files); i++) {
        const char *path;
        const struct value *item;
        struct bundle_file *file;
        struct promise promise = {0};
        if (!value_at_object(files, i, &item, err) || !value_get_text(item, "path", &path, err) ||
            !value_get_u64(item, "size", &promise.size_bytes, err) ||
            !value_get_text(item, "sha256", &promise.sha256, err))
            return false;
        if (find_file(bundle, path) != NULL)
            return error_set(err, ERROR_INVALID, "\"%.200s\" is there twice", path);
        if (!add_path(bundle, path, &file, err))
            return false;
        promises[i] = promise;
    }
    return true;
}

static bool read_member(struct tarball_reader *reader, const struct tarball_entry *entry,
                        struct bundle *bundle, struct promise *promises, struct error *err)
{
    char digest[SHA256_HEX_SIZE];
    struct bundle_file *file = find_file(bundle, entry->path);
    if (file == NULL)
        return error_set(err, ERROR_REFUSED, "\"%.200s\" is not in the bundle's manifest",
                         entry->path);
    struct promise *promise = &promises[file - bundle->files];
    if (promise->kept)
        return error_set(err, ERROR_REFUSED, "\"%s\" is in the bundle twice", file->path);
    if (entry->size_bytes != promise->size_bytes)
        return error_set(err, ERROR_REFUSED, "\"%s\" has not the size that the manifest says",
                         file->path);
    if (total_bytes(bundle) + entry->size_bytes > BUNDLE_MAX_BYTES)
        return error_set(err, ERROR_REFUSED, "the bundle is larger than any may be");
    if (!read_content(reader, entry, &file->text, err))
        return false;
    hash_text(&file->text, digest);
    if (promise->sha256 == NULL || strcmp(digest, promise->sha256) != 0)
        return error_set(err, ERROR_REFUSED, "\"%s\" is not what the manifest says", file->path);
    promise->kept = true;
    return true;
}

static bool read_members(struct tarball_reader *reader, const struct value *manifest,
                         struct bundle *bundle, struct error *err)
{
    uint64_t format;
    bool found = true;
    const struct value *files;
    struct promise promises[BUNDLE_MAX_FILES] = {0};
    if (!value_get_u64(manifest, "format", &format, err))
        return false;
    if (format != FORMAT)
        return error_set(err, ERROR_UNSUPPORTED,
                         "the bundle has format %llu, this program knows %d",
                         (unsigned long long)format, FORMAT);
    if (!value_get_array(manifest, "files", &files, err) ||
        !read_promises(files, bundle, promises, err))
        return false;
    for (;;) {
        struct tarball_entry entry;
        if (!next_member(reader, &entry, &found, err))
            return false;
        if (!found)
            break;
        if (!read_member(reader, &entry, bundle, promises, err))
            return false;
    }
    for (size_t i = 0; i < bundle->count; i++)
        if (!promises[i].kept)
            return error_set(err, ERROR_REFUSED, "\"%s\" is missing in the bundle",
                             bundle->files[i].path);
    return true;
}

static bool check_signed(const struct trusted_keys *keys, const struct buf *manifest,
                         struct buf *hex, struct bundle *bundle, struct error *err)
{
    const char *id;
    uint8_t signature[SIGNATURE_BYTES];
    const char *text = buf_text(hex);
    if (text == NULL || !text_from_hex(text, signature, sizeof signature))
        return error_set(err, ERROR_INVALID, "this is no bundle: %s is no signature", SIGNATURE);
    if (!signature_check(keys, manifest->data, manifest->len, signature, &id, err)) {
        (void)error_wrap(err, "the bundle cannot be trusted");
        return error_hint(err, "The public key of whoever made it must be in the file of "
                               "runbook.trusted-keys.");
    }
    (void)snprintf(bundle->key_id, sizeof bundle->key_id, "%s", id);
    return true;
}

static bool read_bundle(struct tarball_reader *reader, const struct trusted_keys *keys,
                        struct bundle *bundle, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(buf_release) struct buf hex;
    CLEANUP(value_cleanup) struct value *manifest = NULL;
    buf_init(&text, MANIFEST_MAX_BYTES + 1);
    buf_init(&hex, SIGNATURE_HEX + 2);
    if (!read_named(reader, MANIFEST, &text, err) || !read_named(reader, SIGNATURE, &hex, err) ||
        !check_signed(keys, &text, &hex, bundle, err))
        return false;
    manifest = value_parse(text.data, text.len, MANIFEST_MAX_BYTES, "the bundle's manifest", err);
    return manifest != NULL && read_members(reader, manifest, bundle, err);
}

bool bundle_read(int fd, const struct trusted_keys *keys, struct bundle *out, struct error *err)
{
    CLEANUP(bundle_release) struct bundle bundle = {0};
    CLEANUP(tarball_reader_cleanup) struct tarball_reader *reader = NULL;
    CLEANUP(free_pointer) struct source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return error_no_memory(err, "a bundle");
    source->fd = fd;
    if (!tarball_reader_open(read_block, source, &reader, err) ||
        !read_bundle(reader, keys, &bundle, err))
        return false;
    *out = bundle;
    bundle = (struct bundle){0};
    return true;
}

int runbook_version_compare(const char *left, const char *right)
{
    for (int i = 0; i < 3; i++) {
        char *left_end;
        char *right_end;
        unsigned long a = strtoul(left, &left_end, 10);
        unsigned long b = strtoul(right, &right_end, 10);
        if (a != b)
            return a < b ? -1 : 1;
        left = *left_end == '.' ? left_end + 1 : left_end;
        right = *right_end == '.' ? right_end + 1 : right_end;
    }
    return 0;
}
