/*
 * What a run does to tickets, each change with its row in the ledger, in one statement: what the
 * adapter's function says it changed is what the ledger has, nothing more and nothing less.
 */
#include "run_internal.h"

#include <stdio.h>
#include <string.h>

bool run_ids_text(const struct run_ids *ids, struct buf *out, struct error *err)
{
    query_array_begin(out);
    for (size_t i = 0; i < ids->count; i++)
        query_array_add_i64(out, ids->ids[i]);
    query_array_end(out);
    return buf_text(out) != NULL || buf_check(out, "the ids of a batch", err);
}

enum { ID_STATEMENT_TEXTS = 3 };

/* A statement whose $1 are the ids; the others are run, step and up to three texts. */
struct id_statement {
    const char *sql;
    const char *what;
    const char *texts[ID_STATEMENT_TEXTS]; /* $4, $5, $6; NULL ends them */
};

static bool run_with_ids(struct run *run, const struct id_statement *statement,
                         const struct run_ids *ids, uint64_t *out_affected, struct error *err)
{
    struct buf array;
    size_t count = 3;
    const char *values[3 + ID_STATEMENT_TEXTS] = {NULL, run->id, run->step.id};
    buf_init(&array, RUN_IDS_MAX_BYTES);
    bool done = run_ids_text(ids, &array, err);
    values[0] = done ? (const char *)array.data : NULL;
    for (size_t i = 0; i < ID_STATEMENT_TEXTS && statement->texts[i] != NULL; i++)
        values[count++] = statement->texts[i];
    const struct query query = {
        .sql = statement->sql, .values = values, .count = count, .what = statement->what};
    done = done && query_do(run->connection, &query, out_affected, err);
    buf_release(&array);
    return done;
}

bool run_tag_add(struct run *run, const char *tag, const struct run_ids *ids, uint64_t *out_changed,
                 struct error *err)
{
    char actor[RUN_NUMBER_SIZE];
    const struct id_statement statement = {
        .sql = "INSERT INTO mainstay.changes (run_id, step_id, ticket_id, kind, value, mark) "
               "SELECT $2, $3, ticket_id, 'tag+', $4, mark "
               "FROM mainstay.tag_add($4::text, $1::bigint[], $5::bigint)",
        .what = "add a tag",
        .texts = {tag, run_number(run->actor, actor)},
    };
    *out_changed = 0;
    return ids->count == 0 || run_with_ids(run, &statement, ids, out_changed, err);
}

/* The rows are locked, so the marks that `m` sees are those that tag_remove meets. */
#define REMOVE                                                                            \
    ", r AS (SELECT g AS ticket_id FROM mainstay.tag_remove($4::text, "                   \
    "(SELECT coalesce(array_agg(ticket_id ORDER BY ticket_id), '{}') FROM m)::bigint[], " \
    "(SELECT coalesce(array_agg(mark ORDER BY ticket_id), '{}') FROM m)::bigint[], $5::bigint) g)"
#define NOTE_REMOVED                                                                 \
    " INSERT INTO mainstay.changes (run_id, step_id, ticket_id, kind, value, mark) " \
    "SELECT $2, $3, m.ticket_id, 'tag-', $4, m.mark FROM r JOIN m USING (ticket_id)"

bool run_tag_remove(struct run *run, const char *tag, const struct run_ids *ids,
                    uint64_t *out_changed, struct error *err)
{
    char actor[RUN_NUMBER_SIZE];
    const struct id_statement statement = {
        .sql = "WITH m AS MATERIALIZED (SELECT t.ticket_id, t.mark FROM mainstay.ticket_tags t "
               "WHERE t.tag = $4 AND t.ticket_id = ANY ($1::bigint[]) AND EXISTS (SELECT FROM "
               "mainstay.changes c WHERE c.run_id = $2 AND c.kind = 'tag+' AND c.value = $4 AND "
               "c.ticket_id = t.ticket_id AND c.mark = t.mark))" REMOVE NOTE_REMOVED,
        .what = "remove a tag",
        .texts = {tag, run_number(run->actor, actor)},
    };
    *out_changed = 0;
    return ids->count == 0 || run_with_ids(run, &statement, ids, out_changed, err);
}

/* The last row of the ledger for a ticket is the one that may still be true. */
bool run_tag_undo(struct run *run, const char *tag, const struct run_ids *ids,
                  uint64_t *out_changed, struct error *err)
{
    char actor[RUN_NUMBER_SIZE];
    const struct id_statement statement = {
        .sql = "WITH m AS MATERIALIZED (SELECT DISTINCT ON (ticket_id) ticket_id, mark "
               "FROM mainstay.changes WHERE run_id = $6 AND kind = 'tag+' AND value = $4 AND "
               "undone_by IS NULL AND ticket_id = ANY ($1::bigint[]) ORDER BY ticket_id, at "
               "DESC)" REMOVE ", u AS (UPDATE mainstay.changes c SET undone_by = $2 FROM r WHERE "
               "c.run_id = $6 AND c.kind = 'tag+' AND c.value = $4 AND c.ticket_id = "
               "r.ticket_id) " NOTE_REMOVED,
        .what = "take a tag back",
        .texts = {tag, run_number(run->actor, actor), run->undoes},
    };
    *out_changed = 0;
    return ids->count == 0 || run_with_ids(run, &statement, ids, out_changed, err);
}

bool run_except(struct run *run, const char *of, const char *what, const char *detail,
                const struct run_ids *ids, struct error *err)
{
    const struct id_statement statement = {
        .sql = "INSERT INTO mainstay.run_exceptions (run_id, step_id, id, of, what, detail) "
               "SELECT $2, $3, x, $4, $5, $6 FROM unnest($1::bigint[]) AS x "
               "ON CONFLICT (run_id, step_id, id) DO UPDATE "
               "SET what = EXCLUDED.what, detail = EXCLUDED.detail, at = now()",
        .what = "note what was left out",
        .texts = {of, what, detail},
    };
    return ids->count == 0 || run_with_ids(run, &statement, ids, NULL, err);
}

bool run_except_forget(struct run *run, const struct run_ids *ids, struct error *err)
{
    const struct id_statement statement = {
        .sql = "DELETE FROM mainstay.run_exceptions WHERE run_id = $2 AND step_id = $3 AND "
               "what = 'held' AND id = ANY ($1::bigint[])",
        .what = "take targets off the retry list",
    };
    return ids->count == 0 || run_with_ids(run, &statement, ids, NULL, err);
}

bool run_count_held(struct run *run, uint64_t *out, struct error *err)
{
    int64_t held = 0;
    const struct query query = {
        .sql = "SELECT count(*) FROM mainstay.run_exceptions "
               "WHERE run_id = $1 AND step_id = $2 AND what = 'held'",
        .values = (const char *const[]){run->id, run->step.id},
        .count = 2,
        .what = "count what is held",
    };
    if (!run_query_number(run, &query, &held, err))
        return false;
    *out = (uint64_t)held;
    return true;
}
