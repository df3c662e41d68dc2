#include "ticket/ticket.h"

#include "base/cleanup.h"
#include "postgres/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ARRAY_MAX_BYTES = 64 * 1024 * 1024,
    CALL_TIMEOUT_US = 600 * 1000000, /* the server's own timeouts come first */
    NUMBER_SIZE = 24,
};

void ticket_ids_release(struct ticket_ids *tickets)
{
    free(tickets->ids);
    free(tickets->marks);
    *tickets = (struct ticket_ids){0};
}

/* The text form of a bigint[]. */
static bool put_array(const int64_t *numbers, size_t count, struct buf *out, struct error *err)
{
    query_array_begin(out);
    for (size_t i = 0; i < count; i++)
        query_array_add_i64(out, numbers[i]);
    query_array_end(out);
    return buf_check(out, "the ids of tickets", err);
}

static int64_t *read_column(const struct query_result *rows, size_t column, struct error *err)
{
    size_t count = query_rows(rows);
    CLEANUP(free_pointer) int64_t *numbers = calloc(count + 1, sizeof *numbers);
    if (numbers == NULL) {
        (void)error_no_memory(err, "the ids of tickets");
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (!query_i64(rows, i, column, &numbers[i], err))
            return NULL;
    return TAKE(numbers);
}

/* Rows of an id, or of an id and a mark. */
static bool read_ids(const struct query_result *rows, struct ticket_ids *out, struct error *err)
{
    CLEANUP(ticket_ids_release) struct ticket_ids tickets = {0};
    tickets.ids = read_column(rows, 0, err);
    if (tickets.ids == NULL)
        return false;
    if (query_columns(rows) > 1) {
        tickets.marks = read_column(rows, 1, err);
        if (tickets.marks == NULL)
            return false;
    }
    tickets.count = query_rows(rows);
    *out = tickets;
    tickets = (struct ticket_ids){0};
    return true;
}

/* One call of a function of the adapter: $1 are the ids, $2 the marks, then what the call has. */
struct call {
    const char *sql;
    const char *what;
    const char *values[4];
    size_t count; /* of values, the first two are filled here */
};

static bool call_function(struct connection *connection, struct call *call,
                          const struct ticket_ids *wanted, struct ticket_ids *out,
                          struct error *err)
{
    struct buf ids;
    struct buf marks;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    buf_init(&ids, ARRAY_MAX_BYTES);
    buf_init(&marks, ARRAY_MAX_BYTES);
    bool done = put_array(wanted->ids, wanted->count, &ids, err) &&
                (wanted->marks == NULL || put_array(wanted->marks, wanted->count, &marks, err));
    if (done) {
        call->values[0] = buf_text(&ids);
        call->values[1] = wanted->marks == NULL ? NULL : buf_text(&marks);
        struct query query = {.sql = call->sql,
                              .values = call->values,
                              .count = call->count,
                              .what = call->what,
                              .timeout_us = CALL_TIMEOUT_US};
        done = query_run(connection, &query, &rows, err) && read_ids(rows, out, err);
    }
    buf_release(&ids);
    buf_release(&marks);
    return done;
}

bool ticket_lock(struct connection *connection, const struct ticket_ids *wanted,
                 struct ticket_ids *out, struct error *err)
{
    struct ticket_ids ids = {.ids = wanted->ids, .count = wanted->count};
    struct call call = {.sql = "SELECT l FROM mainstay.ticket_lock($1::bigint[]) l"
                               " WHERE $2::bigint[] IS NULL ORDER BY l",
                        .what = "lock tickets",
                        .count = 2};
    return call_function(connection, &call, &ids, out, err);
}

bool ticket_tag_add(struct connection *connection, const char *tag, int64_t actor,
                    const struct ticket_ids *wanted, struct ticket_ids *out, struct error *err)
{
    char actor_text[NUMBER_SIZE];
    struct ticket_ids ids = {.ids = wanted->ids, .count = wanted->count};
    struct call call = {.sql = "SELECT a.ticket_id, a.mark"
                               " FROM mainstay.tag_add($3::text, $1::bigint[], $4::bigint) a"
                               " WHERE $2::bigint[] IS NULL ORDER BY a.ticket_id",
                        .what = "add a tag",
                        .values = {NULL, NULL, tag, actor_text},
                        .count = 4};
    (void)snprintf(actor_text, sizeof actor_text, "%" PRId64, actor);
    return call_function(connection, &call, &ids, out, err);
}

bool ticket_tag_remove(struct connection *connection, const char *tag, int64_t actor,
                       const struct ticket_ids *wanted, struct ticket_ids *out, struct error *err)
{
    char actor_text[NUMBER_SIZE];
    struct call call = {
        .sql = "SELECT r FROM mainstay.tag_remove($3::text, $1::bigint[], $2::bigint[], $4::bigint)"
               " r ORDER BY r",
        .what = "remove a tag",
        .values = {NULL, NULL, tag, actor_text},
        .count = 4};
    (void)snprintf(actor_text, sizeof actor_text, "%" PRId64, actor);
    return call_function(connection, &call, wanted, out, err);
}
