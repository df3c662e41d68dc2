/* JSON lines: each object prints to a text that reads as the same. */
#include "base/cleanup.h"
#include "document/json_lines.h"

#include "tests/fuzz/step_source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_again(const struct value *value)
{
    struct error err;
    CLEANUP(buf_release) struct buf first;
    CLEANUP(buf_release) struct buf second;
    CLEANUP(value_cleanup) struct value *again = NULL;
    buf_init(&first, 8 << 20);
    buf_init(&second, 8 << 20);
    if (!value_print(value, false, &first, &err))
        abort();
    again = value_parse(first.data, first.len, first.max_bytes, "again", &err);
    if (again == NULL || !value_print(again, false, &second, &err) || first.len != second.len ||
        memcmp(first.data, second.data, first.len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    CLEANUP(json_lines_cleanup) struct json_lines *lines = NULL;
    if (size == 0)
        return 0;
    struct source source = {data + 1, size - 1, data[0] == 0 ? 4096 : data[0]};
    if (!json_lines_new(read_step, &source, "input", &lines, &err))
        return 0;
    for (;;) {
        CLEANUP(value_cleanup) struct value *value = NULL;
        if (!json_lines_next(lines, &value, &err) || value == NULL)
            return 0;
        print_again(value);
    }
}
