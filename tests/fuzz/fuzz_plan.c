/*
 * Plan files, whose digest is made right where there is one, and the id lists in them. The first
 * byte chooses which of the two.
 */
#include "base/cleanup.h"
#include "runbook/plan.h"
#include "src/runbook/plan_internal.h"
#include "tests/fuzz/outcome.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 loses a buffer of its own on some malformed texts. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

/* At most so many: a range may promise more ids than there are seconds. */
struct seen {
    int64_t last;
    int count;
};

static bool see_id(void *context, int64_t id, struct error *err)
{
    struct seen *seen = context;
    if (id <= seen->last)
        abort();
    seen->last = id;
    return ++seen->count < 1000 || error_set(err, ERROR_CANCELLED, "enough");
}

static void feed_ids(const uint8_t *data, size_t size)
{
    struct error err;
    struct seen seen = {0};
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL)
        abort();
    (void)outcome_check(id_ranges_each(text, see_id, &seen, &err), &err);
}

static void feed_plan(const uint8_t *data, size_t size)
{
    struct error err;
    struct plan *plan;
    char digest[65];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, PLAN_MAX_BYTES);
    CLEANUP(value_cleanup) struct value *document = value_parse(data, size, size, "input", &err);
    if (document == NULL)
        return;
    if (value_is_object(document) &&
        (!plan_digest(document, digest, &err) || !value_set_text(document, "digest", digest, &err)))
        return;
    if (!value_print(document, true, &text, &err))
        abort();
    if (plan_parse((const char *)text.data, text.len, "input", &plan, &err))
        plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        feed_plan(data + 1, size - 1);
    else
        feed_ids(data + 1, size - 1);
    return 0;
}
