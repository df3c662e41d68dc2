/* Cron expressions: the next time is later, and the same when it is asked for again. */
#include "base/cleanup.h"
#include "daemon/cron.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct cron cron;
    CLEANUP(time_zone_cleanup) struct time_zone *zone = NULL;
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL || !time_zone_load("UTC", TIME_ZONE_DIRECTORY, &zone, &err))
        abort();
    if (!cron_parse(text, &cron, &err))
        return 0;
    int64_t at_us = INT64_C(1772366405250000);
    for (int i = 0; i < 3 && at_us != INT64_MAX; i++) {
        int64_t next_us = cron_next(&cron, zone, at_us);
        if (next_us <= at_us || cron_next(&cron, zone, next_us - 1) != next_us)
            abort();
        at_us = next_us;
    }
    return 0;
}
