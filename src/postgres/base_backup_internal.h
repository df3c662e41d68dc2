/* Shared by base_backup.c and the two COPY layouts. */
#ifndef POSTGRES_BASE_BACKUP_INTERNAL_H
#define POSTGRES_BASE_BACKUP_INTERNAL_H

#include "connection_internal.h"

#include "postgres/base_backup.h"

struct copy_layout;

struct base_backup {
    struct connection *connection;
    const struct copy_layout *layout;
    base_backup_warning_fn on_warning;
    void *warning_context;
    struct base_backup_start_info info;
    struct base_backup_tablespace *tablespaces; /* the same as info.tablespaces, ours to free */
    char *message;                              /* the current CopyData */
    PGresult *result;                           /* the next result, read ahead */
    bool in_copy;                               /* CopyData follow */
    bool in_archive;                            /* of the current archive */
    size_t archive_count;                       /* archives begun so far */
    struct base_backup_archive pending;         /* announced, not handed out yet */
    bool has_pending;
};

/* How the archives are laid out in the COPY streams. */
struct copy_layout {
    /* Moves to the next archive; the current one has been read to its end. */
    bool (*next)(struct base_backup *backup, struct base_backup_archive *out, bool *out_found,
                 struct error *err);
    /* The next bytes of the current archive; *out_len 0 at its end. */
    bool (*read)(struct base_backup *backup, const void **out, size_t *out_len, struct error *err);
};

extern const struct copy_layout copy_layout_plain; /* 13, 14: one COPY for each archive */
extern const struct copy_layout copy_layout_typed; /* 15 to 18: one COPY, typed messages */

/* The next CopyData message in backup->message; *out_len 0 at the end of this COPY, when
 * backup->result holds what follows (an error of the server is reported here). */
MUST_CHECK bool base_backup_next_message(struct base_backup *backup, size_t *out_len,
                                         struct error *err);

/* Reads the next result into backup->result and fails when it is an error. */
MUST_CHECK bool base_backup_next_result(struct base_backup *backup, struct error *err);

/* The tablespace with this oid, or NULL. */
const struct base_backup_tablespace *base_backup_tablespace_by_oid(const struct base_backup *backup,
                                                                   uint32_t oid);

#endif
