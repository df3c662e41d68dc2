/* Numbers, sizes, durations, places and times as texts: what is read prints as something that reads
 * as the same. */
#include "base/cleanup.h"
#include "base/text.h"
#include "tests/fuzz/outcome.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_time(const char *text)
{
    int64_t us;
    int64_t again;
    char printed[TEXT_SIZE];
    if (text_to_time_us(text, &us) &&
        (!text_to_time_us(text_time_exact_us(us, printed), &again) || again != us))
        abort();
}

static void feed_time_key(const char *text)
{
    int64_t us;
    int64_t again;
    char printed[TEXT_SIZE];
    if (text_to_time_key_us(text, &us) &&
        (!text_to_time_key_us(text_time_key_us(us, printed), &again) || again != us))
        abort();
}

static void feed_lsn(const char *text)
{
    uint64_t lsn;
    uint64_t again;
    char printed[TEXT_SIZE];
    if (text_to_lsn(text, &lsn) && (!text_to_lsn(text_lsn(lsn, printed), &again) || again != lsn))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"snapshot", "restore", "verify"};
    uint64_t number;
    int64_t amount;
    bool flag;
    uint8_t bytes[8];
    char printed[TEXT_SIZE];
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL)
        abort();
    feed_time(text);
    feed_time_key(text);
    feed_lsn(text);
    outcome_ignore(text_to_i64(text, &amount));
    outcome_ignore(text_to_bool(text, &flag));
    outcome_ignore(text_from_hex(text, bytes, sizeof bytes));
    (void)text_nearest(text, names, ARRAY_LEN(names));
    if (text_to_u64(text, &number) || text_to_bytes(text, &number))
        (void)text_bytes(number, printed);
    if (text_to_duration_us(text, &amount)) {
        if (amount < 0)
            abort();
        (void)text_duration_us(amount, printed);
    }
    return 0;
}
