/*
 * A runbook's selection as SQL: conditions are the author's (checked by runbook/condition.h),
 * values are bind parameters, and the statement reads the adapter's views only.
 *
 * The statement gives one row for each selected thing, ordered by id:
 *   id bigint, customer_id bigint (may be NULL), segment int (its index), excluded boolean
 * The aliases in conditions: t, o, c of `of`, joined with the others where a condition names them:
 * tickets with orders by order number (orders_by_customer: all orders of the customer) and with
 * their customer; orders with their customer and tickets; customers with their orders and tickets.
 * A row fits a segment when any of the joined rows does; what is not there is NULL.
 *
 * Rows that fit no segment are left out. `excluded` rows fit but carry an excluded tag or fit
 * exclude.where: a plan counts them, nothing is done to them.
 */
#ifndef RUNBOOK_SELECTION_H
#define RUNBOOK_SELECTION_H

#include "postgres/connection.h"
#include "runbook/params.h"
#include "runbook/runbook.h"

struct selection_query;

/* What the compiler needs to know beside the runbook. */
struct selection_context {
    const struct runbook *runbook;
    const struct param_values *params;
    const struct text_list *capabilities; /* of the installed adapter */
    int64_t now_us;
    int64_t at_us; /* of notices in a run: when they are queued; 0: the server's clock */
};

/* Segments that need a capability which is not there are left out (selection_left_out). Borrows the
 * selection and the context's parts for the life of *out. ERROR_INVALID names selection and line.
 */
MUST_CHECK bool selection_compile(const struct selection_context *context,
                                  const struct runbook_selection *selection,
                                  struct selection_query **out, struct error *err);
void selection_free(struct selection_query *query); /* NULL is allowed */
void selection_cleanup(struct selection_query **query);

/* Settings of the transaction (SET LOCAL) under which conditions mean the same everywhere: UTC, no
 * search path but PostgreSQL's own, `timeout_us` for each statement. To be called after BEGIN. */
MUST_CHECK bool selection_set_session(struct connection *connection, int64_t timeout_us,
                                      struct error *err);

/* One row at a time, in id order, with flat memory (a cursor, in the caller's transaction). */
struct selection_row {
    int64_t id;
    int64_t customer_id; /* 0: none */
    size_t segment;      /* index into selection->segments; 0 where there are none */
    bool excluded;
};
typedef bool (*selection_row_fn)(void *context, const struct selection_row *row, struct error *err);
MUST_CHECK bool selection_each(const struct selection_query *query, struct connection *connection,
                               selection_row_fn visit, void *context, struct error *err);

/* Only these ids (ascending, at most a few thousand), as they are now: for the premise of a batch.
 * Tags that run `run_id` itself added do not exclude (NULL: every excluded tag does). Fewer rows
 * come back when some no longer fit. */
MUST_CHECK bool selection_recheck(const struct selection_query *query,
                                  struct connection *connection, const char *run_id,
                                  const int64_t *ids, size_t count, selection_row_fn visit,
                                  void *context, struct error *err);

/* Whether segment `at` of the selection was left out for want of a capability, and of which one. */
const char *selection_left_out(const struct selection_query *query, size_t at);

enum selection_of selection_of(const struct selection_query *query);

/* The statement as text, for lint (which prepares it) and for people. Borrowed. */
const char *selection_sql(const struct selection_query *query);

/* Prepares the statement on a live database without running it: ERROR_INVALID says what the schema
 * does not have. */
MUST_CHECK bool selection_prepare(const struct selection_query *query,
                                  struct connection *connection, struct error *err);

#endif
