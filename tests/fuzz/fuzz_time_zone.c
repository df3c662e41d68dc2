/* TZif files (RFC 9636), and the same bytes as the name of one. */
#include "base/cleanup.h"
#include "base/macros.h"
#include "base/time_zone.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct time_zone *zone)
{
    static const int64_t times[] = {INT64_C(-9000000000), 0,
                                    INT64_C(1772366405),  INT64_C(1790000000),
                                    INT64_C(4102444800),  INT64_C(250000000000)};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        int64_t first;
        int64_t second;
        (void)time_zone_offset(zone, times[i]);
        if (time_zone_instant(zone, times[i], &first, &second) == LOCAL_TWICE && first > second)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct time_zone *zone;
    CLEANUP(free_pointer) char *name = strndup((const char *)data, size);
    if (name == NULL)
        abort();
    if (time_zone_parse(data, size, "input", &zone, &err)) {
        ask(zone);
        time_zone_free(zone);
    }
    if (time_zone_load(name, TIME_ZONE_DIRECTORY, &zone, &err))
        time_zone_free(zone);
    return 0;
}
