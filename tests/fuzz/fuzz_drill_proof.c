/* Proofs of drills: what is read makes reports, and is written as something that reads the same. */
#include "base/cleanup.h"
#include "drill/drill_report.h"
#include "tests/fuzz/outcome.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PROOF_MAX_BYTES = 4 << 20 };

static void print(const struct drill_proof *proof, struct buf *out)
{
    struct error err;
    CLEANUP(value_cleanup) struct value *value = drill_proof_to_value(proof, &err);
    if (value == NULL || !value_print(value, false, out, &err))
        abort();
}

static void write_again(const struct drill_proof *proof)
{
    struct error err;
    struct drill_proof again;
    CLEANUP(buf_release) struct buf first;
    CLEANUP(buf_release) struct buf second;
    buf_init(&first, PROOF_MAX_BYTES);
    buf_init(&second, PROOF_MAX_BYTES);
    print(proof, &first);
    CLEANUP(value_cleanup)
    struct value *value = value_parse(first.data, first.len, PROOF_MAX_BYTES, "again", &err);
    if (value == NULL || !drill_proof_from_value(value, &again, &err))
        abort();
    print(&again, &second);
    drill_proof_release(&again);
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
        abort();
}

static void report(const struct drill_proof *proof)
{
    struct error err;
    const struct drill_history history = {proof, 1};
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, PROOF_MAX_BYTES);
    (void)outcome_check(drill_report_junit(proof, &out, &err), &err);
    if (out.len > 0 && memchr(out.data, 1, out.len) != NULL)
        abort();
    (void)outcome_check(drill_report_markdown(proof, &history, &out, &err), &err);
    (void)outcome_check(drill_report_html(proof, &history, &out, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct drill_proof proof;
    CLEANUP(value_cleanup)
    struct value *value = value_parse(data, size, PROOF_MAX_BYTES, "input", &err);
    if (value == NULL || !outcome_check(drill_proof_from_value(value, &proof, &err), &err))
        return 0;
    write_again(&proof);
    report(&proof);
    drill_proof_release(&proof);
    return 0;
}
