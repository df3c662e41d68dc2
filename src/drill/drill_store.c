#include "drill/drill_store.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "codec/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 64 << 20 };

static bool add_file(struct value *list, const struct drill_file *file, struct error *err)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    struct error absent;
    const char *slash = strrchr(file->path, '/');
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, FILE_MAX_BYTES);
    if (!file_read_all(file->path, &bytes, &absent))
        return absent.kind == ERROR_NOT_FOUND || (*err = absent, false);
    digest_sha256(bytes.data, bytes.len, digest);
    text_hex(digest, sizeof digest, hex);
    struct value *item = value_append_new_object(list, err);
    return item != NULL &&
           value_set_text_lossy(item, "name", slash == NULL ? file->path : slash + 1, err) &&
           value_set_u64(item, "bytes", bytes.len, err) && value_set_text(item, "sha256", hex, err);
}

bool drill_store_put(const struct repository *repository, const struct drill_proof *proof,
                     const struct drill_file *files, size_t file_count, struct error *err)
{
    struct drill_record record = {.started_us = proof->started_us, .passed = proof->passed};
    CLEANUP(value_cleanup) struct value *value = drill_proof_to_value(proof, err);
    struct value *list = value == NULL ? NULL : value_set_new_array(value, "files", err);
    if (list == NULL)
        return false;
    for (size_t i = 0; i < file_count; i++)
        if (!add_file(list, &files[i], err))
            return false;
    (void)snprintf(record.id, sizeof record.id, "%s", proof->id);
    return drill_record_put(repository, &record, value, err);
}

bool drill_store_get(const struct repository *repository, const struct drill_record *record,
                     struct drill_proof *out, struct error *err)
{
    CLEANUP(value_cleanup) struct value *value = drill_record_get(repository, record, err);
    return value != NULL && drill_proof_from_value(value, out, err);
}

void drill_proofs_free(struct drill_proof *proofs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        drill_proof_release(&proofs[i]);
    free(proofs);
}

static bool is_unreadable(enum error_kind kind)
{
    return kind == ERROR_CORRUPT || kind == ERROR_UNSUPPORTED || kind == ERROR_REFUSED;
}

bool drill_store_history(const struct repository *repository, const struct drill_list *list,
                         int64_t before_us, size_t most, struct drill_proof **out,
                         size_t *out_count, struct error *err)
{
    size_t end = 0;
    size_t count = 0;
    while (end < list->count && list->records[end].started_us < before_us)
        end++;
    size_t begin = end > most ? end - most : 0;
    struct drill_proof *proofs = calloc(end - begin + 1, sizeof *proofs);
    if (proofs == NULL)
        return error_no_memory(err, "the history of drills");
    for (size_t i = begin; i < end; i++) {
        if (drill_store_get(repository, &list->records[i], &proofs[count], err)) {
            count++;
            continue;
        }
        if (err->kind == ERROR_NOT_FOUND) /* removed since it was listed */
            continue;
        if (is_unreadable(err->kind)) {
            log_event(LOG_WARNING, "drill.unreadable", "the proof of a drill does not count: %s",
                      err->text);
            continue;
        }
        drill_proofs_free(proofs, count);
        return false;
    }
    *out = proofs;
    *out_count = count;
    return true;
}
