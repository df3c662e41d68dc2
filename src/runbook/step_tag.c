/*
 * tag and untag. One batch is one transaction: lock the tickets that can be locked, look again
 * whether the premise holds for them as they are now, change, ledger, exceptions, cursor. Tickets
 * that an agent has locked at that moment go on the retry list, which is worked through at the end
 * of the step; what is still held after that is listed, never dropped.
 */
#include "run_internal.h"

#include "base/clock.h"
#include "base/stop.h"
#include "ticket/ticket.h"

#include <stdlib.h>
#include <string.h>

enum {
    HELD_ROUNDS = 12,
    HELD_FIRST_WAIT_US = 100000,
    HELD_LONGEST_WAIT_US = 3000000,
    PLANNED_TAGS_MAX = 100,
};

enum fate { FATE_HELD, FATE_GONE, FATE_CHANGED, FATE_READY };

struct target {
    int64_t seq;
    int64_t id;
    const char *segment; /* borrowed from the batch's rows */
    enum fate fate;
};

struct planned_tag {
    const char *tag;
    const char *segment; /* "" = all */
};

enum tag_change { CHANGE_ADD, CHANGE_REMOVE, CHANGE_UNDO };

struct tag_step {
    const char *selection;
    struct selection_query *query; /* NULL: the premise is the ledger's */
    struct planned_tag tags[PLANNED_TAGS_MAX];
    size_t tag_count;
    enum tag_change change;
};

struct tag_batch {
    struct tag_step *step;
    bool retry;     /* of held ones, behind this id: */
    int64_t behind; /* seq, or id of a retry */
    size_t count;   /* targets of the batch; 0: there are no more */
    int64_t last;   /* the new `behind` */
    struct run_counts counts;
    uint64_t held;
    struct query_result *rows;
    struct target *targets;
    int64_t *scratch;
};

static void batch_clear(struct tag_batch *batch)
{
    query_result_free(batch->rows);
    free(batch->targets);
    free(batch->scratch);
    batch->rows = NULL;
    batch->targets = NULL;
    batch->scratch = NULL;
    batch->count = 0;
    batch->held = 0;
    batch->counts = (struct run_counts){0};
}

static bool read_targets(struct run *run, struct tag_batch *batch, struct error *err)
{
    static const char next[] =
        "SELECT seq, id, segment FROM mainstay.run_targets "
        "WHERE run_id = $1 AND selection = $2 AND seq > $3 ORDER BY seq LIMIT $4";
    static const char held[] =
        "SELECT t.seq, t.id, t.segment FROM mainstay.run_exceptions e JOIN mainstay.run_targets t "
        "ON t.run_id = e.run_id AND t.selection = $2 AND t.id = e.id "
        "WHERE e.run_id = $1 AND e.step_id = $5 AND e.what = 'held' AND e.id > $3 "
        "ORDER BY e.id LIMIT $4";
    char behind[RUN_NUMBER_SIZE];
    char limit[RUN_NUMBER_SIZE];
    const struct query query = {
        .sql = batch->retry ? held : next,
        .values = (const char *const[]){run->id, batch->step->selection,
                                        run_number(batch->behind, behind),
                                        run_number((int64_t)run->pace.batch, limit), run->step.id},
        .count = batch->retry ? 5 : 4,
        .what = "read the next targets",
    };
    if (!query_run(run->connection, &query, &batch->rows, err))
        return false;
    size_t count = query_rows(batch->rows);
    batch->targets = calloc(count + 1, sizeof *batch->targets);
    batch->scratch = calloc(count + 1, sizeof *batch->scratch);
    if (batch->targets == NULL || batch->scratch == NULL)
        return error_no_memory(err, "a batch");
    for (size_t i = 0; i < count; i++) {
        struct target *target = &batch->targets[i];
        if (!query_i64(batch->rows, i, 0, &target->seq, err) ||
            !query_i64(batch->rows, i, 1, &target->id, err))
            return false;
        target->segment = query_field(batch->rows, i, 2);
    }
    batch->count = count;
    if (count > 0)
        batch->last = batch->retry ? batch->targets[count - 1].id : batch->targets[count - 1].seq;
    return true;
}

static int compare_target(const void *id, const void *target)
{
    const int64_t *left = id;
    const struct target *right = target;
    return (*left > right->id) - (*left < right->id);
}

static struct target *find_target(struct tag_batch *batch, int64_t id)
{
    return bsearch(&id, batch->targets, batch->count, sizeof *batch->targets, compare_target);
}

/* The ids of this fate (and segment; "" = all), in the scratch memory. */
static struct run_ids ids_of(struct tag_batch *batch, enum fate fate, const char *segment)
{
    struct run_ids ids = {.ids = batch->scratch};
    for (size_t i = 0; i < batch->count; i++) {
        const struct target *target = &batch->targets[i];
        if (target->fate == fate && (*segment == '\0' || strcmp(segment, target->segment) == 0))
            ids.ids[ids.count++] = target->id;
    }
    return ids;
}

static void set_fates(struct tag_batch *batch, const int64_t *ids, size_t count, enum fate fate)
{
    for (size_t i = 0; i < count; i++) {
        struct target *target = find_target(batch, ids[i]);
        if (target != NULL)
            target->fate = fate;
    }
}

static bool lock_targets(struct run *run, struct tag_batch *batch, struct error *err)
{
    CLEANUP(ticket_ids_release) struct ticket_ids locked = {0};
    for (size_t i = 0; i < batch->count; i++) {
        batch->targets[i].fate = FATE_GONE;
        batch->scratch[i] = batch->targets[i].id;
    }
    const struct ticket_ids wanted = {.ids = batch->scratch, .count = batch->count};
    if (!ticket_lock(run->connection, &wanted, &locked, err))
        return false;
    set_fates(batch, locked.ids, locked.count,
              batch->step->query == NULL ? FATE_READY : FATE_CHANGED);
    return true;
}

/* Of the tickets that could not be locked some are there (held) and some are not (gone). */
static bool tell_held_from_gone(struct run *run, struct tag_batch *batch, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    struct run_ids missing = ids_of(batch, FATE_GONE, "");
    struct buf array;
    if (missing.count == 0)
        return true;
    buf_init(&array, RUN_IDS_MAX_BYTES);
    bool done = run_ids_text(&missing, &array, err);
    const struct query query = {
        .sql = "SELECT id FROM mainstay.tickets WHERE id = ANY ($1::bigint[])",
        .values = (const char *const[]){done ? buf_text(&array) : NULL},
        .count = 1,
        .what = "look for tickets that could not be locked",
    };
    done = done && query_run(run->connection, &query, &rows, err);
    buf_release(&array);
    for (size_t i = 0; done && i < query_rows(rows); i++) {
        int64_t id = 0;
        done = query_i64(rows, i, 0, &id, err);
        set_fates(batch, &id, 1, FATE_HELD);
    }
    return done;
}

static bool take_fitting(void *context, const struct selection_row *row, struct error *err)
{
    (void)err;
    if (!row->excluded)
        set_fates(context, &row->id, 1, FATE_READY);
    return true;
}

static bool check_premise(struct run *run, struct tag_batch *batch, struct error *err)
{
    struct run_ids locked = ids_of(batch, FATE_CHANGED, "");
    return batch->step->query == NULL || locked.count == 0 ||
           selection_recheck(batch->step->query, run->connection, run->id, locked.ids, locked.count,
                             take_fitting, batch, err);
}

static bool change_tag(struct run *run, enum tag_change change, const char *tag,
                       const struct run_ids *ids, uint64_t *out_changed, struct error *err)
{
    switch (change) {
    case CHANGE_ADD:
        return run_tag_add(run, tag, ids, out_changed, err);
    case CHANGE_REMOVE:
        return run_tag_remove(run, tag, ids, out_changed, err);
    case CHANGE_UNDO:
        return run_tag_undo(run, tag, ids, out_changed, err);
    }
    return false;
}

static bool change_tags(struct run *run, struct tag_batch *batch, struct error *err)
{
    const struct tag_step *step = batch->step;
    uint64_t touched = 0;
    uint64_t wanted = 0;
    for (size_t i = 0; i < step->tag_count; i++) {
        uint64_t changed = 0;
        const struct planned_tag *planned = &step->tags[i];
        struct run_ids ids = ids_of(batch, FATE_READY, planned->segment);
        if (!change_tag(run, step->change, planned->tag, &ids, &changed, err))
            return error_wrap(err, "tag \"%.100s\"", planned->tag);
        touched += changed;
        wanted += ids.count;
    }
    batch->counts.changed = touched;
    batch->counts.already = wanted - touched;
    return true;
}

/* A tag that is still there after an undo was set again by somebody: it stays, and is listed. */
static bool note_conflicts(struct run *run, struct tag_batch *batch, struct error *err)
{
    struct run_ids ids = ids_of(batch, FATE_READY, "");
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    struct buf array;
    if (batch->step->change != CHANGE_UNDO || ids.count == 0 || batch->counts.already == 0)
        return true;
    buf_init(&array, RUN_IDS_MAX_BYTES);
    bool done = run_ids_text(&ids, &array, err);
    const struct query query = {
        .sql = "SELECT DISTINCT ticket_id FROM mainstay.ticket_tags WHERE tag = $2 AND "
               "ticket_id = ANY ($1::bigint[]) ORDER BY ticket_id",
        .values = (const char *const[]){done ? buf_text(&array) : NULL, batch->step->tags[0].tag},
        .count = 2,
        .what = "look for tags that were set again",
    };
    done = done && query_run(run->connection, &query, &rows, err);
    buf_release(&array);
    ids.count = 0;
    for (size_t i = 0; done && i < query_rows(rows); i++)
        done = query_i64(rows, i, 0, &ids.ids[ids.count++], err);
    return done &&
           run_except(run, "ticket", "conflict", "somebody set the tag again: it stays", &ids, err);
}

static bool note_exceptions(struct run *run, struct tag_batch *batch, struct error *err)
{
    if (batch->retry) {
        struct run_ids all = {.ids = batch->scratch};
        for (size_t i = 0; i < batch->count; i++)
            if (batch->targets[i].fate != FATE_HELD)
                all.ids[all.count++] = batch->targets[i].id;
        if (!run_except_forget(run, &all, err))
            return false;
    }
    struct run_ids ids = ids_of(batch, FATE_HELD, "");
    batch->held = ids.count;
    if (!batch->retry && !run_except(run, "ticket", "held", "", &ids, err))
        return false;
    ids = ids_of(batch, FATE_GONE, "");
    if (!run_except(run, "ticket", "gone", "the ticket is not there any more", &ids, err))
        return false;
    ids = ids_of(batch, FATE_CHANGED, "");
    return run_except(run, "ticket", "changed", "does not fit the selection any more", &ids, err);
}

static bool work_batch(struct run *run, void *context, struct error *err)
{
    struct tag_batch *batch = context;
    batch_clear(batch);
    if (!read_targets(run, batch, err))
        return false;
    if (batch->count == 0)
        return true;
    if (!lock_targets(run, batch, err) || !tell_held_from_gone(run, batch, err) ||
        !check_premise(run, batch, err) || !change_tags(run, batch, err) ||
        !note_exceptions(run, batch, err) || !note_conflicts(run, batch, err))
        return false;
    batch->counts.done = batch->count - batch->held;
    return run_step_advance(run, batch->retry ? run->step.cursor : batch->last, &batch->counts,
                            err);
}

/* One batch; *out_more false: there was nothing left to do. */
static bool next_batch(struct run *run, struct tag_batch *batch, bool *out_more, struct error *err)
{
    struct run_measure measure = {0};
    if (!stop_check(err) || !run_throttle(run, err))
        return false;
    measure.began_us = clock_monotonic_us(run->settings->clock);
    bool done = run_transaction(run, work_batch, batch, err);
    *out_more = done && batch->count > 0;
    if (*out_more) {
        batch->behind = batch->last;
        if (!batch->retry)
            run->step.cursor = batch->last;
        measure.targets = batch->count;
        measure.changed = batch->counts.changed;
        measure.held = batch->held;
        run_measured(run, &measure);
        run_tell(run, "running", batch->held);
    }
    batch_clear(batch);
    return done;
}

static bool work_pass(struct run *run, struct tag_step *step, bool retry, struct error *err)
{
    struct tag_batch batch = {.step = step, .retry = retry};
    bool more = true;
    batch.behind = retry ? INT64_MIN : run->step.cursor;
    while (more)
        if (!next_batch(run, &batch, &more, err))
            return false;
    return true;
}

/* Waits in small steps, so that a request to stop is seen and the lease stays ours. */
static bool wait_before_retry(struct run *run, int round, struct error *err)
{
    int64_t wait_us = (int64_t)HELD_FIRST_WAIT_US << round;
    clock_sleep_us(run->settings->clock,
                   wait_us > HELD_LONGEST_WAIT_US ? HELD_LONGEST_WAIT_US : wait_us);
    return stop_check(err) && run_lease_keep(run, err);
}

static bool work_held(struct run *run, struct tag_step *step, struct error *err)
{
    uint64_t held = 0;
    for (int round = 0;; round++) {
        if (!run_count_held(run, &held, err))
            return false;
        if (held == 0 || round == HELD_ROUNDS)
            return true;
        run_tell(run, "running", held);
        if (!wait_before_retry(run, round, err) || !work_pass(run, step, true, err))
            return false;
    }
}

/* ---- what fits now and is not in the plan ---- */

struct newcomers {
    const int64_t *ids;
    size_t count;
    size_t at;
    uint64_t found;
};

static bool count_newcomer(void *context, const struct selection_row *row, struct error *err)
{
    struct newcomers *newcomers = context;
    (void)err;
    while (newcomers->at < newcomers->count && newcomers->ids[newcomers->at] < row->id)
        newcomers->at++;
    bool known = newcomers->at < newcomers->count && newcomers->ids[newcomers->at] == row->id;
    newcomers->found += !known && !row->excluded;
    return true;
}

static bool read_known(struct run *run, const char *selection, int64_t **out, size_t *out_count,
                       struct error *err)
{
    const struct query query = {
        .sql = "SELECT id FROM mainstay.run_targets WHERE run_id = $1 AND selection = $2 "
               "ORDER BY seq",
        .values = (const char *const[]){run->id, selection},
        .count = 2,
        .what = "read the run's targets",
    };
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(run->connection, &query, &rows, err))
        return false;
    size_t count = query_rows(rows);
    CLEANUP(free_pointer) int64_t *ids = calloc(count + 1, sizeof *ids);
    if (ids == NULL)
        return error_no_memory(err, "the run's targets");
    for (size_t i = 0; i < count; i++)
        if (!query_i64(rows, i, 0, &ids[i], err))
            return false;
    *out = TAKE(ids);
    *out_count = count;
    return true;
}

/* Only reads, with the planner's own care: one snapshot, nothing held. */
static bool count_new(struct run *run, const struct tag_step *step, uint64_t *out,
                      struct error *err)
{
    CLEANUP(free_pointer) int64_t *known = NULL;
    struct newcomers newcomers = {0};
    if (!read_known(run, step->selection, &known, &newcomers.count, err))
        return false;
    newcomers.ids = known;
    bool done = query_command(run->connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                              "begin", err) &&
                selection_set_session(run->connection, (int64_t)60 * 1000000, err) &&
                selection_each(step->query, run->connection, count_newcomer, &newcomers, err);
    query_rollback(run->connection);
    *out = newcomers.found;
    return done;
}

static bool write_drift(struct run *run, uint64_t found, struct error *err)
{
    CLEANUP(value_cleanup) struct value *detail = value_new_object(err);
    return detail != NULL && value_set_text(detail, "step", run->step.id, err) &&
           value_set_u64(detail, "new", found, err) &&
           run_step_set_number(run, "new", (int64_t)found, err) &&
           run_event(run, "drift", detail, err);
}

static bool write_begun(struct run *run, void *context, struct error *err)
{
    const uint64_t *found = context;
    return run_step_set_number(run, "total", run->step.total, err) &&
           (found == NULL || *found == 0 || write_drift(run, *found, err));
}

/* ---- the step ---- */

static int compare_tags(const void *a, const void *b)
{
    const struct planned_tag *left = a;
    const struct planned_tag *right = b;
    int order = strcmp(left->tag, right->tag);
    return order != 0 ? order : strcmp(left->segment, right->segment);
}

/* Tags in one order in every run: those who count them somewhere meet in the same order. */
static bool read_plan(struct run *run, struct tag_step *step, struct error *err)
{
    const struct value *tags;
    if (!value_get_text(run->step.planned, "from", &step->selection, err) ||
        !value_get_array(run->step.planned, "tags", &tags, err))
        return false;
    step->tag_count = value_count(tags);
    if (step->tag_count > PLANNED_TAGS_MAX)
        return error_set(err, ERROR_UNSUPPORTED, "step %s has %zu tags, %d are possible",
                         run->step.id, step->tag_count, PLANNED_TAGS_MAX);
    for (size_t i = 0; i < step->tag_count; i++) {
        const struct value *item;
        if (!value_at_object(tags, i, &item, err) ||
            !value_get_text(item, "tag", &step->tags[i].tag, err) ||
            !value_get_text_or(item, "segment", "", &step->tags[i].segment, err))
            return false;
    }
    qsort(step->tags, step->tag_count, sizeof step->tags[0], compare_tags);
    return true;
}

static enum tag_change change_of(const struct run *run)
{
    if (run->plan == NULL)
        return CHANGE_UNDO;
    return run->step.spec->uses == USES_TAG ? CHANGE_ADD : CHANGE_REMOVE;
}

static bool prepare(struct run *run, struct tag_step *step, struct error *err)
{
    uint64_t found = 0;
    step->change = change_of(run);
    if (!read_plan(run, step, err) ||
        !run_count_targets(run, step->selection, &run->step.total, err))
        return false;
    /* What a run itself did may be taken back when the tickets have moved on: then the ledger alone
     * says what it was. */
    bool checks = step->change == CHANGE_ADD;
    if (checks && !run_selection(run, step->selection, &step->query, err))
        return false;
    if (run->step.cursor > 0)
        return true;
    return (!checks || count_new(run, step, &found, err)) &&
           run_transaction(run, write_begun, &found, err);
}

bool step_tag_run(struct run *run, enum step_outcome *out, struct error *err)
{
    struct tag_step step = {0};
    bool done = prepare(run, &step, err) && work_pass(run, &step, false, err) &&
                work_held(run, &step, err);
    selection_free(step.query);
    *out = STEP_DONE;
    return done;
}
