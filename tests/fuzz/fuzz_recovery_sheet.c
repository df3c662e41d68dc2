/* Recovery sheets as somebody types them: what is taken prints as something that reads the same. */
#include "base/cleanup.h"
#include "cli/recovery_sheet.h"
#include "tests/fuzz/outcome.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_and_read(const uint8_t *bytes, size_t len)
{
    struct error err;
    CLEANUP(buf_release) struct buf sheet;
    CLEANUP(buf_release) struct buf again;
    buf_init(&sheet, 1 << 20);
    buf_init(&again, 1 << 16);
    recovery_sheet_put(1, bytes, len, &sheet);
    const char *text = buf_text(&sheet);
    if (text == NULL || !recovery_sheet_read(text, &again, &err) || again.len != len ||
        memcmp(again.data, bytes, len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    CLEANUP(buf_release) struct buf typed;
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL)
        abort();
    buf_init(&typed, 1 << 16);
    if (outcome_check(recovery_sheet_read(text, &typed, &err), &err))
        print_and_read(typed.data, typed.len);
    if (size >= SEAL_KEY_BYTES)
        print_and_read(data, SEAL_KEY_BYTES);
    return 0;
}
