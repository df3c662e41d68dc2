/* What a webhook's file says, and a message with the same bytes in it. */
#include "base/cleanup.h"
#include "document/value.h"
#include "notice/webhook.h"
#include "tests/fuzz/memory_file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_message(const struct webhook *webhook, const char *text)
{
    struct error err;
    CLEANUP(buf_release) struct buf out;
    CLEANUP(value_cleanup) struct value *value = NULL;
    const struct webhook_message message = {.id = "1",
                                            .run_id = text,
                                            .template_name = "t",
                                            .purpose = "status",
                                            .subject = text,
                                            .text = text,
                                            .queued = "2026-03-01T12:00:05Z"};
    buf_init(&out, 4 << 20);
    if (!webhook_put_json(webhook, &message, &out, &err))
        return;
    value = value_parse(out.data, out.len, out.max_bytes, "message", &err);
    if (value == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct webhook webhook;
    struct memory_file file = memory_file_open(data, size);
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL)
        abort();
    if (webhook_load("/proc/self/fd", strrchr(file.path, '/') + 1, &webhook, &err)) {
        feed_message(&webhook, text);
        webhook_release(&webhook);
    }
    memory_file_close(&file);
    return 0;
}
