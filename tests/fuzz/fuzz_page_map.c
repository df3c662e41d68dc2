/* Page maps: two bytes of block count, then the map. An accepted map covers the file exactly. */
#include "repository/page_map.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct page_map_reader reader;
    struct page_run run;
    bool found = true;
    uint64_t blocks = 0;
    if (size < 2)
        return 0;
    uint64_t wanted = (uint64_t)(data[0] | data[1] << 8);
    page_map_reader_init(&reader, data + 2, size - 2, wanted, "input");
    while (found) {
        if (!page_map_reader_next(&reader, &run, &found, &err))
            return 0;
        if (found && run.is_data && (uint64_t)run.ordinal + run.count > UINT32_MAX)
            abort();
        blocks += found ? run.count : 0;
    }
    if (blocks != wanted)
        abort();
    return 0;
}
