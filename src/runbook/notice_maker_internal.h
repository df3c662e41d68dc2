/* What is read for a chunk of customers, and kept until the next one. */
#ifndef RUNBOOK_NOTICE_MAKER_INTERNAL_H
#define RUNBOOK_NOTICE_MAKER_INTERNAL_H

#include "postgres/query.h"
#include "runbook/id_list.h"
#include "runbook/notice_plan.h"

struct notice_chunk {
    struct query_result *rows;         /* of the selection, by customer and id */
    struct query_result *customers;    /* by id */
    struct query_result *suppressions; /* by key, in the order of bytes */
    struct id_list told;               /* within once_per */
    struct id_list before;             /* have the notice that only_after names */
};

enum { ROW_ID, ROW_CUSTOMER, ROW_SEGMENT, ROW_EXCLUDED, ROW_REF, ROW_API_REF, ROW_ORDERS };
enum { PERSON_ID, PERSON_NAME, PERSON_EMAIL, PERSON_PHONE, PERSON_LOCALE, PERSON_ZONE };

struct notice_chunk_query {
    const struct selection_query *selection;
    const struct runbook_step *step;
    const char *run_id; /* NULL: planning */
    int64_t at_us;      /* windows end here, suppressions are in force here */
};

MUST_CHECK bool notice_chunk_read(const struct notice_chunk_query *query,
                                  struct connection *connection, const int64_t *customer_ids,
                                  size_t count, struct notice_chunk *out, struct error *err);
void notice_chunk_release(struct notice_chunk *chunk); /* a zeroed one is fine */

/* The first reason in force for this key and channel that keeps a notice of this purpose back;
 * NULL: none. */
const char *notice_chunk_suppressed(const struct notice_chunk *chunk, const char *key,
                                    const char *channel, const char *purpose);

#endif
