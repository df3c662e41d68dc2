/* The queries behind a chunk of notices: each is asked once for all customers of the chunk. */
#include "notice_maker_internal.h"
#include "selection_internal.h"

#include "base/text.h"
#include "runbook/notice_choice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX_BYTES = 4 * 1024 * 1024 };

enum { SUPPRESSION_KEY, SUPPRESSION_CHANNEL, SUPPRESSION_REASON };

static bool read_rows(const struct notice_chunk_query *query, struct connection *connection,
                      const char *ids, struct notice_chunk *out, struct error *err)
{
    const struct selection_query *selection = query->selection;
    const char *values[SELECTION_MAX_VALUES + 2];
    for (size_t i = 0; i < selection->value_count; i++)
        values[i] = selection->values[i];
    values[selection->value_count] = query->run_id;
    values[selection->value_count + 1] = ids;
    return query_run(connection,
                     &(struct query){.sql = selection->people_sql,
                                     .values = values,
                                     .count = selection->value_count + 2,
                                     .what = "find the orders and tickets of customers"},
                     &out->rows, err);
}

static bool read_customers(struct connection *connection, const char *ids, struct notice_chunk *out,
                           struct error *err)
{
    return query_run(
        connection,
        &(struct query){.sql = "SELECT c.id::bigint, c.name, c.email, c.phone, c.locale, "
                               "c.time_zone FROM mainstay.customers c WHERE c.id = ANY "
                               "($1::bigint[]) ORDER BY c.id",
                        .values = &ids,
                        .count = 1,
                        .what = "read customers"},
        &out->customers, err);
}

/* ---- suppressions ---- */

static void add_address_key(const struct notice_reach *reach, const char *channel, struct buf *keys)
{
    char address[NOTICE_ADDRESS_SIZE];
    char key[SUPPRESSION_KEY_SIZE];
    struct error ignored = {0};
    if (notice_address(reach, channel, address) && suppression_key(address, key, &ignored))
        query_array_add(keys, key);
}

static void put_keys(const struct query_result *customers, struct buf *keys)
{
    query_array_begin(keys);
    for (size_t i = 0; i < query_rows(customers); i++) {
        struct notice_reach reach = {.email = query_field(customers, i, PERSON_EMAIL),
                                     .phone = query_field(customers, i, PERSON_PHONE)};
        char key[SUPPRESSION_KEY_SIZE];
        (void)snprintf(key, sizeof key, "c:%s", query_field(customers, i, PERSON_ID));
        query_array_add(keys, key);
        add_address_key(&reach, "email", keys);
        add_address_key(&reach, "sms", keys);
    }
    query_array_end(keys);
}

static bool read_suppressions(const struct notice_chunk_query *query, struct connection *connection,
                              struct notice_chunk *out, struct error *err)
{
    char now[TEXT_SIZE];
    struct buf keys;
    buf_init(&keys, KEYS_MAX_BYTES);
    put_keys(out->customers, &keys);
    const char *values[] = {buf_text(&keys), text_time_exact_us(query->at_us, now)};
    bool done = buf_check(&keys, "a list of customers", err) &&
                query_run(connection,
                          &(struct query){.sql = "SELECT s.customer_key, s.channel, s.reason FROM "
                                                 "mainstay.suppressions s WHERE s.customer_key = "
                                                 "ANY ($1::text[]) AND (s.expires_at IS NULL OR "
                                                 "s.expires_at > $2::timestamptz) ORDER BY "
                                                 "s.customer_key COLLATE \"C\", s.reason, s.id",
                                          .values = values,
                                          .count = ARRAY_LEN(values),
                                          .what = "read suppressions"},
                          &out->suppressions, err);
    buf_release(&keys);
    return done;
}

static size_t first_of_key(const struct query_result *rows, const char *key)
{
    size_t low = 0;
    size_t high = query_rows(rows);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(query_field(rows, middle, SUPPRESSION_KEY), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *notice_chunk_suppressed(const struct notice_chunk *chunk, const char *key,
                                    const char *channel, const char *purpose)
{
    const struct query_result *rows = chunk->suppressions;
    for (size_t i = first_of_key(rows, key);
         i < query_rows(rows) && strcmp(query_field(rows, i, SUPPRESSION_KEY), key) == 0; i++) {
        bool of_channel = query_is_null(rows, i, SUPPRESSION_CHANNEL) ||
                          strcmp(query_field(rows, i, SUPPRESSION_CHANNEL), channel) == 0;
        const char *reason = query_field(rows, i, SUPPRESSION_REASON);
        if (of_channel && notice_reason_counts(reason, purpose))
            return reason;
    }
    return NULL;
}

/* ---- earlier notices ---- */

/* customer_key and not customer_id: the index is on it. */
static const char told_sql[] =
    "SELECT DISTINCT n.customer_id FROM mainstay.notices n JOIN unnest($1::bigint[]) AS ours (id) "
    "ON n.customer_key = 'c:' || ours.id WHERE n.template = $2::text AND n.state NOT IN "
    "('cancelled', 'expired', 'dead', 'suppressed') AND n.run_id <> COALESCE($3::text, '') AND "
    "n.created_at > $4::timestamptz ORDER BY 1";

static const char before_sql[] =
    "SELECT DISTINCT n.customer_id FROM mainstay.notices n JOIN unnest($1::bigint[]) AS ours (id) "
    "ON n.customer_key = 'c:' || ours.id WHERE n.template = $2::text AND n.state NOT IN "
    "('cancelled', 'expired', 'dead', 'suppressed') AND n.run_id = $3::text ORDER BY 1";

static bool read_ids(struct connection *connection, const struct query *query, struct id_list *out,
                     struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    if (!query_run(connection, query, &rows, err))
        return false;
    for (size_t i = 0; i < query_rows(rows); i++) {
        int64_t id = 0;
        if (!query_i64(rows, i, 0, &id, err) || !id_list_add(out, id, err))
            return false;
    }
    return true;
}

static bool read_told(const struct notice_chunk_query *query, struct connection *connection,
                      const char *ids, struct notice_chunk *out, struct error *err)
{
    char since[TEXT_SIZE];
    const char *values[] = {ids, query->step->template_name, query->run_id,
                            text_time_exact_us(query->at_us - query->step->once_per_us, since)};
    return query->step->once_per_us == 0 ||
           read_ids(connection,
                    &(struct query){.sql = told_sql,
                                    .values = values,
                                    .count = ARRAY_LEN(values),
                                    .what = "read earlier notices"},
                    &out->told, err);
}

static bool read_before(const struct notice_chunk_query *query, struct connection *connection,
                        const char *ids, struct notice_chunk *out, struct error *err)
{
    const char *values[] = {ids, query->step->only_after, query->run_id};
    return query->run_id == NULL || *query->step->only_after == '\0' ||
           read_ids(connection,
                    &(struct query){.sql = before_sql,
                                    .values = values,
                                    .count = ARRAY_LEN(values),
                                    .what = "read the notices before"},
                    &out->before, err);
}

bool notice_chunk_read(const struct notice_chunk_query *query, struct connection *connection,
                       const int64_t *customer_ids, size_t count, struct notice_chunk *out,
                       struct error *err)
{
    struct buf array;
    buf_init(&array, KEYS_MAX_BYTES);
    ids_put_array(customer_ids, count, &array);
    const char *ids = buf_text(&array);
    bool done = buf_check(&array, "a list of customers", err) &&
                read_rows(query, connection, ids, out, err) &&
                read_customers(connection, ids, out, err) &&
                read_suppressions(query, connection, out, err) &&
                read_told(query, connection, ids, out, err) &&
                read_before(query, connection, ids, out, err);
    buf_release(&array);
    return done;
}

void notice_chunk_release(struct notice_chunk *chunk)
{
    query_result_free(chunk->rows);
    query_result_free(chunk->customers);
    query_result_free(chunk->suppressions);
    id_list_release(&chunk->told);
    id_list_release(&chunk->before);
    *chunk = (struct notice_chunk){0};
}
