/*
 * The typed messages of BASE_BACKUP (15 to 18), each a length byte and its bytes. The source is
 * included, so that the messages come from here and not from a server.
 */
/* NOLINTBEGIN(bugprone-suspicious-include) */
#define base_backup_next_message next_message_of_input
#define base_backup_tablespace_by_oid tablespace_of_input
#define copy_layout_plain layout_plain_of_input
#define copy_layout_typed layout_typed_of_input
#include "src/postgres/base_backup_copy.c"
/* NOLINTEND(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libpq gives messages with a NUL behind them, and none without a byte. */
struct input {
    struct base_backup backup;
    const uint8_t *next;
    size_t left;
    char message[256 + 1];
};

bool base_backup_next_message(struct base_backup *backup, size_t *out_len, struct error *err)
{
    struct input *input = (struct input *)backup;
    (void)err;
    size_t len = input->left > 0 ? *input->next : 0;
    if (input->left < 1 + len || len == 0) {
        backup->in_copy = false;
        *out_len = 0;
        return true;
    }
    memcpy(input->message, input->next + 1, len);
    input->message[len] = '\0';
    backup->message = input->message;
    input->next += 1 + len;
    input->left -= 1 + len;
    *out_len = len;
    return true;
}

const struct base_backup_tablespace *base_backup_tablespace_by_oid(const struct base_backup *backup,
                                                                   uint32_t oid)
{
    return backup->tablespaces[0].oid == oid ? &backup->tablespaces[0] : NULL;
}

static void read_archives(struct base_backup *backup)
{
    struct error err;
    struct base_backup_archive archive;
    const void *bytes;
    size_t len;
    bool found;
    while (layout_typed_of_input.next(backup, &archive, &found, &err) && found) {
        if (archive.kind == BASE_BACKUP_TABLESPACE && archive.tablespace_oid != 16500)
            abort();
        backup->in_archive = true;
        do {
            if (!layout_typed_of_input.read(backup, &bytes, &len, &err))
                return;
        } while (len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/ts";
    struct base_backup_tablespace tablespace = {.oid = 16500, .path = path};
    struct input input = {.next = data, .left = size};
    input.backup.tablespaces = &tablespace;
    input.backup.info.tablespace_count = 1;
    input.backup.in_copy = true;
    input.backup.result = PQmakeEmptyPGresult(NULL, PGRES_COPY_OUT);
    if (input.backup.result == NULL)
        abort();
    read_archives(&input.backup);
    PQclear(input.backup.result);
    return 0;
}
