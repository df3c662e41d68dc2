/*
 * tool_base_backup CONNINFO DIRECTORY [LABEL]: streams a base backup with our code into a
 * directory, for the tests. Tablespaces become directories pg_tblspc/OID. Instead of a directory:
 * "-" only counts, "--slow" counts at 4 MiB/s, "--describe" only asks the server about itself.
 * Prints what it learned as "key=value" lines. Exit code as the product's.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/stop.h"
#include "base/text.h"
#include "codec/tarball.h"
#include "postgres/base_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct target {
    const char *root; /* "-": measure only */
    uint64_t bytes;
    uint64_t files;
};

static void on_warning(void *context, const char *text)
{
    (void)context;
    printf("warning=%s\n", text);
    (void)fflush(stdout);
}

static bool read_archive(void *context, const void **out, size_t *out_len, struct error *err)
{
    return base_backup_read(context, out, out_len, err);
}

static bool write_file(struct tarball_reader *reader, const char *path, mode_t mode,
                       struct target *target, struct error *err)
{
    bool dry = strcmp(target->root, "-") == 0;
    CLEANUP(close_fd) int fd = dry ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (!dry && fd < 0)
        return error_set_errno(err, errno, "could not create \"%s\"", path);
    uint64_t offset = 0;
    for (;;) {
        const void *bytes = NULL;
        size_t len = 0;
        if (!tarball_reader_data(reader, &bytes, &len, err))
            return false;
        if (len == 0)
            return true;
        if (!dry && !file_write_at(fd, path, bytes, len, offset, err))
            return false;
        offset += len;
        target->bytes += len;
    }
}

static bool write_entry(struct tarball_reader *reader, const struct tarball_entry *entry,
                        const char *directory, struct target *target, struct error *err)
{
    CLEANUP(free_pointer) char *path = path_join(directory, entry->path);
    if (path == NULL)
        return error_no_memory(err, "a path");
    target->files++;
    if (entry->type == TARBALL_FILE)
        return write_file(reader, path, entry->mode, target, err);
    if (strcmp(target->root, "-") == 0)
        return true;
    if (entry->type == TARBALL_DIRECTORY)
        return dir_create_all(path, 0700, err);
    return symlink(entry->link_target, path) == 0 ||
           error_set_errno(err, errno, "could not link \"%s\"", path);
}

static bool unpack(struct base_backup *backup, const char *directory, struct target *target,
                   struct error *err)
{
    CLEANUP(tarball_reader_cleanup) struct tarball_reader *reader = NULL;
    struct tarball_entry entry;
    bool found = true;
    if (strcmp(target->root, "-") != 0 && !dir_create_all(directory, 0700, err))
        return false;
    if (!tarball_reader_open(read_archive, backup, &reader, err))
        return false;
    for (;;) {
        if (!tarball_reader_next(reader, &entry, &found, err))
            return false;
        if (!found)
            return true;
        if (!write_entry(reader, &entry, directory, target, err))
            return false;
    }
}

static bool write_manifest(struct base_backup *backup, const char *path, struct error *err)
{
    struct buf text;
    buf_init(&text, 1U << 30);
    bool done = true;
    for (size_t len = 1; done && len > 0;) {
        const void *bytes = NULL;
        done = base_backup_read(backup, &bytes, &len, err);
        if (done)
            buf_put(&text, bytes, len);
    }
    done = done && buf_check(&text, "the manifest", err) &&
           file_write_atomic(path, text.data, text.len, 0600, err);
    buf_release(&text);
    return done;
}

static bool take_archive(struct base_backup *backup, const struct base_backup_archive *archive,
                         struct target *target, struct error *err)
{
    static const char *const names[] = {"tablespace", "data", "manifest"};
    bool dry = strcmp(target->root, "-") == 0;
    printf("archive=%s %" PRIu32 " %s\n", names[archive->kind], archive->tablespace_oid,
           archive->tablespace_path != NULL ? archive->tablespace_path : "");
    (void)fflush(stdout);
    CLEANUP(free_pointer)
    char *path = archive->kind == BASE_BACKUP_TABLESPACE
                     ? text_format("%s/pg_tblspc/%" PRIu32, target->root, archive->tablespace_oid)
                 : archive->kind == BASE_BACKUP_MANIFEST
                     ? text_format("%s/backup_manifest", target->root)
                     : text_format("%s", target->root);
    if (path == NULL)
        return error_no_memory(err, "a path");
    if (archive->kind == BASE_BACKUP_MANIFEST)
        return dry || write_manifest(backup, path, err);
    return unpack(backup, path, target, err);
}

static bool run(struct connection *connection, const char *label, uint32_t max_rate_kib,
                struct target *target, struct error *err)
{
    struct base_backup_options options = {
        .label = label,
        .fast_checkpoint = true,
        .include_wal = true,
        .verify_checksums = true,
        .max_rate_kib = max_rate_kib,
    };
    struct base_backup *backup = NULL;
    struct base_backup_archive archive;
    struct base_backup_finish_info finish;
    char lsn[TEXT_SIZE];
    if (!base_backup_start(connection, &options, on_warning, NULL, &backup, err))
        return false;
    const struct base_backup_start_info *info = base_backup_info(backup);
    printf("start=%s timeline=%" PRIu32 " estimate=%" PRIu64 " tablespaces=%zu\n",
           text_lsn(info->start_lsn, lsn), info->timeline, info->size_bytes,
           info->tablespace_count);
    bool found = true;
    bool done = true;
    while (done && found) {
        done = base_backup_next_archive(backup, &archive, &found, err) &&
               (!found || take_archive(backup, &archive, target, err));
    }
    done = done && base_backup_finish(backup, &finish, err);
    if (done)
        printf("stop=%s checksum_failure=%s files=%" PRIu64 " bytes=%" PRIu64 "\n",
               text_lsn(finish.stop_lsn, lsn), finish.checksum_failure ? "yes" : "no",
               target->files, target->bytes);
    base_backup_close(backup);
    return done;
}

static bool describe_server(struct connection *connection, struct error *err)
{
    struct server_identity identity;
    struct server_settings settings;
    char lsn[TEXT_SIZE];
    if (!connection_identify_system(connection, &identity, err) ||
        !connection_read_settings(connection, &settings, err))
        return false;
    printf("system=%" PRIu64 " timeline=%" PRIu32 " position=%s\n", identity.system_identifier,
           identity.timeline, text_lsn(identity.position, lsn));
    printf("version=%s checksums=%d fpw=%d hints=%d recovery=%d block=%" PRIu32
           " wal_block=%" PRIu32 " segment=%" PRIu64 " level=%s\n",
           settings.server_version, settings.data_checksums, settings.full_page_writes,
           settings.wal_log_hints, settings.in_recovery, settings.block_size,
           settings.wal_block_size, settings.wal_segment_bytes, settings.wal_level);
    struct timeline_entry *entries = NULL;
    size_t count = 0;
    if (!connection_timeline_history(connection, identity.timeline, &entries, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        printf("history=%" PRIu32 " %s\n", entries[i].timeline, text_lsn(entries[i].end_lsn, lsn));
    free(entries);
    return true;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    if (argc < 3) {
        (void)fprintf(stderr, "usage: tool_base_backup CONNINFO DIRECTORY|- [LABEL]\n");
        return 2;
    }
    stop_install_handlers();
    struct connection_options options = {.conninfo = argv[1], .replication = true};
    bool slow = strcmp(argv[2], "--slow") == 0;
    struct target target = {.root = slow ? "-" : argv[2]};
    if (connection_open(&options, &connection, &err) && describe_server(connection, &err) &&
        (strcmp(argv[2], "--describe") == 0 ||
         run(connection, argc > 3 ? argv[3] : "mainstay's test", slow ? 4096 : 0, &target, &err)))
        return 0;
    (void)fprintf(stderr, "error=%s retryable=%d: %s\n", error_kind_name(err.kind), err.retryable,
                  err.text);
    if (*err.hint != '\0')
        (void)fprintf(stderr, "hint=%s\n", err.hint);
    return error_exit_code(err.kind);
}
