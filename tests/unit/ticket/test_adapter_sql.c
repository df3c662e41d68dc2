#include "base/macros.h"
#include "ticket/adapter_sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct adapter_value values[] = {
    {"plain", "Tags"},
    {"empty", ""},
    {"quote", "x'); DROP TABLE t; --"},
    {"slash", "a\\' OR 1"},
    {"dollar", "$$ $body$ $1"},
};

static bool bind(const char *sql, struct buf *out, struct error *err)
{
    return adapter_sql_bind(sql, "a.sql", values, ARRAY_LEN(values), out, err);
}

static void assert_bound(const char *sql, const char *wanted)
{
    struct error err;
    struct buf out;
    buf_init(&out, 65536);
    if (!bind(sql, &out, &err))
        fail_msg("%s", err.text);
    assert_string_equal(buf_text(&out), wanted);
    buf_release(&out);
}

static void assert_refused(const char *sql, const char *problem)
{
    struct error err;
    struct buf out;
    buf_init(&out, 65536);
    if (bind(sql, &out, &err))
        fail_msg("accepted: %s", sql);
    assert_int_equal(err.kind, ERROR_INVALID);
    if (strstr(err.text, problem) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, problem);
    buf_release(&out);
}

static void test_settings_become_literals(void **state)
{
    (void)state;
    assert_bound("SELECT :'plain', :'empty'", "SELECT 'Tags', ''");
    assert_bound(":'plain'", "'Tags'");
    assert_bound("x=:'plain'::text", "x='Tags'::text");
    assert_bound("'a'||:'plain'||'b'", "'a'||'Tags'||'b'");
}

/* No quote, backslash or dollar of a value stands in the SQL as such. */
static void test_hostile_values_stay_one_literal(void **state)
{
    (void)state;
    assert_bound(":'quote'", "E'x\\x27); DROP TABLE t; --'");
    assert_bound(":'slash'", "E'a\\x5c\\x27 OR 1'");
    assert_bound("$body$ :'dollar' $body$", "$body$ E'\\x24\\x24 \\x24body\\x24 \\x241' $body$");
}

static void test_bodies_in_dollar_quotes_are_sql(void **state)
{
    (void)state;
    assert_bound("AS $$ SELECT :'plain' $$;", "AS $$ SELECT 'Tags' $$;");
    assert_bound("DO $a$ EXECUTE $b$ x :'plain' $b$ $a$", "DO $a$ EXECUTE $b$ x 'Tags' $b$ $a$");
    assert_bound("$$ it''s ':''plain''' $$", "$$ it''s ':''plain''' $$");
    assert_bound("a$1 b$c$ :'plain'", "a$1 b$c$ 'Tags'"); /* parts of words, no quotes */
}

static void test_strings_identifiers_and_comments_are_left_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {"':''plain'''",
                                        "E'\\':''plain'",
                                        "\":'plain'\"",
                                        "-- :'plain'\nx",
                                        "/* :'plain' /* :'plain' */ :'plain' */ y",
                                        "a::'plain'",
                                        "x[1:2]",
                                        "e'\\\\'",
                                        "-- it's\n",
                                        ""};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_bound(texts[i], texts[i]);
    assert_bound("-- it's\n:'plain'", "-- it's\n'Tags'");
    assert_bound("name'\\' :'plain'", "name'\\' 'Tags'"); /* no E in front: a plain string */
}

static void test_what_is_not_closed_or_known_is_refused(void **state)
{
    (void)state;
    assert_refused("a\nb :'nope'", "a.sql:2: the manifest has no such setting");
    assert_refused("a\n\n'open", "a.sql:3: a quote or comment is not closed");
    assert_refused("/* /* */", "a quote or comment is not closed");
    assert_refused("x $body$ y $$", "a.sql:1: a dollar quote is not closed");
    assert_refused(":'plain", "a quote or comment is not closed");
    assert_refused("$a$ $b$ $c$ $d$ $e$ x $e$ $d$ $c$ $b$ $a$", "too many dollar quotes");
    assert_refused("$$ 'open $$", "a quote or comment is not closed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_become_literals),
        cmocka_unit_test(test_hostile_values_stay_one_literal),
        cmocka_unit_test(test_bodies_in_dollar_quotes_are_sql),
        cmocka_unit_test(test_strings_identifiers_and_comments_are_left_alone),
        cmocka_unit_test(test_what_is_not_closed_or_known_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
