/*
 * The backup_manifest that the server sends after the data: a second opinion on every file. Its
 * lines are read one by one, so memory does not grow with the number of files. Source:
 * PostgreSQL's documentation, "Backup Manifest Format"; src/backend/backup/backup_manifest.c.
 *
 * Checked: the manifest's own SHA-256, and for every file that it lists that the snapshot has it
 * with the same size and CRC-32C. Taken over: the WAL ranges.
 */
#ifndef SNAPSHOT_SERVER_MANIFEST_H
#define SNAPSHOT_SERVER_MANIFEST_H

#include "repository/manifest.h"

struct server_manifest;

/* Borrows the manifest of the snapshot, whose entries are complete and sorted; WAL ranges are added
 * to its info. Gives *out. */
MUST_CHECK bool server_manifest_new(struct manifest *manifest, struct server_manifest **out,
                                    struct error *err);
/* The next bytes, cut anywhere. ERROR_CORRUPT names the file that differs. */
MUST_CHECK bool server_manifest_feed(struct server_manifest *reader, const void *bytes, size_t len,
                                     struct error *err);
/* The end: everything must have been there. */
MUST_CHECK bool server_manifest_finish(struct server_manifest *reader, struct error *err);
void server_manifest_free(struct server_manifest *reader);
void server_manifest_cleanup(struct server_manifest **reader);

#endif
