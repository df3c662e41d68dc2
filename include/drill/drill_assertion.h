/*
 * What a restored database must answer, as people wrote it down (drill.assertions, --assertions):
 *
 *   assertions:
 *     - name: tickets-there                 # as it is shown; unique
 *       promise: no ticket of the last year is lost
 *       database: helpdesk                  # drill.database unless said
 *       sql: SELECT count(*) FROM tickets WHERE created_at > now() - interval '1 year'
 *       at-least: 100000                    # exactly one expectation:
 *
 *   equals: VALUE          the first field of the only row, compared as numbers where both are
 *   at-least, at-most: N   the same, as a number
 *   rows: N                how many rows there are
 *   source: within-lag     the same question to the server that is backed up: the numbers may
 *                          differ by one for each transaction that it began since the restored
 *                          point (slack: N allows N more)
 *
 * Questions are asked in a READ ONLY transaction that ends by ROLLBACK. Judging is pure.
 */
#ifndef DRILL_DRILL_ASSERTION_H
#define DRILL_DRILL_ASSERTION_H

#include "drill/drill_proof.h"

enum { DRILL_ASSERTIONS_MAX = 200 };

enum drill_expectation {
    EXPECT_EQUALS,
    EXPECT_AT_LEAST,
    EXPECT_AT_MOST,
    EXPECT_ROWS,
    EXPECT_SOURCE,
};

struct drill_assertion {
    char *name;
    char *promise;
    char *database; /* NULL: the drill's */
    char *sql;
    enum drill_expectation expectation;
    char *value;   /* as written; NULL for EXPECT_SOURCE */
    int64_t slack; /* EXPECT_SOURCE */
};

struct drill_assertions {
    struct drill_assertion *items;
    size_t count;
};

/* Borrows the text; `file` starts the messages: "drill.yaml:7:5: ...". ERROR_INVALID with place and
 * nearest known word. Gives *out. */
MUST_CHECK bool drill_assertions_parse(const char *text, size_t len, const char *file,
                                       struct drill_assertions *out, struct error *err);
void drill_assertions_release(struct drill_assertions *assertions);

/* What a question was answered with. */
struct drill_answer {
    uint64_t rows;
    bool has_value;    /* one row whose first field is not NULL */
    const char *value; /* borrowed */
};

struct drill_comparison {
    const struct drill_answer *restored;
    const struct drill_answer *source; /* EXPECT_SOURCE; NULL: there is none to ask */
    uint64_t transactions;             /* that the source began since the restored point */
};

/* Fills outcome, expected, found and detail of the check. */
MUST_CHECK bool drill_assertion_judge(const struct drill_assertion *assertion,
                                      const struct drill_comparison *comparison,
                                      struct drill_check *check, struct error *err);

#endif
