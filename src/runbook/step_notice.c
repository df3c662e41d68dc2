/*
 * notice: the texts that were approved, queued batch by batch. Each is rendered again from the same
 * parameters and the same instant; one that does not come out as the plan's proof says is not
 * queued but listed, and so is a customer whom nobody may write to any more.
 */
#include "run_internal.h"

#include "base/clock.h"
#include "base/stop.h"
#include "notice/outbox.h"
#include "runbook/notice_plan.h"

#include <stdlib.h>
#include <string.h>

enum { PROOF_DIGITS = NOTICE_PROOF_SIZE - 1 };

struct notice_step {
    struct notice_maker *maker;
    int64_t *customers;
    size_t count;
    size_t capacity;
    const char *proofs; /* PROOF_DIGITS for each customer */
    struct notice_batch batch;
};

struct notice_try {
    struct notice_step *step;
    size_t at;
    size_t count;
    struct run_counts counts;
    struct run_ids gone;
    struct run_ids changed;
    struct run_ids suppressed;
    struct notice_draft *fit;
    size_t fit_count;
};

static bool add_customer(void *context, int64_t id, struct error *err)
{
    struct notice_step *step = context;
    if (step->count == step->capacity) {
        size_t capacity = step->capacity == 0 ? 1024 : step->capacity * 2;
        int64_t *more = reallocarray(step->customers, capacity, sizeof *more);
        if (more == NULL)
            return error_no_memory(err, "the customers of a notice");
        step->customers = more;
        step->capacity = capacity;
    }
    step->customers[step->count++] = id;
    return true;
}

static void try_clear(struct notice_try *attempt)
{
    free(attempt->gone.ids);
    free(attempt->changed.ids);
    free(attempt->suppressed.ids);
    free(attempt->fit);
    attempt->gone = attempt->changed = attempt->suppressed = (struct run_ids){0};
    attempt->fit = NULL;
    attempt->fit_count = 0;
    attempt->counts = (struct run_counts){0};
}

static bool try_begin(struct notice_try *attempt, struct error *err)
{
    try_clear(attempt);
    attempt->gone.ids = calloc(attempt->count, sizeof *attempt->gone.ids);
    attempt->changed.ids = calloc(attempt->count, sizeof *attempt->changed.ids);
    attempt->suppressed.ids = calloc(attempt->count, sizeof *attempt->suppressed.ids);
    attempt->fit = calloc(attempt->count, sizeof *attempt->fit);
    return (attempt->gone.ids != NULL && attempt->changed.ids != NULL &&
            attempt->suppressed.ids != NULL && attempt->fit != NULL) ||
           error_no_memory(err, "a batch of notices");
}

static void put_id(struct run_ids *ids, int64_t id)
{
    ids->ids[ids->count++] = id;
}

/* Customer `at` of the plan and the draft that was made for it (NULL: none). */
static bool judge(struct notice_try *attempt, size_t at, const struct notice_draft *draft,
                  struct error *err)
{
    char proof[NOTICE_PROOF_SIZE];
    int64_t id = attempt->step->customers[at];
    if (draft == NULL) {
        put_id(&attempt->gone, id);
        return true;
    }
    if (!notice_proof(draft, proof, err))
        return false;
    if (memcmp(proof, attempt->step->proofs + at * PROOF_DIGITS, PROOF_DIGITS) == 0)
        attempt->fit[attempt->fit_count++] = *draft;
    else
        put_id(draft->suppressed == NULL ? &attempt->changed : &attempt->suppressed, id);
    return true;
}

static bool judge_all(struct notice_try *attempt, const struct notice_draft *drafts, size_t count,
                      struct error *err)
{
    size_t next = 0;
    for (size_t i = 0; i < attempt->count; i++) {
        size_t at = attempt->at + i;
        int64_t id = attempt->step->customers[at];
        while (next < count && drafts[next].customer_id < id)
            next++;
        bool made = next < count && drafts[next].customer_id == id;
        if (!judge(attempt, at, made ? &drafts[next] : NULL, err))
            return false;
    }
    return true;
}

static bool queue_batch(struct run *run, void *context, struct error *err)
{
    struct notice_try *attempt = context;
    struct notice_step *step = attempt->step;
    const struct notice_draft *drafts;
    size_t count = 0;
    uint64_t queued = 0;
    if (!try_begin(attempt, err) ||
        !notice_maker_make(step->maker, &step->customers[attempt->at], attempt->count, &drafts,
                           &count, err) ||
        !judge_all(attempt, drafts, count, err) ||
        !outbox_queue(run->connection, &step->batch, attempt->fit, attempt->fit_count, &queued,
                      err) ||
        !run_except(run, "customer", "gone", "there is nobody to write to any more", &attempt->gone,
                    err) ||
        !run_except(run, "customer", "changed", "the notice would say something else now",
                    &attempt->changed, err) ||
        !run_except(run, "customer", "suppressed", "suppressed since the plan",
                    &attempt->suppressed, err))
        return false;
    attempt->counts = (struct run_counts){
        .done = attempt->count, .changed = queued, .already = attempt->fit_count - queued};
    return run_step_advance(run, (int64_t)(attempt->at + attempt->count), &attempt->counts, err);
}

/* As many as the pace allows, and as can be made at once. */
static size_t batch_of(const struct run *run, size_t left)
{
    size_t most = run->pace.batch < NOTICE_CHUNK ? (size_t)run->pace.batch : NOTICE_CHUNK;
    return left < most ? left : most;
}

static bool queue_all(struct run *run, struct notice_step *step, struct error *err)
{
    while ((size_t)run->step.cursor < step->count) {
        struct notice_try attempt = {.step = step, .at = (size_t)run->step.cursor};
        struct run_measure measure = {0};
        if (!stop_check(err) || !run_throttle(run, err))
            return false;
        attempt.count = batch_of(run, step->count - attempt.at);
        measure.began_us = clock_monotonic_us(run->settings->clock);
        bool done = run_transaction(run, queue_batch, &attempt, err);
        if (done) {
            run->step.cursor += (int64_t)attempt.count;
            measure.targets = attempt.count;
            measure.changed = attempt.counts.changed;
            run_measured(run, &measure);
            run_tell(run, "running", 0);
        }
        try_clear(&attempt);
        if (!done)
            return false;
    }
    return true;
}

static bool read_plan(struct run *run, struct notice_step *step, struct error *err)
{
    const char *customers;
    const struct runbook_step *spec = run->step.spec;
    const struct runbook_template *template = runbook_template(run->runbook, spec->template_name);
    if (template == NULL)
        return error_set(err, ERROR_CORRUPT, "there is no template \"%s\"", spec->template_name);
    if (!value_get_text(run->step.planned, "customers", &customers, err) ||
        !value_get_text(run->step.planned, "proofs", &step->proofs, err) ||
        !id_ranges_each(customers, add_customer, step, err))
        return false;
    if (strlen(step->proofs) != step->count * PROOF_DIGITS)
        return error_set(err, ERROR_CORRUPT, "the plan has %zu customers, but not as many proofs",
                         step->count);
    run->step.total = (int64_t)step->count;
    step->batch = (struct notice_batch){
        .run_id = run->id,
        .step_id = run->step.id,
        .template_name = spec->template_name,
        .purpose = template->purpose,
        .priority = outbox_priority(template->purpose),
    };
    return true;
}

static bool open_maker(struct run *run, struct notice_step *step, struct error *err)
{
    const struct selection_context context = {
        .runbook = run->runbook,
        .params = run->plan->params,
        .capabilities = &run->helpdesk.capabilities,
        .now_us = run->plan->now_us,
        .at_us = run->settings->at_us,
    };
    return notice_maker_new(&context, run->connection, run->step.spec, run->id, &step->maker, err);
}

static bool write_total(struct run *run, void *context, struct error *err)
{
    (void)context;
    return run_step_set_number(run, "total", run->step.total, err);
}

bool step_notice_run(struct run *run, enum step_outcome *out, struct error *err)
{
    struct notice_step step = {0};
    bool done = read_plan(run, &step, err) && open_maker(run, &step, err) &&
                (run->step.cursor > 0 || run_transaction(run, write_total, NULL, err)) &&
                queue_all(run, &step, err);
    notice_maker_free(step.maker);
    free(step.customers);
    *out = STEP_DONE;
    return done;
}
