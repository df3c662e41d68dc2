/* What the parts of a restore share. Private to src/restore. */
#ifndef RESTORE_RESTORE_INTERNAL_H
#define RESTORE_RESTORE_INTERNAL_H

#include "repository/lease.h"
#include "repository/manifest.h"
#include "restore/recovery_settings.h"
#include "restore/restore.h"

#include <stdatomic.h>
#include <sys/types.h>

#define CONTROL_FILE "global/pg_control"
/* The control file is written under this name and renamed when everything else is durable: a
 * directory whose restore was interrupted has no control file, and PostgreSQL refuses it. */
#define CONTROL_FILE_UNFINISHED "global/pg_control.mainstay"
/* Says that a restore was begun here, so that another one may go on (with delta). */
#define MARKER_FILE "mainstay.restore"
#define TABLESPACE_MAP_FILE "tablespace_map"
#define BACKUP_MANIFEST_FILE "backup_manifest"

/* A file of the snapshot on its way to the disk; index as in the manifest. */
struct restore_file {
    const struct manifest_entry *entry;
    const char *path;         /* below the data directory; the control file has its other name */
    _Atomic uint32_t crc32c;  /* of the pages so far: complete when all of them were written */
    uint64_t existing_bytes;  /* delta: what is there already, up to the new size */
    uint64_t existing_blocks; /* the whole blocks of that */
};

struct restore_place {
    uint32_t tablespace_oid;
    char *target; /* absolute path on this machine */
};

struct restore_job {
    const struct repository *repository;
    const struct restore_options *options;
    struct manifest manifest;
    struct lease lease; /* keeps clean-ups from what is read */
    int root_fd;        /* the data directory, -1 before it is opened */
    bool fresh;         /* the directory was empty: nothing of it needs to be compared */
    bool change_owner;  /* root restores into somebody's directory */
    uid_t uid;
    gid_t gid;
    mode_t directory_mode;
    struct restore_place *places;
    size_t place_count;
    bool places_moved;          /* tablespace_map has to be written anew */
    struct restore_file *files; /* one for each manifest entry; entry NULL for directories */
    _Atomic uint64_t bytes_written;
    _Atomic uint64_t bytes_kept;
    _Atomic uint64_t bytes_fetched;
    uint64_t files_removed;
    uint64_t files_differ;
    struct recovery_target target; /* with what was looked up */
    uint32_t recovery_timeline;
    struct buf auto_conf; /* the new postgresql.auto.conf */
    char signal_file[24];
};

/* Reads the manifest of the snapshot that the options name, under a lease that names it. */
MUST_CHECK bool restore_load(struct restore_job *job, struct error *err);
MUST_CHECK bool restore_load_manifest(struct restore_job *job, const struct catalog_entry *entry,
                                      struct error *err);

/* restore_recovery.c: does PostgreSQL recover beyond the snapshot? Then the target decides which
 * snapshot; the settings are made from the file that was restored, the backup_manifest has them,
 * and they are written when everything else is durable. */
bool restore_has_recovery(const struct restore_job *job);
MUST_CHECK bool restore_choose(struct restore_job *job, struct error *err);
MUST_CHECK bool restore_prepare_recovery(struct restore_job *job, struct error *err);
MUST_CHECK bool restore_write_recovery(struct restore_job *job, struct error *err);

/* restore_wal.c, for a snapshot without its own WAL: is it in the archive? How much is it? Its
 * segments, one after the other (all of them have their full size); into the data directory. */
MUST_CHECK bool restore_check_segment_size(const struct snapshot_info *info, struct error *err);
MUST_CHECK bool restore_check_wal(const struct restore_job *job, struct error *err);
uint64_t restore_wal_bytes(const struct snapshot_info *info);
typedef bool (*restore_wal_fn)(void *context, const char *path, const uint8_t *bytes, size_t len,
                               struct error *err);
MUST_CHECK bool restore_visit_wal(const struct restore_job *job, restore_wal_fn emit, void *context,
                                  struct error *err);
MUST_CHECK bool restore_write_wal(struct restore_job *job, struct error *err);

/* restore_plan.c: loads the manifest, resolves tablespaces, looks at the target; refuses before a
 * byte is written. */
MUST_CHECK bool restore_plan(struct restore_job *job, struct error *err);

/* restore_tree.c: directories, links, empty files of the right size; afterwards modes, fsync, the
 * control file's name. */
MUST_CHECK bool restore_create_tree(struct restore_job *job, struct error *err);
MUST_CHECK bool restore_finish_tree(struct restore_job *job, struct error *err);
MUST_CHECK bool restore_set_owner(const struct restore_job *job, const char *path,
                                  struct error *err);
/* Opens a path below the data directory for reading and writing. */
MUST_CHECK bool restore_open(const struct restore_job *job, const char *path, int flags,
                             int *out_fd, struct error *err);

/* restore_pages.c: every page to its place, packs in parallel. */
MUST_CHECK bool restore_write_pages(struct restore_job *job, struct error *err);

/* backup_manifest.c: the file that pg_verifybackup reads, from the checksums of what was written.
 */
MUST_CHECK bool restore_write_backup_manifest(struct restore_job *job, struct error *err);
/* Calls emit with pieces of it. */
typedef bool (*emit_fn)(void *context, const void *bytes, size_t len, struct error *err);
MUST_CHECK bool backup_manifest_print(const struct restore_job *job, emit_fn emit, void *context,
                                      struct error *err);

/* The content of tablespace_map for the places of this job; buf_init'ed by the caller. */
void restore_print_tablespace_map(const struct restore_job *job, struct buf *out);

/* Names the files whose content is not what the server had, and counts them. With page checksums on
 * it must be, to the last bit; without them, hint bits of pages that were reused may differ, and
 * nothing can be said. The restore goes on: this is the data there is. */
uint64_t restore_count_differing(const struct restore_job *job);
/* Moves the snapshot's info out of the job. */
void restore_fill_result(struct restore_job *job, int64_t started_us, struct restore_result *out);

int restore_threads(const struct restore_options *options);

void restore_job_release(struct restore_job *job);

#endif
