/* A notice step in a plan: for how many customers on which channel and in which language, for whom
 * not and why, and a proof of each notice. */
#include "plan_internal.h"

#include "base/cleanup.h"
#include "runbook/notice_plan.h"

#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 256, PROOF_DIGITS = NOTICE_PROOF_SIZE - 1 };

/* "email" and "de", or "no address" and NULL. */
struct kind {
    char *name;
    char *locale;
    uint64_t count;
    struct value *preview; /* owned until it is set */
};

struct tally {
    struct kind queued[KINDS_MAX];
    size_t queued_count;
    struct kind suppressed[KINDS_MAX];
    size_t suppressed_count;
    struct id_ranges customers;
    struct buf proofs;
    struct id_list *told;
};

static void release_kinds(struct kind *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(kinds[i].name);
        free(kinds[i].locale);
        value_free(kinds[i].preview);
    }
}

static void tally_free(struct tally *tally)
{
    if (tally == NULL)
        return;
    release_kinds(tally->queued, tally->queued_count);
    release_kinds(tally->suppressed, tally->suppressed_count);
    id_ranges_release(&tally->customers);
    buf_release(&tally->proofs);
    free(tally);
}

static void tally_cleanup(struct tally **tally)
{
    tally_free(*tally);
}

static struct tally *tally_new(struct id_list *told, struct error *err)
{
    struct tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL) {
        (void)error_no_memory(err, "notices");
        return NULL;
    }
    id_ranges_init(&tally->customers, PLAN_MAX_BYTES);
    buf_init(&tally->proofs, PLAN_MAX_BYTES);
    tally->told = told;
    return tally;
}

/* Gives the kind, new where it is the first; sorted by name, then locale. */
static struct kind *find_kind(struct kind *kinds, size_t *count, const char *name,
                              const char *locale, struct error *err)
{
    size_t at = 0;
    for (; at < *count; at++) {
        int order = strcmp(kinds[at].name, name);
        order = order == 0 ? strcmp(kinds[at].locale, locale) : order;
        if (order == 0)
            return &kinds[at];
        if (order > 0)
            break;
    }
    struct kind made = {.name = strdup(name), .locale = strdup(locale)};
    if (*count == KINDS_MAX || made.name == NULL || made.locale == NULL) {
        free(made.name);
        free(made.locale);
        (void)error_no_memory(err, "kinds of notices");
        return NULL;
    }
    memmove(&kinds[at + 1], &kinds[at], (*count - at) * sizeof *kinds);
    kinds[at] = made;
    (*count)++;
    return &kinds[at];
}

/* No address: a plan is shown to many people. */
static struct value *preview_of(const struct notice_draft *draft, struct error *err)
{
    CLEANUP(value_cleanup) struct value *preview = value_new_object(err);
    if (preview == NULL || !value_set_text(preview, "channel", draft->channel, err) ||
        !value_set_text(preview, "locale", draft->locale, err) ||
        !value_set_i64(preview, "customer", draft->customer_id, err) ||
        !value_set_text_lossy(preview, "subject", draft->subject, err) ||
        !value_set_text_lossy(preview, "text", draft->body_text, err))
        return NULL;
    return TAKE(preview);
}

static bool add_queued(struct tally *tally, const struct notice_draft *draft, struct error *err)
{
    struct kind *kind = find_kind(tally->queued, &tally->queued_count, draft->channel,
                                  draft->locale, err);
    if (kind == NULL)
        return false;
    if (kind->count++ == 0) {
        kind->preview = preview_of(draft, err);
        if (kind->preview == NULL)
            return false;
    }
    return id_list_add(tally->told, draft->customer_id, err);
}

static bool add_draft(struct tally *tally, const struct notice_draft *draft, struct error *err)
{
    char proof[NOTICE_PROOF_SIZE];
    if (!notice_proof(draft, proof, err))
        return false;
    id_ranges_add(&tally->customers, draft->customer_id);
    buf_put(&tally->proofs, proof, PROOF_DIGITS);
    if (draft->suppressed == NULL)
        return add_queued(tally, draft, err);
    struct kind *kind = find_kind(tally->suppressed, &tally->suppressed_count, draft->suppressed,
                                  "", err);
    if (kind != NULL)
        kind->count++;
    return kind != NULL;
}

/* ---- whom ---- */

static struct id_list *told_by(const struct plan_context *context, const char *template_name)
{
    for (size_t i = 0; i < context->runbook->template_count; i++)
        if (strcmp(context->runbook->templates[i].name, template_name) == 0)
            return &context->memory->told[i];
    return NULL;
}

static const struct id_list *customers_of(const struct plan_context *context, const char *selection)
{
    for (size_t i = 0; i < context->runbook->selection_count; i++)
        if (strcmp(context->runbook->selections[i].name, selection) == 0)
            return &context->memory->of_selection[i];
    return NULL;
}

static bool make_chunk(struct notice_maker *maker, const struct id_list *chunk, struct tally *tally,
                       struct error *err)
{
    const struct notice_draft *drafts = NULL;
    size_t count = 0;
    if (!notice_maker_make(maker, chunk->items, chunk->count, &drafts, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add_draft(tally, &drafts[i], err))
            return false;
    return true;
}

static bool make_all(struct notice_maker *maker, const struct id_list *customers,
                     const struct id_list *only, struct tally *tally, struct error *err)
{
    CLEANUP(id_list_release) struct id_list chunk = {0};
    for (size_t i = 0; i < customers->count; i++) {
        if (only != NULL && !id_list_has(only, customers->items[i]))
            continue;
        if (!id_list_add(&chunk, customers->items[i], err))
            return false;
        if (chunk.count == NOTICE_CHUNK) {
            if (!make_chunk(maker, &chunk, tally, err))
                return false;
            chunk.count = 0;
        }
    }
    return chunk.count == 0 || make_chunk(maker, &chunk, tally, err);
}

/* ---- the object ---- */

static bool put_queued(struct tally *tally, struct value *out, struct error *err)
{
    struct value *list = value_set_new_array(out, "notices", err);
    for (size_t i = 0; list != NULL && i < tally->queued_count; i++) {
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_text(item, "channel", tally->queued[i].name, err) ||
            !value_set_text(item, "locale", tally->queued[i].locale, err) ||
            !value_set_u64(item, "count", tally->queued[i].count, err))
            return false;
    }
    return list != NULL;
}

static bool put_suppressed(const struct tally *tally, struct value *out, struct error *err)
{
    struct value *list = value_set_new_array(out, "suppressed", err);
    for (size_t i = 0; list != NULL && i < tally->suppressed_count; i++) {
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !value_set_text(item, "reason", tally->suppressed[i].name, err) ||
            !value_set_u64(item, "count", tally->suppressed[i].count, err))
            return false;
    }
    return list != NULL;
}

static bool put_previews(struct tally *tally, struct value *out, struct error *err)
{
    struct value *list = value_set_new_array(out, "previews", err);
    for (size_t i = 0; list != NULL && i < tally->queued_count; i++)
        if (!value_append(list, TAKE(tally->queued[i].preview), err))
            return false;
    return list != NULL;
}

static bool put_tally(struct tally *tally, struct value *out, struct error *err)
{
    const char *customers = id_ranges_text(&tally->customers);
    const char *proofs = buf_text(&tally->proofs);
    if (customers == NULL || proofs == NULL)
        return error_no_memory(err, "the notices of a plan");
    return put_queued(tally, out, err) && put_suppressed(tally, out, err) &&
           value_set_u64(out, "customer_count", tally->customers.count, err) &&
           value_set_text(out, "customers", customers, err) &&
           value_set_text(out, "proofs", proofs, err) && put_previews(tally, out, err);
}

bool plan_notice_step(struct plan_context *context, const struct runbook_step *step,
                      struct value *out, struct error *err)
{
    CLEANUP(notice_maker_cleanup) struct notice_maker *maker = NULL;
    CLEANUP(tally_cleanup) struct tally *tally = NULL;
    struct selection_context selections = plan_selections(context);
    const struct runbook_template *template = runbook_template(context->runbook,
                                                               step->template_name);
    const struct id_list *customers = customers_of(context, step->from);
    bool follows = *step->only_after != '\0';
    const struct id_list *only = follows ? told_by(context, step->only_after) : NULL;
    if (follows && only == NULL)
        return error_set(err, ERROR_INVALID, "there is no template \"%s\"", step->only_after);
    if (!notice_maker_new(&selections, context->connection, step, NULL, &maker, err))
        return false;
    tally = tally_new(told_by(context, step->template_name), err);
    if (tally == NULL || !value_set_text(out, "to", step->from, err) ||
        !value_set_text(out, "template", step->template_name, err) ||
        !value_set_text(out, "purpose", template->purpose, err) ||
        !make_all(maker, customers, only, tally, err))
        return false;
    id_list_sort(tally->told);
    return put_tally(tally, out, err);
}
