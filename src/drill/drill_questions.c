/* The assertions of the configuration, asked of the restored server and, where they say so, of the
 * source. */
#include "drill_internal.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static struct drill_answer answer_of(const struct query_result *rows)
{
    bool has_value = query_rows(rows) == 1 && query_columns(rows) > 0 && !query_is_null(rows, 0, 0);
    return (struct drill_answer){.rows = query_rows(rows),
                                 .has_value = has_value,
                                 .value = has_value ? query_field(rows, 0, 0) : NULL};
}

/* How many transactions the source has begun since the restored point. */
static uint64_t count_transactions(struct drill_job *job, struct connection *source)
{
    struct error ignored;
    uint64_t now = 0;
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!drill_ask(source, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text",
                   "ask the source for its transactions", &rows, &ignored) ||
        !text_to_u64(query_field(rows, 0, 0), &now) || now < job->next_xid)
        return 0;
    return now - job->next_xid;
}

struct asking {
    const struct drill_assertion *assertion;
    const char *database;
};

static bool ask_source(struct drill_job *job, const struct asking *asking,
                       struct query_result **out, uint64_t *out_transactions, struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *source = NULL;
    if (asking->assertion->expectation != EXPECT_SOURCE)
        return true;
    if (!drill_source_connect(job, asking->database, &source, err))
        return false;
    if (source == NULL)
        return true;
    if (!drill_ask(source, asking->assertion->sql, "ask the source", out, err))
        return false;
    *out_transactions = count_transactions(job, source); /* after the answer: it may only grow */
    return true;
}

static bool ask(struct drill_job *job, const struct asking *asking, struct drill_check *check,
                struct error *err)
{
    CLEANUP(connection_cleanup) struct connection *connection = NULL;
    CLEANUP(query_result_cleanup) struct query_result *restored = NULL;
    CLEANUP(query_result_cleanup) struct query_result *source = NULL;
    struct drill_comparison comparison = {.restored = NULL};
    if (!drill_server_connect_reader(&job->server, asking->database, &connection, err) ||
        !drill_ask(connection, asking->assertion->sql, "ask the restored server", &restored, err) ||
        !ask_source(job, asking, &source, &comparison.transactions, err))
        return false;
    struct drill_answer there = {0};
    const struct drill_answer here = answer_of(restored);
    comparison.restored = &here;
    if (source != NULL) {
        there = answer_of(source);
        comparison.source = &there;
    }
    return drill_assertion_judge(asking->assertion, &comparison, check, err);
}

static bool check_assertion(struct drill_job *job, struct drill_check *check, struct error *err)
{
    const struct drill_assertion *assertion = job->subject;
    const struct asking asking = {.assertion = assertion,
                                  .database = assertion->database == NULL ? job->options->database
                                                                          : assertion->database};
    return ask(job, &asking, check, err);
}

bool drill_check_assertions(struct drill_job *job, struct error *err)
{
    const struct drill_assertions *assertions = job->options->assertions;
    for (size_t i = 0; assertions != NULL && i < assertions->count; i++) {
        const struct drill_assertion *assertion = &assertions->items[i];
        CLEANUP(free_pointer) char *name = text_format("assertion %s", assertion->name);
        if (name == NULL)
            return error_no_memory(err, "a proof");
        if (!drill_check_add(job, name, assertion->promise, check_assertion, assertion, err))
            return false;
    }
    return true;
}
