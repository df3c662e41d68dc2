/* CSV, a few bytes at a time (the first byte says how many). What is read and written again reads
 * as the same fields, apart from the apostrophe before a formula. */
#include "base/cleanup.h"
#include "document/csv.h"

#include "tests/fuzz/step_source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const char *const *fields, size_t count)
{
    struct error err;
    size_t again_count;
    const char *const *again;
    CLEANUP(csv_cleanup) struct csv *csv = NULL;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4 << 20);
    buf_put(&out, "x,", 2); /* a record of one empty field would be an empty line */
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_u8(&out, ',');
        csv_put_field(fields[i], &out);
    }
    struct source source = {out.data, out.len, 4096};
    if (count + 1 > CSV_FIELDS_MAX)
        return;
    if (!csv_new(read_step, &source, "again", &csv, &err) ||
        !csv_next(csv, &again, &again_count, &err) || again == NULL || again_count != count + 1)
        abort();
    for (size_t i = 0; i < count; i++) {
        const char *field = again[i + 1];
        if (strcmp(field, fields[i]) != 0 && (*field != '\'' || strcmp(field + 1, fields[i]) != 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    size_t count;
    const char *const *fields;
    CLEANUP(csv_cleanup) struct csv *csv = NULL;
    if (size == 0)
        return 0;
    struct source source = {data + 1, size - 1, data[0] == 0 ? 4096 : data[0]};
    if (!csv_new(read_step, &source, "input", &csv, &err))
        return 0;
    while (csv_next(csv, &fields, &count, &err) && fields != NULL)
        write_again(fields, count);
    return 0;
}
