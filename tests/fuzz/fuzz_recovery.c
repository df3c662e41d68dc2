/*
 * What a restore writes into postgresql.auto.conf: the old content is whatever the server had. The
 * same bytes as a person's recovery target, and as an argument for the shell that PostgreSQL
 * starts.
 */
#include "base/cleanup.h"
#include "restore/recovery_settings.h"
#include "restore/recovery_target.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX_BYTES = 8 << 20 };

static void feed_target(const char *text)
{
    char printed[TARGET_TEXT_SIZE];
    struct recovery_target target;
    const struct recovery_target_texts all[] = {{.time = text},
                                                {.lsn = text},
                                                {.name = text},
                                                {.xid = text},
                                                {.latest = true, .timeline = text},
                                                {.latest = true, .action = text}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct error err;
        if (recovery_target_parse(&all[i], &target, &err) &&
            *recovery_target_text(&target, printed) == '\0')
            abort();
    }
}

static void feed_argument(const char *text)
{
    struct error err;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, OUT_MAX_BYTES);
    if (recovery_put_argument(text, &out, &err) && strchr(buf_text(&out), '\n') != NULL)
        abort();
}

/* Our block is the last word, whatever stood there; done twice it is the same. */
static void feed_settings(const uint8_t *data, size_t size)
{
    struct error err;
    const struct recovery_target target = {.kind = TARGET_LATEST};
    const struct recovery_settings settings = {
        .target = &target, .timeline = 3, .restore_command = "mainstay wal get '%f' '%p'"};
    CLEANUP(buf_release) struct buf first;
    CLEANUP(buf_release) struct buf second;
    buf_init(&first, OUT_MAX_BYTES);
    buf_init(&second, OUT_MAX_BYTES);
    if (!recovery_settings_print(&settings, (const char *)data, size, &first, &err))
        return;
    if (!recovery_settings_print(&settings, (const char *)first.data, first.len, &second, &err) ||
        first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL)
        abort();
    feed_target(text);
    feed_argument(text);
    feed_settings(data, size);
    return 0;
}
