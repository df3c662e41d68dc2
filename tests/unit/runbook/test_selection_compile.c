/* A selection's SQL, as people read it in `runbook lint --sql`: golden texts, and what must never
 * be in them. That the server takes them and that they select what they should is tested against
 * one (tests/integration/runbook_plan.t). */
#include "runbook/selection.h"

#include "base/text.h"
#include "runbook_sample.h"
#include "src/runbook/selection_internal.h"

static const struct text_list everything = {(char *[]){(char[]){"orders"}, (char[]){"phone"}}, 2};
static const struct text_list nothing = {NULL, 0};

struct compiled {
    struct runbook *runbook;
    struct param_values *params;
    struct selection_query *query;
};

static void release(struct compiled *compiled)
{
    selection_free(compiled->query);
    param_values_free(compiled->params);
    runbook_free(compiled->runbook);
}

/* The sample with another text for its selection "hit" (tickets) or "buyers" (others), its
 * parameter carrier free. */
static bool compile(const char *selection, const char *carrier,
                    const struct text_list *capabilities, struct compiled *out, struct error *err)
{
    static const char old[] = "    of: tickets\n"
                              "    where: t.is_open AND t.created_at > :since - :lookback\n"
                              "    exclude: {tags: [\"incident:*\"]}\n"
                              "    segments:\n"
                              "      - {name: named, mentions: [\"{{ params.carrier }}\"]}\n"
                              "      - {name: rest}\n";
    char param[256];
    (void)snprintf(param, sizeof param, "carrier=%s", carrier);
    const char *given[] = {param, "since=2026-11-01T10:00:00+01:00"};
    bool of_tickets = text_starts_with(selection, "    of: tickets\n");
    CLEANUP(free_pointer) char *buyers = text_format("  buyers:\n%s", selection);
    char *first = of_tickets ? text_with(sample, old, selection)
                             : text_with(sample, "  buyers: {of: customers}\n", buyers);
    char *second = text_with(first, "{type: enum, values: [ups, dhl], required: true}",
                             "{type: text}");
    char *third = text_with(second, ", hit/named: 1", "");
    const char *name = of_tickets ? "hit" : "buyers";
    *out = (struct compiled){0};
    if (!runbook_load(third, strlen(third), "sample.yaml", &out->runbook, err) ||
        !param_values_parse(out->runbook, given, ARRAY_LEN(given), &out->params, err))
        fail_msg("%s", err->text);
    free(third);
    free(second);
    free(first);
    const struct selection_context context = {.runbook = out->runbook,
                                              .params = out->params,
                                              .capabilities = capabilities,
                                              .now_us = 1793534400000000};
    return selection_compile(&context, runbook_selection(out->runbook, name), &out->query, err);
}

static void assert_sql(const char *selection, const char *expected)
{
    struct error err = {0};
    struct compiled compiled;
    if (!compile(selection, "ups", &everything, &compiled, &err))
        fail_msg("%s", err.text);
    assert_string_equal(selection_sql(compiled.query), expected);
    release(&compiled);
}

static void test_segments_are_tried_in_order(void **state)
{
    (void)state;
    assert_sql(
        "    of: tickets\n"
        "    where: t.is_open AND t.created_at > :since - :lookback\n"
        "    exclude: {tags: [\"incident:*\", vip], where: t.queue = 'b2b'}\n"
        "    segments:\n"
        "      - {name: late, where: \"o.carrier = :carrier\"}\n"
        "      - {name: named, mentions: [\"{{ params.carrier }}\", not delivered]}\n"
        "      - {name: rest}\n",
        "SELECT r.id::bigint AS id, r.customer_id::bigint AS customer_id, r.segment, "
        "COALESCE(r.excluded, false)\n"
        "    OR EXISTS (SELECT FROM mainstay.ticket_tags g WHERE g.ticket_id = r.id AND (g.tag = "
        "ANY ($5::text[]) OR g.tag ^@ ANY ($6::text[]))) AS excluded\n"
        "FROM (\n"
        "  SELECT q.id, q.customer_id, q.excluded, CASE\n"
        "      WHEN q.s0 THEN 0\n"
        "      WHEN q.s1 AND (q.subject ~* $1::text OR (SELECT true FROM mainstay.messages m WHERE "
        "m.ticket_id = q.id AND (m.subject ~* $1::text OR m.body ~* $1::text) LIMIT 1)) THEN 1\n"
        "      WHEN q.s2 THEN 2 END AS segment\n"
        "  FROM (\n"
        "    SELECT t.id, t.customer_id AS customer_id, t.subject,\n"
        "      bool_or(o.carrier = $2::text) AS s0,\n"
        "      bool_or(true) AS s1,\n"
        "      bool_or(true) AS s2,\n"
        "      bool_or(t.queue = 'b2b') AS excluded\n"
        "    FROM mainstay.tickets t\n"
        "    LEFT JOIN mainstay.orders o ON o.order_no = t.order_no\n"
        "    WHERE (t.is_open AND t.created_at > $3::timestamptz - $4::interval)\n"
        "    GROUP BY t.id, t.customer_id, t.subject) q OFFSET 0) r\n"
        "WHERE r.segment IS NOT NULL\n"
        "ORDER BY r.id");
}

static void test_without_segments_everything_fits(void **state)
{
    (void)state;
    assert_sql("    of: customers\n    where: c.is_vip\n",
               "SELECT r.id::bigint AS id, r.customer_id::bigint AS customer_id, r.segment, false "
               "AS excluded\n"
               "FROM (\n"
               "  SELECT q.id, q.customer_id, CASE\n"
               "      WHEN q.s0 THEN 0 END AS segment\n"
               "  FROM (\n"
               "    SELECT c.id, c.id AS customer_id,\n"
               "      (true) AS s0\n"
               "    FROM mainstay.customers c\n"
               "    WHERE (c.is_vip)) q OFFSET 0) r\n"
               "WHERE r.segment IS NOT NULL\n"
               "ORDER BY r.id");
}

static void test_orders_of_the_customer(void **state)
{
    (void)state;
    assert_sql("    of: tickets\n"
               "    orders_by_customer: true\n"
               "    where: t.is_open\n"
               "    segments: [{name: late, where: o.promised_at < :now}]\n",
               "SELECT r.id::bigint AS id, r.customer_id::bigint AS customer_id, r.segment, false "
               "AS excluded\n"
               "FROM (\n"
               "  SELECT q.id, q.customer_id, CASE\n"
               "      WHEN q.s0 THEN 0 END AS segment\n"
               "  FROM (\n"
               "    SELECT t.id, t.customer_id AS customer_id,\n"
               "      bool_or(o.promised_at < $1::timestamptz) AS s0\n"
               "    FROM mainstay.tickets t\n"
               "    LEFT JOIN mainstay.orders o ON o.customer_id = t.customer_id\n"
               "    WHERE (t.is_open)\n"
               "    GROUP BY t.id, t.customer_id) q OFFSET 0) r\n"
               "WHERE r.segment IS NOT NULL\n"
               "ORDER BY r.id");
}

/* ---- values ---- */

static const char *first_value_with(const struct selection_query *query, const char *part)
{
    for (size_t i = 0; i < query->value_count; i++)
        if (query->values[i] != NULL && strstr(query->values[i], part) != NULL)
            return query->values[i];
    return "";
}

static void test_hostile_values_stay_values(void **state)
{
    static const char hostile[] = "x'); DROP TABLE tickets; --";
    struct error err = {0};
    struct compiled compiled;
    (void)state;
    if (!compile("    of: tickets\n"
                 "    where: t.queue = :carrier\n"
                 "    exclude: {tags: [\"{{ params.carrier }}\", \"{{ params.carrier }}*\"]}\n"
                 "    segments: [{name: named, mentions: [\"{{ params.carrier }}\"]}]\n",
                 hostile, &everything, &compiled, &err))
        fail_msg("%s", err.text);
    const char *const texts[] = {compiled.query->sql, compiled.query->recheck_sql,
                                 compiled.query->people_sql};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_null(strstr(texts[i], "DROP"));
    assert_string_equal(compiled.query->values[0],
                        "\\mx\\'\\)\\;\\s+DROP\\s+TABLE\\s+tickets\\;\\s+\\-\\-(?!\\w)");
    assert_string_equal(compiled.query->values[1], hostile);
    assert_string_equal(compiled.query->values[2], "{\"x'); DROP TABLE tickets; --\"}");
    assert_string_equal(compiled.query->values[3], "{\"x'); DROP TABLE tickets; --\"}");
    assert_int_equal(compiled.query->value_count, 4);
    release(&compiled);
}

static void test_words_are_literal_and_whole(void **state)
{
    static const struct {
        const char *word;
        const char *pattern;
    } cases[] = {
        {"ups", "\\mups\\M"},
        {"not  delivered", "\\mnot\\s+delivered\\M"},
        {"c++", "\\mc\\+\\+(?!\\w)"},
        {"#12 (a|b)*", "(?<!\\w)\\#12\\s+\\(a\\|b\\)\\*(?!\\w)"},
        {"***=x", "(?<!\\w)\\*\\*\\*\\=x\\M"},
        {"\xc3\x89ilot\xc3\xa9", "(?<!\\w)\xc3\x89ilot\xc3\xa9(?!\\w)"},
        {"back\\d", "\\mback\\\\d\\M"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = {0};
        struct compiled compiled;
        if (!compile("    of: tickets\n    segments: [{name: named, mentions: [\"{{ params.carrier "
                     "}}\"]}]\n",
                     cases[i].word, &everything, &compiled, &err))
            fail_msg("%s", err.text);
        assert_string_equal(first_value_with(compiled.query, "\\"), cases[i].pattern);
        release(&compiled);
    }
}

static void test_a_value_has_its_type_and_one_place(void **state)
{
    struct error err = {0};
    struct compiled compiled;
    (void)state;
    if (!compile("    of: tickets\n"
                 "    where: t.created_at BETWEEN :since - :lookback AND :now AND t.updated_at > "
                 ":since\n",
                 "ups", &everything, &compiled, &err))
        fail_msg("%s", err.text);
    assert_int_equal(compiled.query->value_count, 3);
    assert_string_equal(compiled.query->values[0], "2026-11-01T09:00:00.000000Z");
    assert_string_equal(compiled.query->values[1], "86400 seconds");
    assert_string_equal(compiled.query->values[2], "2026-11-01T12:00:00.000000Z");
    assert_non_null(strstr(selection_sql(compiled.query),
                           "(t.created_at BETWEEN $1::timestamptz - $2::interval AND "
                           "$3::timestamptz AND t.updated_at > $1::timestamptz)"));
    release(&compiled);
}

/* ---- what the adapter does not have ---- */

static void test_segments_without_their_capability_are_left_out(void **state)
{
    struct error err = {0};
    struct compiled compiled;
    (void)state;
    if (!compile("    of: tickets\n"
                 "    segments:\n"
                 "      - {name: late, needs: [orders], where: o.carrier = :carrier}\n"
                 "      - {name: rest}\n",
                 "ups", &nothing, &compiled, &err))
        fail_msg("%s", err.text);
    assert_string_equal(selection_left_out(compiled.query, 0), "orders");
    assert_null(selection_left_out(compiled.query, 1));
    assert_null(strstr(selection_sql(compiled.query), "orders"));
    assert_int_equal(compiled.query->value_count, 0);
    release(&compiled);
}

static void test_a_selection_that_cannot_be_has_no_rows(void **state)
{
    struct error err = {0};
    struct compiled compiled;
    (void)state;
    if (!compile("    of: orders\n    needs: [orders]\n    where: o.carrier = :carrier\n", "ups",
                 &nothing, &compiled, &err))
        fail_msg("%s", err.text);
    assert_string_equal(selection_left_out(compiled.query, 0), "orders");
    assert_non_null(strstr(selection_sql(compiled.query), "WHERE false"));
    release(&compiled);
}

static void assert_cannot(const char *selection, const struct text_list *capabilities,
                          const char *problem)
{
    struct error err = {0};
    struct compiled compiled;
    if (compile(selection, "ups", capabilities, &compiled, &err))
        fail_msg("compiled: %s", selection);
    if (strstr(err.text, problem) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, problem);
    assert_non_null(strstr(err.text, "selection \""));
    release(&compiled);
}

static void test_what_is_not_there_is_said(void **state)
{
    (void)state;
    assert_cannot("    of: tickets\n    where: o.carrier = 'ups'\n", &nothing,
                  "it names o, but the adapter has no orders");
    assert_cannot("    of: customers\n    where: o.carrier = 'ups'\n", &nothing,
                  "it names o, but the adapter has no orders");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_are_tried_in_order),
        cmocka_unit_test(test_without_segments_everything_fits),
        cmocka_unit_test(test_orders_of_the_customer),
        cmocka_unit_test(test_hostile_values_stay_values),
        cmocka_unit_test(test_words_are_literal_and_whole),
        cmocka_unit_test(test_a_value_has_its_type_and_one_place),
        cmocka_unit_test(test_segments_without_their_capability_are_left_out),
        cmocka_unit_test(test_a_selection_that_cannot_be_has_no_rows),
        cmocka_unit_test(test_what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
