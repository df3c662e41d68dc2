/* Timeline history files; accepted entries ascend. */
#include "postgres/timeline_history.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct timeline_entry *entries;
    size_t count;
    if (!timeline_history_parse((const char *)data, size, 1000, &entries, &count, &err))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (entries[i].timeline >= 1000 ||
            (i > 0 && entries[i - 1].timeline >= entries[i].timeline))
            abort();
    free(entries);
    return 0;
}
