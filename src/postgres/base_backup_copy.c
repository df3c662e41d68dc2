/*
 * The two ways in which BASE_BACKUP lays out its archives.
 *
 * 13 and 14: one COPY for each row of the tablespace list (the data directory is the last row),
 * then one for the manifest; every message is content.
 *
 * 15 to 18: a single COPY. The first byte of every message says what it is: 'n' a new archive
 * ("16500.tar" or "base.tar", then the tablespace's directory, both NUL-terminated), 'm' the
 * manifest begins, 'd' content, 'p' progress. Source: protocol.sgml, basebackup_copy.c.
 */
#include "base_backup_internal.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static bool plain_next(struct base_backup *backup, struct base_backup_archive *out, bool *out_found,
                       struct error *err)
{
    (void)err;
    *out_found = PQresultStatus(backup->result) == PGRES_COPY_OUT;
    if (!*out_found)
        return true;
    size_t index = backup->archive_count++;
    *out = (struct base_backup_archive){.kind = BASE_BACKUP_DATA};
    if (index < backup->info.tablespace_count) {
        out->kind = BASE_BACKUP_TABLESPACE;
        out->tablespace_oid = backup->tablespaces[index].oid;
        out->tablespace_path = backup->tablespaces[index].path;
    } else if (index > backup->info.tablespace_count) {
        out->kind = BASE_BACKUP_MANIFEST;
    }
    backup->in_copy = true;
    return true;
}

static bool plain_read(struct base_backup *backup, const void **out, size_t *out_len,
                       struct error *err)
{
    size_t len = 0;
    if (!base_backup_next_message(backup, &len, err))
        return false;
    *out = backup->message;
    *out_len = len;
    return true;
}

const struct copy_layout copy_layout_plain = {.next = plain_next, .read = plain_read};

/* "16500.tar" or "base.tar" */
static bool parse_archive_name(const struct base_backup *backup, const char *name,
                               struct base_backup_archive *out, struct error *err)
{
    char digits[16] = "";
    uint64_t oid = 0;
    size_t len = strlen(name);
    if (strcmp(name, "base.tar") == 0) {
        *out = (struct base_backup_archive){.kind = BASE_BACKUP_DATA};
        return true;
    }
    if (text_ends_with(name, ".tar") && len - 4 < sizeof digits) {
        memcpy(digits, name, len - 4);
        digits[len - 4] = '\0';
    }
    const struct base_backup_tablespace *tablespace = text_to_u64(digits, &oid) && oid <= UINT32_MAX
                                                          ? base_backup_tablespace_by_oid(
                                                                backup, (uint32_t)oid)
                                                          : NULL;
    if (tablespace == NULL)
        return error_set(err, ERROR_INVALID,
                         "cannot read the base backup: archive \"%s\" was not "
                         "announced",
                         name);
    *out = (struct base_backup_archive){.kind = BASE_BACKUP_TABLESPACE,
                                        .tablespace_oid = tablespace->oid,
                                        .tablespace_path = tablespace->path};
    return true;
}

/* Content is handed out; a new archive or the manifest ends the current one and becomes pending. */
static bool take_message(struct base_backup *backup, size_t len, bool *out_content,
                         struct error *err)
{
    const char *message = backup->message;
    *out_content = message[0] == 'd' && backup->in_archive;
    if (message[0] == 'd' && !backup->in_archive)
        return error_set(err, ERROR_INVALID,
                         "cannot read the base backup: content without an "
                         "archive");
    if (message[0] == 'd' || message[0] == 'p')
        return true;
    backup->in_archive = false;
    if (message[0] == 'm') {
        backup->pending = (struct base_backup_archive){.kind = BASE_BACKUP_MANIFEST};
        backup->has_pending = true;
        return true;
    }
    if (message[0] != 'n' || memchr(message + 1, '\0', len - 1) == NULL)
        return error_set(err, ERROR_INVALID, "cannot read the base backup: message type 0x%02x",
                         (unsigned)(unsigned char)message[0]);
    backup->has_pending = parse_archive_name(backup, message + 1, &backup->pending, err);
    return backup->has_pending;
}

static bool typed_read(struct base_backup *backup, const void **out, size_t *out_len,
                       struct error *err)
{
    *out = NULL;
    *out_len = 0;
    while (backup->in_copy && !backup->has_pending) {
        size_t len = 0;
        bool content = false;
        if (!base_backup_next_message(backup, &len, err))
            return false;
        if (len == 0)
            return true;
        if (!take_message(backup, len, &content, err))
            return false;
        if (content && len > 1) {
            *out = backup->message + 1;
            *out_len = len - 1;
            return true;
        }
    }
    return true;
}

static bool typed_next(struct base_backup *backup, struct base_backup_archive *out, bool *out_found,
                       struct error *err)
{
    const void *bytes = NULL;
    size_t len = 0;
    if (backup->archive_count == 0 && PQresultStatus(backup->result) == PGRES_COPY_OUT)
        backup->in_copy = true;
    if (!backup->has_pending && !typed_read(backup, &bytes, &len, err))
        return false;
    *out_found = backup->has_pending;
    if (!backup->has_pending)
        return true;
    *out = backup->pending;
    backup->has_pending = false;
    backup->archive_count++;
    return true;
}

const struct copy_layout copy_layout_typed = {.next = typed_next, .read = typed_read};
