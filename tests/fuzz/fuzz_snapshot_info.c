/* Summaries: what is accepted can be written, and reads back as the same text. */
#include "repository/snapshot_info.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct snapshot_info *info)
{
    struct error err;
    struct buf first;
    struct buf second;
    struct snapshot_info again;
    buf_init(&first, 16 << 20);
    buf_init(&second, 16 << 20);
    if (!snapshot_info_to_json(info, &first, &err) ||
        !snapshot_info_from_json(first.data, first.len, "again", &again, &err) ||
        !snapshot_info_to_json(&again, &second, &err) || first.len != second.len ||
        memcmp(first.data, second.data, first.len) != 0)
        abort();
    snapshot_info_release(&again);
    buf_release(&first);
    buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct snapshot_info info;
    if (size > 100000 || !snapshot_info_from_json(data, size, "input", &info, &err))
        return 0;
    write_again(&info);
    snapshot_info_release(&info);
    return 0;
}
