/*
 * Locks and tags, tried out as a runner on a few tickets. Nothing stays: both transactions are
 * rolled back, and nobody waits longer for these rows than the statements take.
 */
#include "adapter_check_internal.h"

#include "base/cleanup.h"
#include "postgres/query.h"
#include "ticket/ticket.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 3 };

static const char tag[] = "mainstay:check";

struct trial {
    struct connection *connection;
    struct ticket_ids tickets; /* up to SAMPLE, ascending */
    int64_t actor;
    struct check_list *list;
};

/* Adds the verdict of one promise. */
static void judge(const struct trial *trial, const char *name, bool kept, const char *promise)
{
    check_add(trial->list, name, kept ? CHECK_OK : CHECK_FAILED, "%s%s",
              kept ? "" : "not true: ", promise);
}

static bool begin(struct connection *connection, struct error *err)
{
    return query_script(connection,
                        "BEGIN ISOLATION LEVEL READ COMMITTED;"
                        "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '30s';"
                        "SET LOCAL ROLE mainstay_runner",
                        "act as a runner", err);
}

static bool same_ids(const struct ticket_ids *a, const struct ticket_ids *b)
{
    return a->count == b->count && memcmp(a->ids, b->ids, a->count * sizeof *a->ids) == 0;
}

static bool find_tickets(struct trial *trial, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    struct query query = {.sql = "SELECT t.id, (SELECT s.value FROM mainstay.settings s"
                                 " WHERE s.name = 'actor') FROM mainstay.tickets t"
                                 " ORDER BY t.id DESC LIMIT 3",
                          .what = "find tickets"};
    if (!query_run(trial->connection, &query, &rows, err))
        return false;
    size_t count = query_rows(rows);
    trial->tickets.ids = calloc(SAMPLE, sizeof *trial->tickets.ids);
    if (trial->tickets.ids == NULL)
        return error_no_memory(err, "the ids of tickets");
    for (size_t i = 0; i < count; i++)
        if (!query_i64(rows, count - 1 - i, 0, &trial->tickets.ids[i], err) ||
            !query_i64(rows, i, 1, &trial->actor, err))
            return false;
    trial->tickets.count = count;
    return true;
}

/* The marks that the view shows for these tickets, in the order of ids. */
static bool seen_marks(const struct trial *trial, struct query_result **out, struct error *err)
{
    struct buf ids;
    buf_init(&ids, 1024);
    query_array_begin(&ids);
    for (size_t i = 0; i < trial->tickets.count; i++)
        query_array_add_i64(&ids, trial->tickets.ids[i]);
    query_array_end(&ids);
    const char *const values[] = {buf_text(&ids), tag};
    struct query query = {.sql = "SELECT g.ticket_id, g.mark FROM mainstay.ticket_tags g"
                                 " WHERE g.ticket_id = ANY ($1::bigint[]) AND g.tag = $2"
                                 " ORDER BY g.ticket_id, g.mark",
                          .values = values,
                          .count = ARRAY_LEN(values),
                          .what = "read tags"};
    bool done = query_run(trial->connection, &query, out, err);
    buf_release(&ids);
    return done;
}

/* Whether the view shows exactly these assignments. */
static bool shows(const struct trial *trial, const struct ticket_ids *wanted, bool *out,
                  struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!seen_marks(trial, &rows, err))
        return false;
    bool same = query_rows(rows) == wanted->count;
    for (size_t i = 0; same && i < wanted->count; i++) {
        int64_t id;
        int64_t mark;
        if (!query_i64(rows, i, 0, &id, err) || !query_i64(rows, i, 1, &mark, err))
            return false;
        same = id == wanted->ids[i] && mark == wanted->marks[i];
    }
    *out = same;
    return true;
}

static bool try_add(const struct trial *trial, struct ticket_ids *out_added, struct error *err)
{
    bool shown = false;
    struct connection *connection = trial->connection;
    CLEANUP(ticket_ids_release) struct ticket_ids again = {0};
    if (!ticket_tag_add(connection, tag, trial->actor, &trial->tickets, out_added, err) ||
        !shows(trial, out_added, &shown, err))
        return false;
    judge(trial, "tag_add", same_ids(out_added, &trial->tickets) && shown,
          "tag_add gives each ticket and the mark that ticket_tags shows");
    if (!ticket_tag_add(connection, tag, trial->actor, &trial->tickets, &again, err) ||
        !shows(trial, out_added, &shown, err))
        return false;
    judge(trial, "tag_add.again", again.count == 0 && shown,
          "tag_add changes and gives nothing where the tag is there");
    return true;
}

/* Ids twice, ids of nothing: as a selection may have them a moment later. */
static bool try_odd_ids(const struct trial *trial, struct error *err)
{
    int64_t odd[] = {trial->tickets.ids[0], trial->tickets.ids[0], -1};
    struct ticket_ids wanted = {.ids = odd, .count = ARRAY_LEN(odd)};
    CLEANUP(ticket_ids_release) struct ticket_ids removed = {0};
    CLEANUP(ticket_ids_release) struct ticket_ids added = {0};
    CLEANUP(ticket_ids_release) struct ticket_ids gone = {0};
    if (!ticket_tag_remove(trial->connection, tag, trial->actor, &wanted, &removed, err) ||
        !ticket_tag_add(trial->connection, tag, trial->actor, &wanted, &added, err) ||
        !ticket_tag_remove(trial->connection, tag, trial->actor, &wanted, &gone, err))
        return false;
    judge(trial, "ids.odd", removed.count <= 1 && added.count == 1 && gone.count == 1,
          "an id that is given twice counts once, one that is no ticket not at all");
    return true;
}

static bool try_remove(const struct trial *trial, const struct ticket_ids *added, struct error *err)
{
    bool kept = false;
    bool empty = false;
    struct connection *connection = trial->connection;
    int64_t others[SAMPLE];
    struct ticket_ids other = {.ids = added->ids, .marks = others, .count = added->count};
    const struct ticket_ids none = {0};
    CLEANUP(ticket_ids_release) struct ticket_ids refused = {0};
    CLEANUP(ticket_ids_release) struct ticket_ids removed = {0};
    CLEANUP(ticket_ids_release) struct ticket_ids again = {0};
    for (size_t i = 0; i < added->count; i++)
        others[i] = added->marks[i] + 1000000007;
    if (!ticket_tag_remove(connection, tag, trial->actor, &other, &refused, err) ||
        !shows(trial, added, &kept, err))
        return false;
    judge(trial, "tag_remove.mark", refused.count == 0 && kept,
          "tag_remove leaves a tag with another mark alone");
    if (!ticket_tag_remove(connection, tag, trial->actor, added, &removed, err) ||
        !shows(trial, &none, &empty, err) ||
        !ticket_tag_remove(connection, tag, trial->actor, &trial->tickets, &again, err))
        return false;
    judge(trial, "tag_remove", same_ids(&removed, &trial->tickets) && empty && again.count == 0,
          "tag_remove gives each ticket that had the tag, once, and ticket_tags shows it no more");
    return true;
}

static bool try_marks(const struct trial *trial, const struct ticket_ids *added, struct error *err)
{
    bool others = true;
    CLEANUP(ticket_ids_release) struct ticket_ids second = {0};
    if (!ticket_tag_add(trial->connection, tag, trial->actor, &trial->tickets, &second, err))
        return false;
    for (size_t i = 0; i < second.count; i++)
        for (size_t j = 0; j < added->count; j++)
            others = others && second.marks[i] != added->marks[j];
    judge(trial, "marks", others && second.count == trial->tickets.count,
          "a tag that was removed and set again has another mark");
    return true;
}

/* The first ticket is locked by the other session. */
static bool try_lock(const struct trial *trial, struct connection *other, struct error *err)
{
    struct ticket_ids first = {.ids = trial->tickets.ids, .count = 1};
    struct ticket_ids rest = {.ids = trial->tickets.ids + 1, .count = trial->tickets.count - 1};
    CLEANUP(ticket_ids_release) struct ticket_ids theirs = {0};
    CLEANUP(ticket_ids_release) struct ticket_ids ours = {0};
    if (!begin(other, err) || !ticket_lock(other, &first, &theirs, err) ||
        !ticket_lock(trial->connection, &trial->tickets, &ours, err))
        return false;
    judge(trial, "ticket_lock", same_ids(&theirs, &first) && same_ids(&ours, &rest),
          "ticket_lock gives the rows that it locked, and leaves out at once what others have "
          "locked");
    query_rollback(other);
    return true;
}

static bool try_all(struct trial *trial, struct connection *other, struct error *err)
{
    CLEANUP(ticket_ids_release) struct ticket_ids added = {0};
    if (!begin(trial->connection, err) || !find_tickets(trial, err))
        return false;
    if (trial->tickets.count == 0) {
        check_add(trial->list, "tags", CHECK_WARNING,
                  "there is no ticket yet to try locks and tags on");
        return true;
    }
    return try_lock(trial, other, err) && try_add(trial, &added, err) &&
           try_remove(trial, &added, err) && try_marks(trial, &added, err) &&
           try_odd_ids(trial, err);
}

void adapter_check_tags(struct connection *connection, struct connection *other,
                        struct check_list *list)
{
    struct error err;
    struct trial trial = {.connection = connection, .list = list};
    if (!try_all(&trial, other, &err)) {
        adapter_check_error(list, "tags", &err);
        if (err.kind == ERROR_DENIED)
            check_fix(list, "log in as a member of mainstay_runner");
    }
    query_rollback(other);
    query_rollback(connection);
    ticket_ids_release(&trial.tickets);
}
