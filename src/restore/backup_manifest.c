/*
 * The backup_manifest of a restored directory, for pg_verifybackup: sizes and CRC-32C of what was
 * written, file by file. Source: PostgreSQL's documentation, "Backup Manifest Format"; version 2
 * (with the system identifier) from PostgreSQL 17 on.
 */
#include "restore_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "codec/crc32c.h"
#include "codec/digest.h"
#include "document/value.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MANIFEST_V2_VERSION_NUM = 170000 };

/* Hashes everything on its way to the real target. */
struct hashed_output {
    emit_fn emit;
    void *context;
    struct sha256 *hash;
};

static bool put_line(struct hashed_output *out, struct buf *line, struct error *err)
{
    if (!buf_check(line, BACKUP_MANIFEST_FILE, err))
        return false;
    sha256_update(out->hash, line->data, line->len);
    bool done = out->emit(out->context, line->data, line->len, err);
    buf_clear(line);
    return done;
}

static bool put_path(struct value *object, const char *path, struct error *err)
{
    char hex[2 * 1024 + 1];
    if (value_set_text(object, "Path", path, err))
        return true;
    if (err->kind != ERROR_INVALID || strlen(path) >= 1024)
        return false;
    text_hex(path, strlen(path), hex); /* not UTF-8 */
    return value_set_text(object, "Encoded-Path", hex, err);
}

static bool print_file(const struct manifest_entry *entry, uint64_t size, uint32_t crc,
                       struct buf *line, struct error *err)
{
    char modified[TEXT_SIZE];
    char checksum[9];
    uint8_t bytes[4] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                        (uint8_t)(crc >> 24)};
    time_t when = (time_t)entry->mtime_s;
    struct tm parts = {0};
    (void)gmtime_r(&when, &parts);
    (void)strftime(modified, sizeof modified, "%Y-%m-%d %H:%M:%S GMT", &parts);
    text_hex(bytes, sizeof bytes, checksum);
    CLEANUP(value_cleanup) struct value *object = value_new_object(err);
    return object != NULL && put_path(object, entry->path, err) &&
           value_set_u64(object, "Size", size, err) &&
           value_set_text(object, "Last-Modified", modified, err) &&
           value_set_text(object, "Checksum-Algorithm", "CRC32C", err) &&
           value_set_text(object, "Checksum", checksum, err) &&
           value_print(object, false, line, err);
}

static bool put_file(const struct restore_job *job, size_t i, struct hashed_output *out,
                     struct buf *line, struct error *err)
{
    const struct restore_file *file = &job->files[i];
    uint64_t size = file->entry->size_bytes;
    uint32_t crc = atomic_load(&file->crc32c);
    if (job->places_moved && strcmp(file->entry->path, TABLESPACE_MAP_FILE) == 0) {
        CLEANUP(buf_release) struct buf map;
        buf_init(&map, 16 << 20);
        restore_print_tablespace_map(job, &map);
        if (!buf_check(&map, TABLESPACE_MAP_FILE, err))
            return false;
        size = map.len;
        crc = crc32c_extend(0, map.data, map.len);
    }
    if (restore_has_recovery(job) && strcmp(file->entry->path, AUTO_CONF_FILE) == 0) {
        size = job->auto_conf.len;
        crc = crc32c_extend(0, job->auto_conf.data, job->auto_conf.len);
    }
    return print_file(file->entry, size, crc, line, err) && put_line(out, line, err);
}

/* Those of the snapshot do not count when the restore decides about the recovery. */
static bool is_replaced(const struct restore_job *job, const char *path)
{
    return restore_has_recovery(job) &&
           (strcmp(path, RECOVERY_SIGNAL_FILE) == 0 || strcmp(path, STANDBY_SIGNAL_FILE) == 0);
}

static bool put_signal(const struct restore_job *job, struct hashed_output *out, struct buf *line,
                       struct error *err)
{
    char path[sizeof job->signal_file];
    (void)snprintf(path, sizeof path, "%s", job->signal_file);
    struct manifest_entry entry = {.path = path,
                                   .mtime_s = job->manifest.info.finished_us / 1000000};
    if (!restore_has_recovery(job))
        return true;
    buf_printf(line, ",\n");
    return print_file(&entry, 0, crc32c_extend(0, "", 0), line, err) && put_line(out, line, err);
}

static bool put_files(const struct restore_job *job, struct hashed_output *out, struct buf *line,
                      struct error *err)
{
    bool first = true;
    for (size_t i = 0; i < job->manifest.entry_count; i++) {
        const struct restore_file *file = &job->files[i];
        if (file->entry == NULL || text_starts_with(file->entry->path, "pg_wal/") ||
            is_replaced(job, file->entry->path))
            continue;
        if (!first)
            buf_printf(line, ",\n");
        first = false;
        if (!put_file(job, i, out, line, err))
            return false;
    }
    if (!put_signal(job, out, line, err))
        return false;
    buf_printf(line, "],\n");
    return true;
}

static void print_wal_ranges(const struct snapshot_info *info, struct buf *line)
{
    char start[TEXT_SIZE];
    char end[TEXT_SIZE];
    buf_printf(line, "\"WAL-Ranges\": [\n");
    for (size_t i = 0; i < info->wal_range_count; i++) {
        const struct snapshot_wal_range *range = &info->wal_ranges[i];
        buf_printf(line,
                   "%s{ \"Timeline\": %" PRIu32 ", \"Start-LSN\": \"%s\", \"End-LSN\": \"%s\" }",
                   i == 0 ? "" : ",\n", range->timeline, text_lsn(range->start_lsn, start),
                   text_lsn(range->end_lsn, end));
    }
    buf_printf(line, "\n],\n");
}

static bool print_all(const struct restore_job *job, struct hashed_output *out, struct buf *line,
                      struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    const struct snapshot_info *info = &job->manifest.info;
    bool v2 = info->server_version_num >= MANIFEST_V2_VERSION_NUM;
    buf_printf(line, "{ \"PostgreSQL-Backup-Manifest-Version\": %d,\n", v2 ? 2 : 1);
    if (v2)
        buf_printf(line, "\"System-Identifier\": %" PRIu64 ",\n", info->system_identifier);
    buf_printf(line, "\"Files\": [\n");
    if (!put_files(job, out, line, err))
        return false;
    print_wal_ranges(info, line);
    if (!put_line(out, line, err))
        return false;
    /* The checksum covers everything above its line. */
    sha256_final(out->hash, hash);
    text_hex(hash, sizeof hash, hex);
    buf_printf(line, "\"Manifest-Checksum\": \"%s\"}\n", hex);
    return put_line(out, line, err);
}

static void sha256_cleanup(struct sha256 **state)
{
    sha256_free(*state);
}

bool backup_manifest_print(const struct restore_job *job, emit_fn emit, void *context,
                           struct error *err)
{
    CLEANUP(sha256_cleanup) struct sha256 *hash = NULL;
    CLEANUP(buf_release) struct buf line;
    buf_init(&line, 1 << 20);
    if (!sha256_new(&hash, err))
        return false;
    struct hashed_output out = {.emit = emit, .context = context, .hash = hash};
    return print_all(job, &out, &line, err);
}

struct file_output {
    int fd;
    uint64_t offset;
};

static bool emit_to_file(void *context, const void *bytes, size_t len, struct error *err)
{
    struct file_output *out = context;
    if (!file_write_at(out->fd, BACKUP_MANIFEST_FILE, bytes, len, out->offset, err))
        return false;
    out->offset += len;
    return true;
}

bool restore_write_backup_manifest(struct restore_job *job, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    if (!restore_open(job, BACKUP_MANIFEST_FILE, O_CREAT | O_WRONLY | O_TRUNC, &fd, err))
        return false;
    struct file_output out = {.fd = fd};
    return restore_set_owner(job, BACKUP_MANIFEST_FILE, err) &&
           backup_manifest_print(job, emit_to_file, &out, err);
}
