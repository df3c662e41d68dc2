/* Heads of answers, as the client keeps them: name, NUL, value, NUL, and so on. */
#include "net/http_client.h"

#include "base/cleanup.h"
#include "tests/fuzz/outcome.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The client only ever keeps whole pairs. */
static void put_pairs(const uint8_t *data, size_t size, struct buf *out)
{
    size_t texts = 0;
    for (size_t at = 0; at < size; texts++) {
        size_t len = strnlen((const char *)data + at, size - at);
        buf_put(out, data + at, len);
        buf_put_u8(out, 0);
        at += len + 1;
    }
    if (texts % 2 == 1)
        buf_put_u8(out, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t time_us;
    struct http_response response;
    http_response_init(&response, 1024);
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL)
        abort();
    outcome_ignore(http_date_parse(text, &time_us));
    put_pairs(data, size, &response.headers);
    int64_t wait_ms = http_retry_after_ms(&response);
    if (wait_ms < 0 || wait_ms > INT64_C(86400000))
        abort();
    (void)http_response_header(&response, "etag");
    http_response_release(&response);
    return 0;
}
