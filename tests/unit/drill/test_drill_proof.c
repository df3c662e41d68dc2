#include "drill/drill_proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void set(char **text, const char *value)
{
    struct error err;
    assert_true(drill_proof_set(text, strdup(value), &err));
}

/* Every member another value, so that none can take the place of another unnoticed. */
static void fill(struct drill_proof *proof)
{
    struct error err;
    assert_true(drill_proof_init(proof, &err));
    (void)snprintf(proof->id, sizeof proof->id, "0123456789abcdef");
    (void)snprintf(proof->repository_id, sizeof proof->repository_id,
                   "00112233445566778899aabbccddeeff");
    (void)snprintf(proof->snapshot_id, sizeof proof->snapshot_id, "fedcba9876543210");
    proof->started_us = 1;
    proof->finished_us = 2;
    proof->system_identifier = UINT64_MAX;
    proof->snapshot_started_us = 3;
    proof->seed = 4;
    proof->timeline = 5;
    proof->reached_lsn = UINT64_C(0x16B374D848);
    proof->reached_us = 6;
    proof->bytes_total = 7;
    proof->bytes_fetched = 8;
    proof->bytes_written = 9;
    proof->wal_bytes = 10;
    proof->rto_us = 11;
    proof->rto_goal_us = 12;
    proof->rpo_us = 13;
    proof->rpo_goal_us = 14;
    set(&proof->broken, "recovery: \"quoted\"\n\x01 \xc3\xa9");
    set(&proof->server_version, "15.18");
    set(&proof->program_version, "0.1.0");
    set(&proof->host, "2 processors");
    set(&proof->target_kind, "random");
    set(&proof->target_value, "LSN 16/B374D848");
    set(&proof->kept, "/tmp/x");
    for (int i = 0; i < DRILL_PHASE_COUNT; i++)
        proof->phases[i] = (struct drill_phase_time){.offset_us = 100 + i, .duration_us = 200 + i};
    for (int i = 0; i < 3; i++) {
        struct drill_check *check = drill_proof_add_check(proof, "name", "promise", &err);
        assert_non_null(check);
        check->outcome = (enum drill_check_outcome)i;
        check->duration_us = 300 + i;
        set(&check->expected, "expected");
        set(&check->found, "found");
        set(&check->detail, "detail");
    }
}

static char *print(const struct drill_proof *proof)
{
    struct error err;
    struct buf text;
    buf_init(&text, 1 << 20);
    struct value *value = drill_proof_to_value(proof, &err);
    assert_non_null(value);
    assert_true(value_print(value, true, &text, &err));
    value_free(value);
    char *copy = strdup(buf_text(&text));
    buf_release(&text);
    return copy;
}

static void test_what_is_stored_is_what_was_found(void **state)
{
    struct error err;
    struct drill_proof proof;
    struct drill_proof again;
    (void)state;
    fill(&proof);
    char *text = print(&proof);
    struct value *value = value_parse(text, strlen(text), 1 << 20, "a proof", &err);
    assert_non_null(value);
    assert_true(drill_proof_from_value(value, &again, &err));
    assert_string_equal(again.broken, proof.broken);
    assert_string_equal(again.kept, "/tmp/x");
    assert_true(again.system_identifier == UINT64_MAX);
    assert_int_equal(again.check_count, 3);
    assert_int_equal(again.checks[2].outcome, DRILL_CHECK_SKIPPED);
    assert_int_equal(again.phases[DRILL_REPLAY].duration_us, 204);
    char *second = print(&again);
    assert_string_equal(second, text); /* every member, in its own place */
    free(second);
    free(text);
    value_free(value);
    drill_proof_release(&again);
    drill_proof_release(&proof);
}

static void test_long_texts_are_cut_when_stored(void **state)
{
    struct error err;
    struct drill_proof proof;
    (void)state;
    fill(&proof);
    char *longer = malloc(100001);
    memset(longer, 'x', 100000);
    longer[100000] = '\0';
    assert_true(drill_proof_set(&proof.checks[0].detail, longer, &err));
    char *text = print(&proof);
    assert_true(strlen(text) < 20000);
    assert_non_null(strstr(text, "x [...]\""));
    free(text);
    drill_proof_release(&proof);
}

static void expect_refused(const char *from, const char *to, const char *words)
{
    struct error err;
    struct drill_proof proof;
    struct drill_proof out;
    fill(&proof);
    char *text = print(&proof);
    char *at = strstr(text, from);
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    struct value *value = value_parse(text, strlen(text), 1 << 20, "a proof", &err);
    assert_non_null(value);
    assert_false(drill_proof_from_value(value, &out, &err));
    assert_int_equal(err.kind, ERROR_CORRUPT);
    assert_non_null(strstr(err.text, words));
    value_free(value);
    free(text);
    drill_proof_release(&proof);
}

static void test_what_is_no_proof_is_refused(void **state)
{
    (void)state;
    expect_refused("\"rto_us\"", "\"rta_us\"", "rto_us");
    expect_refused("\"outcome\": \"failed\"", "\"outcome\": \"fooled\"", "outcome");
    expect_refused("0123456789abcdef", "0123456789abcdeX", "identifier");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_stored_is_what_was_found),
        cmocka_unit_test(test_long_texts_are_cut_when_stored),
        cmocka_unit_test(test_what_is_no_proof_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
