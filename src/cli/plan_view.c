#include "cli/plan_view.h"

#include "cli/output.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { INDENT = 4, NAME_WIDTH = 24, COUNT_WIDTH = 8 };

/* ---- pieces ---- */

static void put_padded(const char *text, size_t width, struct buf *out)
{
    size_t before = out->len;
    output_put_clean(text, out);
    size_t written = out->len - before;
    buf_printf(out, "%*s", written < width ? (int)(width - written) : 0, "");
}

static void put_count_line(size_t indent, const char *name, uint64_t count, struct buf *out)
{
    buf_printf(out, "%*s", (int)indent, "");
    put_padded(name, NAME_WIDTH, out);
    buf_printf(out, " %*" PRIu64 "\n", COUNT_WIDTH, count);
}

static bool put_head(const struct plan *plan, struct buf *out, struct error *err)
{
    const struct value *helpdesk = NULL;
    const char *planner = NULL;
    const char *database = NULL;
    const char *adapter = NULL;
    const char *version = NULL;
    char now[TEXT_SIZE];
    if (!value_get_object(plan->document, "helpdesk", &helpdesk, err) ||
        !value_get_text(plan->document, "planned_by", &planner, err) ||
        !value_get_text(helpdesk, "database", &database, err) ||
        !value_get_text(helpdesk, "adapter", &adapter, err) ||
        !value_get_text(helpdesk, "version", &version, err))
        return false;
    buf_printf(out, "%s %s: ", plan->runbook->name, plan->runbook->version);
    output_put_clean(plan->runbook->title, out);
    buf_printf(out, "\nplanned at %s by ", text_time_us(plan->now_us, now));
    output_put_clean(planner, out);
    buf_printf(out, ", database \"");
    output_put_clean(database, out);
    buf_printf(out, "\" (adapter ");
    output_put_clean(adapter, out);
    buf_printf(out, " %s)\n", version);
    for (size_t i = 0; i < param_values_count(plan->params); i++) {
        const struct param_value *value = param_values_at(plan->params, i);
        if (value->text == NULL)
            continue;
        buf_printf(out, "%*s%s = ", INDENT, "", value->param->name);
        output_put_clean(value->text, out);
        buf_printf(out, "\n");
    }
    return true;
}

/* ---- selections ---- */

static bool put_sample(const struct value *sample, struct buf *out, struct error *err)
{
    static const char *const keys[] = {"ticket",   "order",  "carrier", "state",
                                       "promised", "status", "created", "customer",
                                       "name",     "locale", "country", "subject"};
    bool first = true;
    buf_printf(out, "%*s", 2 * INDENT, "");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *text = NULL;
        if (!value_get_text_or(sample, keys[i], "", &text, err))
            return false;
        if (*text == '\0')
            continue;
        buf_printf(out, "%s", first ? "" : "  ");
        output_put_clean(text, out);
        first = false;
    }
    buf_printf(out, "\n");
    return true;
}

static bool put_segment(const struct value *segment, struct buf *out, struct error *err)
{
    const struct value *samples = NULL;
    const char *name = NULL;
    uint64_t count = 0;
    if (!value_get_text(segment, "name", &name, err) ||
        !value_get_u64(segment, "count", &count, err) ||
        !value_get_array(segment, "samples", &samples, err))
        return false;
    put_count_line(INDENT, name, count, out);
    for (size_t i = 0; i < value_count(samples); i++) {
        const struct value *sample = NULL;
        if (!value_at_object(samples, i, &sample, err) || !put_sample(sample, out, err))
            return false;
    }
    return true;
}

static bool put_left_out(const struct value *left_out, struct buf *out, struct error *err)
{
    for (size_t i = 0; i < value_count(left_out); i++) {
        const struct value *item = NULL;
        const char *segment = NULL;
        const char *needs = NULL;
        if (!value_at_object(left_out, i, &item, err) ||
            !value_get_text(item, "segment", &segment, err) ||
            !value_get_text(item, "needs", &needs, err))
            return false;
        buf_printf(out, "%*s%s is left out: the adapter has no %s\n", INDENT, "", segment, needs);
    }
    return true;
}

static bool put_selection_line(const struct value *selection, const char *name, struct buf *out,
                               struct error *err)
{
    const char *of = NULL;
    uint64_t count = 0;
    uint64_t customers = 0;
    uint64_t excluded = 0;
    uint64_t without = 0;
    if (!value_get_text(selection, "of", &of, err) ||
        !value_get_u64(selection, "count", &count, err) ||
        !value_get_u64(selection, "customers", &customers, err) ||
        !value_get_u64(selection, "without_customer", &without, err) ||
        !value_get_u64(selection, "excluded", &excluded, err))
        return false;
    size_t cut = count == 1 && text_ends_with(of, "s") ? 1 : 0; /* "tickets", "orders" */
    buf_printf(out, "\n%s: %" PRIu64 " %.*s", name, count, (int)(strlen(of) - cut), of);
    if (strcmp(of, "customers") != 0)
        buf_printf(out, " of %" PRIu64 " %s", customers,
                   text_plural(customers, "customer", "customers"));
    if (without > 0)
        buf_printf(out, ", %" PRIu64 " without a customer", without);
    if (excluded > 0)
        buf_printf(out, "; %" PRIu64 " more %s excluded", excluded,
                   text_plural(excluded, "is", "are"));
    buf_printf(out, "\n");
    return true;
}

static bool put_selection(const struct plan *plan, const char *name, struct buf *out,
                          struct error *err)
{
    const struct value *selection = NULL;
    const struct value *segments = NULL;
    const struct value *left_out = NULL;
    if (!plan_selection(plan->document, name, &selection, err) ||
        !put_selection_line(selection, name, out, err) ||
        !value_get_array(selection, "segments", &segments, err) ||
        !value_get_array(selection, "left_out", &left_out, err))
        return false;
    for (size_t i = 0; i < value_count(segments); i++) {
        const struct value *segment = NULL;
        if (!value_at_object(segments, i, &segment, err) || !put_segment(segment, out, err))
            return false;
    }
    return put_left_out(left_out, out, err);
}

/* ---- steps ---- */

static bool put_counts(const struct value *planned, const char *key, const char *first_name,
                       const char *second_name, struct buf *out, struct error *err)
{
    const struct value *list = NULL;
    if (!value_get_array(planned, key, &list, err))
        return false;
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = NULL;
        const char *first = NULL;
        const char *second = NULL;
        uint64_t count = 0;
        struct buf name;
        if (!value_at_object(list, i, &item, err) ||
            !value_get_text(item, first_name, &first, err) ||
            !value_get_text_or(item, second_name, "", &second, err) ||
            !value_get_u64(item, "count", &count, err))
            return false;
        buf_init(&name, OUTPUT_MAX_BYTES);
        buf_printf(&name, "%s%s%s%s", strcmp(key, "suppressed") == 0 ? "not sent: " : "", first,
                   *second == '\0' ? "" : " ", second);
        put_count_line(2 * INDENT, buf_text(&name) == NULL ? "" : buf_text(&name), count, out);
        buf_release(&name);
    }
    return true;
}

static bool put_assess(const struct value *planned, struct buf *out, struct error *err)
{
    const char *guard = NULL;
    if (!value_get_text(planned, "guard", &guard, err))
        return false;
    if (*guard == '\0')
        return true;
    buf_printf(out, "%*sSTOP: ", 2 * INDENT, "");
    output_put_clean(guard, out);
    buf_printf(out, "\n");
    return true;
}

static bool put_tags(const struct value *planned, struct buf *out, struct error *err)
{
    return put_counts(planned, "tags", "tag", "-", out, err);
}

static void put_text_lines(const char *text, struct buf *out)
{
    while (*text != '\0') {
        char line[160];
        size_t len = strcspn(text, "\n");
        (void)snprintf(line, sizeof line, "%.*s", len < 150 ? (int)len : 150, text);
        buf_printf(out, "%*s| ", 2 * INDENT, "");
        output_put_clean(line, out);
        buf_printf(out, "\n");
        text += len + (text[len] == '\n' ? 1 : 0);
    }
}

static bool put_previews(const struct value *planned, struct buf *out, struct error *err)
{
    const struct value *list = NULL;
    if (!value_get_array(planned, "previews", &list, err))
        return false;
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *preview = NULL;
        const char *channel = NULL;
        const char *locale = NULL;
        const char *subject = NULL;
        const char *text = NULL;
        if (!value_at_object(list, i, &preview, err) ||
            !value_get_text(preview, "channel", &channel, err) ||
            !value_get_text(preview, "locale", &locale, err) ||
            !value_get_text(preview, "subject", &subject, err) ||
            !value_get_text(preview, "text", &text, err))
            return false;
        buf_printf(out, "%*s%s %s: ", 2 * INDENT, "", channel, locale);
        output_put_clean(subject, out);
        buf_printf(out, "\n");
        put_text_lines(text, out);
    }
    return true;
}

static bool put_notice(const struct value *planned, struct buf *out, struct error *err)
{
    return put_counts(planned, "notices", "channel", "locale", out, err) &&
           put_counts(planned, "suppressed", "reason", "-", out, err) &&
           put_previews(planned, out, err);
}

static bool put_message(const struct value *planned, struct buf *out, struct error *err)
{
    const struct value *webhooks = NULL;
    const char *subject = NULL;
    const char *text = NULL;
    if (!value_get_text(planned, "subject", &subject, err) ||
        !value_get_text(planned, "text", &text, err) ||
        !value_get_array(planned, "webhooks", &webhooks, err))
        return false;
    buf_printf(out, "%*s", 2 * INDENT, "");
    output_put_clean(subject, out);
    for (size_t i = 0; i < value_count(webhooks); i++) {
        const char *name = NULL;
        if (!value_at_text(webhooks, i, &name, err))
            return false;
        buf_printf(out, "%s%s", i == 0 ? " -> " : ", ", name);
    }
    buf_printf(out, "\n");
    put_text_lines(text, out);
    return true;
}

static bool put_line_of(const struct value *planned, const char *key, struct buf *out,
                        struct error *err)
{
    const char *text = NULL;
    if (!value_get_text(planned, key, &text, err))
        return false;
    if (*text == '\0')
        return true;
    buf_printf(out, "%*s", 2 * INDENT, "");
    output_put_clean(text, out);
    buf_printf(out, "\n");
    return true;
}

static bool put_task(const struct value *planned, struct buf *out, struct error *err)
{
    return put_line_of(planned, "ask", out, err);
}

static bool put_wait(const struct value *planned, struct buf *out, struct error *err)
{
    char duration[TEXT_SIZE];
    const char *signal = NULL;
    int64_t seconds = 0;
    if (!value_get_text(planned, "signal", &signal, err) ||
        !value_get_i64(planned, "for_seconds", &seconds, err))
        return false;
    buf_printf(out, "%*s%s%s%s%s\n", 2 * INDENT, "", *signal == '\0' ? "" : "for signal ", signal,
               *signal == '\0' ? "" : ", at most ", text_duration_us(seconds * 1000000, duration));
    return true;
}

static bool put_approval(const struct value *planned, struct buf *out, struct error *err)
{
    const char *role = NULL;
    int64_t quorum = 0;
    if (!value_get_text(planned, "role", &role, err) ||
        !value_get_i64(planned, "quorum", &quorum, err))
        return false;
    buf_printf(out, "%*s%" PRId64 " other %s%s%s\n", 2 * INDENT, "", quorum,
               text_plural((uint64_t)quorum, "person", "persons"), *role == '\0' ? "" : ", ", role);
    return true;
}

static bool put_nothing(const struct value *planned, struct buf *out, struct error *err)
{
    (void)planned;
    (void)out;
    (void)err;
    return true;
}

typedef bool (*put_step_fn)(const struct value *planned, struct buf *out, struct error *err);

static const put_step_fn step_views[] = {
    [USES_ASSESS] = put_assess,  [USES_RESTORE_POINT] = put_nothing,
    [USES_TAG] = put_tags,       [USES_UNTAG] = put_tags,
    [USES_NOTICE] = put_notice,  [USES_APPROVAL] = put_approval,
    [USES_TASK] = put_task,      [USES_WAIT] = put_wait,
    [USES_STATUS] = put_message, [USES_WEBHOOK] = put_message,
};

static bool put_steps(const struct plan *plan, const char *section,
                      const struct runbook_step *steps, size_t count, struct buf *out,
                      struct error *err)
{
    if (count > 0)
        buf_printf(out, "\n%s:\n", section);
    for (size_t i = 0; i < count; i++) {
        const struct value *planned = NULL;
        if (!plan_step(plan, section, i, &planned, err))
            return false;
        buf_printf(out, "%*s%zu %s: %s", INDENT, "", i + 1, steps[i].id,
                   step_uses_name(steps[i].uses));
        if (*steps[i].title != '\0') {
            buf_printf(out, ", ");
            output_put_clean(steps[i].title, out);
        }
        buf_printf(out, "\n");
        if (!step_views[steps[i].uses](planned, out, err))
            return false;
    }
    return true;
}

/* ---- outlook ---- */

static bool put_overlap(const struct plan *plan, struct buf *out, struct error *err)
{
    const struct value *list = NULL;
    if (!value_get_array(plan->document, "overlap", &list, err))
        return false;
    if (value_count(list) > 0)
        buf_printf(out, "\n");
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = NULL;
        const char *run = NULL;
        uint64_t tickets = 0;
        if (!value_at_object(list, i, &item, err) || !value_get_text(item, "run", &run, err) ||
            !value_get_u64(item, "tickets", &tickets, err))
            return false;
        buf_printf(out, "OVERLAP: %" PRIu64 " of these tickets %s in run %s too, which is live\n",
                   tickets, text_plural(tickets, "is", "are"), run);
    }
    return true;
}

static bool put_end(const struct plan *plan, struct buf *out, struct error *err)
{
    const struct value *estimate = NULL;
    const char *basis = NULL;
    uint64_t batches = 0;
    uint64_t seconds = 0;
    char duration[TEXT_SIZE];
    if (!value_get_object(plan->document, "estimate", &estimate, err) ||
        !value_get_u64(estimate, "batches", &batches, err) ||
        !value_get_u64(estimate, "seconds", &seconds, err) ||
        !value_get_text(estimate, "basis", &basis, err))
        return false;
    buf_printf(out, "\nestimate: %" PRIu64 " %s, about %s (%s)\n", batches,
               text_plural(batches, "batch", "batches"),
               text_duration_us((int64_t)seconds * 1000000, duration), basis);
    buf_printf(out, "digest: %s\n", plan->digest);
    return true;
}

bool plan_view_put(const struct plan *plan, struct buf *out, struct error *err)
{
    const struct runbook *runbook = plan->runbook;
    if (!put_head(plan, out, err))
        return false;
    for (size_t i = 0; i < runbook->selection_count; i++)
        if (!put_selection(plan, runbook->selections[i].name, out, err))
            return false;
    return put_steps(plan, "steps", runbook->steps, runbook->step_count, out, err) &&
           put_steps(plan, "recover", runbook->recover, runbook->recover_count, out, err) &&
           put_overlap(plan, out, err) && put_end(plan, out, err);
}

/* ---- sums ---- */

static bool add_counts(const struct value *planned, const char *key, uint64_t *sum,
                       struct error *err)
{
    const struct value *list = NULL;
    if (!value_get_array(planned, key, &list, err))
        return false;
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *item = NULL;
        uint64_t count = 0;
        if (!value_at_object(list, i, &item, err) || !value_get_u64(item, "count", &count, err))
            return false;
        *sum += count;
    }
    return true;
}

static bool add_step(const struct value *planned, enum step_uses uses, struct plan_sums *sums,
                     struct error *err)
{
    const char *guard = NULL;
    if (uses == USES_TAG || uses == USES_UNTAG)
        return add_counts(planned, "tags", &sums->tags, err);
    if (uses == USES_NOTICE)
        return add_counts(planned, "notices", &sums->notices, err) &&
               add_counts(planned, "suppressed", &sums->suppressed, err);
    if (uses != USES_ASSESS)
        return true;
    if (!value_get_text(planned, "guard", &guard, err))
        return false;
    sums->stops |= *guard != '\0' && sums->tags == 0 && sums->notices == 0;
    return true;
}

bool plan_view_sums(const struct plan *plan, struct plan_sums *out, struct error *err)
{
    *out = (struct plan_sums){0};
    for (size_t i = 0; i < plan->runbook->step_count; i++) {
        const struct value *planned = NULL;
        if (!plan_step(plan, "steps", i, &planned, err) ||
            !add_step(planned, plan->runbook->steps[i].uses, out, err))
            return false;
    }
    return true;
}

void plan_view_put_word(const char *word, struct buf *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=:,./@";
    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        buf_printf(out, "%s", word);
        return;
    }
    buf_put_u8(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            buf_printf(out, "'\\''");
        else
            buf_put_u8(out, (uint8_t)*word);
    }
    buf_put_u8(out, '\'');
}
