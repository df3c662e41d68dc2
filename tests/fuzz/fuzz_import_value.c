/* One value of an import: the first byte chooses its type and whether there is a time zone. What is
 * accepted has the form that the server takes. */
#include "base/cleanup.h"
#include "base/text.h"
#include "src/ticket/import_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TYPE_COUNT_ALL = TYPE_LABEL_STATE + 1 };

static void check(enum import_type type, const char *printed)
{
    int64_t number;
    size_t len = strlen(printed);
    if ((type == TYPE_TIME &&
         (len != strlen("2026-08-30T08:00:00.250000Z") || printed[4] != '-')) ||
        ((type == TYPE_COUNT || type == TYPE_MONEY) && !text_to_i64(printed, &number)) ||
        (type == TYPE_BOOL && strcmp(printed, "t") != 0 && strcmp(printed, "f") != 0) ||
        ((type == TYPE_LIST || type == TYPE_WORDS) &&
         (len < 2 || printed[0] != '{' || printed[len - 1] != '}')) ||
        (type >= TYPE_STATUS && (len == 0 || len > 16)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    char why[IMPORT_WHY_SIZE] = "";
    CLEANUP(time_zone_cleanup) struct time_zone *zone = NULL;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4 << 20);
    if (size == 0)
        return 0;
    if (data[0] >= 128 && !time_zone_load("UTC", TIME_ZONE_DIRECTORY, &zone, &err))
        abort();
    const struct import_options options = {.file = "input", .zone = zone};
    const struct import_column column = {.name = "x",
                                         .type = (enum import_type)(data[0] % TYPE_COUNT_ALL)};
    CLEANUP(free_pointer) char *text = strndup((const char *)data + 1, size - 1);
    if (text == NULL)
        abort();
    bool done = import_convert(&options, &column, text, &out, why);
    if (!done && why[0] == '\0')
        abort();
    if (done && buf_text(&out) != NULL)
        check(column.type, buf_text(&out));
    return 0;
}
