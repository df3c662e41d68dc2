/* A plan as text: its digest, reading it back, and whether it belongs to this database. */
#include "plan_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "codec/digest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char digest_member[] = ",\"digest\":\"";

enum { DIGEST_TAIL = sizeof digest_member - 1 + SHA256_HEX_SIZE - 1 + 2 /* "} */ };

/* "digest" is the last member, so that the rest of the compact text is one piece. */
static size_t length_without_digest(struct buf *text)
{
    const char *start = (const char *)text->data;
    if (text->len <= DIGEST_TAIL ||
        strncmp(start + text->len - DIGEST_TAIL, digest_member, sizeof digest_member - 1) != 0)
        return text->len - 1;
    return text->len - DIGEST_TAIL;
}

bool plan_digest(const struct value *document, char out[65], struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct buf text;
    buf_init(&text, PLAN_MAX_BYTES);
    bool done = value_print(document, false, &text, err) && buf_check(&text, "a plan", err);
    if (done) {
        text.len = length_without_digest(&text);
        buf_put_u8(&text, '}');
        digest_sha256(text.data, text.len, hash);
        text_hex(hash, sizeof hash, out);
    }
    buf_release(&text);
    return done;
}

static bool check_digest(const struct value *document, const char **out, struct error *err)
{
    char digest[SHA256_HEX_SIZE];
    if (!value_get_text(document, "digest", out, err) || !plan_digest(document, digest, err))
        return false;
    if (strcmp(digest, *out) == 0)
        return true;
    (void)error_set(err, ERROR_CORRUPT, "the digest is %.16s..., but the content has %.16s...",
                    *out, digest);
    return error_hint(err, "The plan was changed after it was made: plan again.");
}

/* The runbook of the plan, from the text in the plan. */
static bool open_runbook(struct plan *plan, struct error *err)
{
    const struct value *head = NULL;
    const char *name = NULL;
    const char *digest = NULL;
    const char *source = NULL;
    if (!value_get_object(plan->document, "runbook", &head, err) ||
        !value_get_text(head, "name", &name, err) ||
        !value_get_text(head, "digest", &digest, err) ||
        !value_get_text(head, "source", &source, err) ||
        !runbook_load(source, strlen(source), name, &plan->runbook, err))
        return false;
    if (strcmp(plan->runbook->digest, digest) != 0 || strcmp(plan->runbook->name, name) != 0)
        return error_set(err, ERROR_CORRUPT, "runbook \"%.60s\" is not the one of its digest",
                         name);
    return true;
}

bool plan_open(struct plan *plan, struct error *err)
{
    uint64_t format = 0;
    const char *now = NULL;
    const struct value *params = NULL;
    if (!value_get_u64(plan->document, "format", &format, err))
        return false;
    if (format != PLAN_FORMAT)
        return error_set(err, ERROR_UNSUPPORTED, "it has format %" PRIu64 ", not %d", format,
                         PLAN_FORMAT);
    if (!check_digest(plan->document, &plan->digest, err) || !open_runbook(plan, err) ||
        !value_get_object(plan->document, "params", &params, err) ||
        !param_values_from_value(plan->runbook, params, &plan->params, err) ||
        !value_get_text(plan->document, "now", &now, err))
        return false;
    if (!text_to_time_us(now, &plan->now_us))
        return error_set(err, ERROR_CORRUPT, "\"%.60s\" is not a time", now);
    return true;
}

bool plan_parse(const char *text, size_t len, const char *what, struct plan **out,
                struct error *err)
{
    CLEANUP(plan_cleanup) struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return error_no_memory(err, "a plan");
    plan->document = value_parse(text, len, PLAN_MAX_BYTES, what, err);
    if (plan->document == NULL)
        return false;
    if (!plan_open(plan, err))
        return error_wrap(err, "cannot use plan \"%s\"", what);
    *out = TAKE(plan);
    return true;
}

bool plan_read(const char *path, struct plan **out, struct error *err)
{
    struct buf text;
    buf_init(&text, PLAN_MAX_BYTES);
    bool done = file_read_all(path, &text, err) &&
                plan_parse((const char *)text.data, text.len, path, out, err);
    buf_release(&text);
    return done;
}

bool plan_print(const struct plan *plan, struct buf *out, struct error *err)
{
    return value_print(plan->document, true, out, err);
}

bool plan_check_database(const struct plan *plan, struct connection *connection, struct error *err)
{
    CLEANUP(helpdesk_release) struct helpdesk here = {0};
    const struct value *helpdesk = NULL;
    const char *database = NULL;
    const char *identifier = NULL;
    const char *adapter = NULL;
    if (!value_get_object(plan->document, "helpdesk", &helpdesk, err) ||
        !value_get_text(helpdesk, "database", &database, err) ||
        !value_get_text(helpdesk, "system_identifier", &identifier, err) ||
        !value_get_text(helpdesk, "adapter", &adapter, err) ||
        !helpdesk_read(connection, &here, err))
        return false;
    if (strcmp(database, here.database) == 0 && strcmp(identifier, here.system_identifier) == 0 &&
        strcmp(adapter, here.adapter) == 0)
        return true;
    (void)error_set(
        err, ERROR_REFUSED,
        "the plan is for database \"%.60s\" (%s, adapter %.40s), this is \"%.60s\" (%s, "
        "adapter %.40s)",
        database, identifier, adapter, here.database, here.system_identifier, here.adapter);
    return error_hint(err, "Plan again here.");
}

bool plan_step(const struct plan *plan, const char *section, size_t at, const struct value **out,
               struct error *err)
{
    const struct value *list = NULL;
    if (!value_get_array(plan->document, section, &list, err))
        return false;
    if (at >= value_count(list))
        return error_set(err, ERROR_CORRUPT, "the plan has no step %zu in \"%s\"", at, section);
    return value_at_object(list, at, out, err);
}

bool plan_selection(const struct value *plan, const char *name, const struct value **out,
                    struct error *err)
{
    const struct value *selections = NULL;
    return value_get_object(plan, "selections", &selections, err) &&
           value_get_object(selections, name, out, err);
}
