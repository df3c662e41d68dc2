/* Recovery sheets as somebody types them: what is taken prints as something that reads the same. */
#include "base/cleanup.h"
#include "cli/recovery_sheet.h"
#include "tests/fuzz/outcome.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_and_read(const uint8_t key[SEAL_KEY_BYTES])
{
    struct error err;
    uint8_t again[SEAL_KEY_BYTES];
    CLEANUP(buf_release) struct buf sheet;
    buf_init(&sheet, 1 << 16);
    recovery_sheet_put(key, &sheet);
    const char *text = buf_text(&sheet);
    if (text == NULL || !recovery_sheet_read(text, again, &err) ||
        memcmp(again, key, sizeof again) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    uint8_t key[SEAL_KEY_BYTES];
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL)
        abort();
    if (outcome_check(recovery_sheet_read(text, key, &err), &err))
        print_and_read(key);
    if (size >= sizeof key)
        print_and_read(data);
    return 0;
}
