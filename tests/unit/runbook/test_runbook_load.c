#include "runbook_sample.h"

#include "base/embedded.h"
#include "document/yaml.h"

static struct runbook *load_good(const char *text)
{
    struct error err;
    struct runbook *runbook = NULL;
    if (!runbook_load(text, strlen(text), "t.yaml", &runbook, &err))
        fail_msg("%s", err.text);
    return runbook;
}

static void test_everything_lands_in_its_place(void **state)
{
    CLEANUP(runbook_cleanup) struct runbook *runbook = load_good(sample);
    (void)state;
    assert_string_equal(runbook->name, "sample");
    assert_string_equal(runbook->version, "1.2.3");
    assert_string_equal(runbook->source, sample);
    assert_int_equal(strlen(runbook->digest), 64);
    assert_int_equal(runbook->owner_count, 2);
    assert_string_equal(runbook->owners[1].duty, "Writes.");
    const struct runbook_param *lookback = runbook_param(runbook, "lookback");
    assert_int_equal(lookback->type, PARAM_DURATION);
    assert_string_equal(lookback->standard, "24h");
    assert_string_equal(lookback->max, "14d");
    assert_int_equal(lookback->line, 8);
    assert_null(runbook_param(runbook, "since")->standard);
    assert_true(runbook_param(runbook, "carrier")->required);
    assert_int_equal(runbook->limits.max_tickets, 100);
    const struct runbook_selection *hit = runbook_selection(runbook, "hit");
    assert_int_equal(hit->segment_count, 2);
    assert_string_equal(hit->segments[0].mentions.items[0], "{{ params.carrier }}");
    assert_string_equal(hit->segments[1].where, "");
    assert_string_equal(hit->exclude_tags.items[0], "incident:*");
    assert_string_equal(hit->exclude_where, "");
    assert_int_equal(hit->line, 11);
    const struct runbook_step *tell = &runbook->steps[4];
    assert_int_equal(tell->uses, USES_NOTICE);
    assert_string_equal(tell->from, "buyers");
    assert_int_equal(tell->channels.count, 2);
    assert_true(tell->expires_after_us == INT64_C(12) * 3600 * 1000000);
    assert_string_equal(tell->quiet_from, "20:00");
    assert_string_equal(tell->only_after, "");
    const struct runbook_guard *guard = &runbook->steps[0].expect[0];
    assert_string_equal(guard->selection, "hit");
    assert_string_equal(guard->op, "<");
    assert_int_equal(guard->number, 5);
    assert_string_equal(guard->limit, "");
    assert_string_equal(runbook->steps[2].choice_default.choice, "no");
    assert_string_equal(runbook->recover[0].tags.items[0], "a:{{ params.carrier }}");
    assert_string_equal(runbook_template(runbook, "late")->texts[1].locale, "de");
    assert_string_equal(runbook_template(runbook, "late")->facts.new_date, "unknown");
    assert_true(runbook->exits[1].drained);
    assert_int_equal(runbook->undo.tags, UNDO_ALLOWED);
    assert_int_equal(runbook->undo.notices, UNDO_REFUSED);
    assert_string_equal(runbook->tests[0].params.items[0], "carrier=ups");
    assert_string_equal(runbook->tests[0].expect[1].name, "hit/named");
    assert_int_equal(runbook->tests[0].expect[1].count, 1);
}

static void test_what_is_left_out_has_its_default(void **state)
{
    CLEANUP(runbook_cleanup) struct runbook *runbook = load_good(sample);
    (void)state;
    assert_int_equal(runbook->limits.batch, 1000);
    assert_int_equal(runbook->limits.target_us, 200000);
    assert_int_equal(runbook->limits.lock_timeout_us, 250000);
    assert_int_equal(runbook->limits.statement_timeout_us, 5000000);
    assert_int_equal(runbook->limits.max_replica_lag_us, 0);
    assert_string_equal(runbook->concurrency_group, "sample");
    assert_int_equal(runbook->steps[0].sample, 10);
    assert_int_equal(runbook->steps[3].quorum, 1);
    assert_true(runbook->steps[3].expires_us == INT64_C(4) * 3600 * 1000000);
    assert_int_equal(runbook->steps[0].on_error, ON_ERROR_PAUSE);
    const struct runbook_selection *buyers = runbook_selection(runbook, "buyers");
    assert_int_equal(buyers->segment_count, 1);
    assert_string_equal(buyers->segments[0].name, "all");
    assert_string_equal(buyers->segments[0].where, "");
    assert_int_equal(runbook->clock.update_every_us, 0);
    assert_string_equal(runbook->clock.on_breach, "");
}

static void test_guards_may_name_a_limit(void **state)
{
    CLEANUP(free_pointer)
    char *text = sample_with("count(hit) < 5", "\"count(hit) >= limits.max_tickets\"");
    CLEANUP(runbook_cleanup) struct runbook *runbook = load_good(text);
    (void)state;
    assert_string_equal(runbook->steps[0].expect[0].op, ">=");
    assert_string_equal(runbook->steps[0].expect[0].limit, "max_tickets");
}

static void test_what_the_tables_do_not_allow_is_refused_in_its_place(void **state)
{
    static const struct refused_case cases[] = {
        {"mainstay/v1", "mainstay/v2", "1:13: \"apiVersion\" cannot be \"mainstay/v2\""},
        {"kind: Runbook\n", "", "1:1: a runbook has no \"kind\""},
        {"name: sample", "name: Sample", "3:18: \"name\" must be a name like"},
        {"\"1.2.3\"", "1.10", "3:35: \"version\" must be a version of three numbers"},
        {"\"1.2.3\"", "\"01.2.3\"", "3:35: \"version\" must be"},
        {"title: A sample, ", "", "3:11: metadata has no \"title\""},
        {"title: A sample", "titel: A sample",
         "3:11: metadata has no \"title\"\n3:44: unknown key \"titel\" in metadata | Did you mean "
         "\"title\"?"},
        {"title: A sample", "title: [A]", "3:51: \"title\" must be a text of one line, not a list"},
        {"title: A sample", "title: ", "3:44: \"title\" is empty"},
        {"title: A sample", "title: \"A\\nsample\"", "3:51: \"title\" must be one line"},
        {"title: A sample", "title: \"A\\esample\"", "3:51: \"title\" has a control character"},
        {"title: A sample", "title: \"A\\u202esample\"", "3:51: \"title\" has a control character"},
        {"\"2026-11-01\"}", "yesterday}", "3:87: \"reviewed_on\" must be a date"},
        {"{lead: Leads., comms: Writes.}", "[lead]",
         "4:9: \"owners\" must be a mapping, not a list"},
        {"{lead: Leads., comms: Writes.}", "{}", "4:9: \"owners\" is empty"},
        {"type: enum", "type: choice",
         "6:19: \"type\" cannot be \"choice\" | It can be text, enum, "},
        {"type: enum", "type: enom", "6:19: \"type\" cannot be \"enom\" | Did you mean \"enum\"?"},
        {"required: true", "required: yes",
         "6:55: \"required\" must be true or false, not \"yes\""},
        {"  since:", "  Since:", "7:3: \"Since\" cannot be the name of a parameter"},
        {"max_tickets: 100", "max_tickets: many", "9:23: \"max_tickets\" must be a number"},
        {"max_tickets: 100", "max_tickets: -1", "9:23: \"max_tickets\" must be 0 to 100000000"},
        {"max_notices: 50}", "max_notices: 50, batch: 0}", "9:52: \"batch\" must be 1 to 10000"},
        {"max_notices: 50}", "max_notices: 50, lock_timeout: 250}",
         "9:59: \"lock_timeout\" must be a duration"},
        {"max_notices: 50}", "max_notices: 50, lock_timeout: 1h}",
         "9:59: \"lock_timeout\" must be 1 ms to 10.0 s"},
        {"max_tickets: 100, ", "", "9:9: limits has no \"max_tickets\""},
        {"of: tickets", "of: ticket",
         "12:9: \"of\" cannot be \"ticket\" | Did you mean \"tickets\"?"},
        {"    of: tickets\n", "", "12:5: a selection has no \"of\""},
        {"[\"incident:*\"]", "[a, a]", "14:25: \"a\" is there twice"},
        {"uses: assess", "uses: acess",
         "20:22: \"uses\" cannot be \"acess\" | Did you mean \"assess\"?"},
        {"uses: assess, ", "", "20:5: a step has no \"uses\" | It can be assess, restore-point"},
        {"selections: [hit]", "from: hit",
         "20:5: a step that uses assess has no \"selections\"\n20:30: unknown key \"from\" in a "
         "step "
         "that uses assess"},
        {"count(hit) < 5", "count(hit) << 5", "20:65: \"when\" cannot be \"count(hit) << 5\""},
        {"count(hit) < 5", "rows(hit) < 5", "20:65: \"when\" cannot be"},
        {"count(hit) < 5", "count(hit) < 1; DROP", "20:65: \"when\" cannot be"},
        {"channels: [email, sms]", "channels: [mail]", "24:69: \"channels\" cannot be \"mail\""},
        {"expires_after: 12h, ", "", "24:5: a step that uses notice has no \"expires_after\""},
        {"from: \"20:00\"", "from: 24:00", "24:"},
        {"state: resolved", "state: solved", "28:58: \"state\" cannot be \"solved\""},
        {"purpose: delay", "purpose: promotion", "32:14: \"purpose\" cannot be \"promotion\""},
        {"subject: \"{{ orders }} late\", ", "", "34:9: the text of a locale has no \"subject\""},
        {"{purpose: status, en: {subject: Over, text: \"Over for {{ params.carrier }}\"}}",
         "{purpose: status}", "36:9: a template has no text in any language"},
        {"    de: {", "    german: {", "35:5: unknown key \"german\" in a template"},
        {"fixture: tests/sample.sql", "fixture: ../sample.sql",
         "40:14: \"fixture\" must be a path"},
        {"clock: \"2026-11-01T10:00:00Z\"", "clock: \"2026-11-01T10:00:00\"",
         "42:12: \"clock\" must be a time with its offset"},
        {"hit/named: 1", "hit/named: one", "43:33: \"count\" must be a number"},
        {"steps:", "stepz:", "1:1: a runbook has no \"steps\""},
        {"kind: Runbook", "kind: Runbook\nkind: Runbook", "3:1: this key is there twice"},
        {"kind: Runbook", "kind: &a Runbook", "2:8: anchors (&name) are not allowed"},
    };
    (void)state;
    assert_refused(cases, ARRAY_LEN(cases));
}

static void test_all_problems_are_found_at_once(void **state)
{
    CLEANUP(free_pointer)
    char *text = sample_with("type: timestamp}\n  lookback: {type: duration, default: 24h",
                             "type: time}\n  lookback: {typ: duration, default: 24h");
    CLEANUP(free_pointer) char *problems = problems_of(text);
    (void)state;
    assert_non_null(strstr(problems, "7:17: \"type\" cannot be \"time\""));
    assert_non_null(strstr(problems, "8:13: a parameter has no \"type\""));
    assert_non_null(strstr(problems, "8:14: unknown key \"typ\""));
}

static void test_the_first_problem_is_the_error(void **state)
{
    struct error err;
    struct runbook *runbook = NULL;
    CLEANUP(free_pointer) char *text = sample_with("of: tickets", "of: ticket\n    off: x");
    (void)state;
    assert_false(runbook_load(text, strlen(text), "t.yaml", &runbook, &err));
    assert_null(runbook);
    assert_int_equal(err.kind, ERROR_INVALID);
    assert_string_equal(err.text, "t.yaml:12:9: \"of\" cannot be \"ticket\"");
    assert_string_equal(err.hint,
                        "Did you mean \"tickets\"? There are 2 problems; `mainstay runbook "
                        "lint` lists them.");
}

static void test_more_problems_than_fit_are_counted(void **state)
{
    char text[8192] = "";
    struct error err;
    struct runbook *runbook;
    struct runbook_problems problems = {0};
    (void)state;
    for (int i = 0; i < 100; i++)
        (void)sprintf(text + strlen(text), "unknown%d: 1\n", i);
    assert_true(runbook_load_all(text, strlen(text), "t.yaml", &problems, &runbook, &err));
    assert_null(runbook);
    assert_int_equal(problems.count, RUNBOOK_MAX_PROBLEMS);
    assert_true(problems.error_count > 100);
}

static void test_what_is_no_runbook_at_all_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *problem;
    } cases[] = {
        {"", "1:1: a runbook has no \"apiVersion\""},
        {"[a]", "1:1: a runbook must be a mapping, not a list"},
        {"a: [", "2:1: "},
        {"a: \xff", "1:0: a byte is not UTF-8"},
        {"--- {}\n--- {}\n", "2:"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_pointer) char *problems = problems_of(cases[i].text);
        if (strncmp(problems, cases[i].problem, strlen(cases[i].problem)) != 0)
            fail_msg("%s\ndoes not begin with \"%s\"", problems, cases[i].problem);
    }
}

static void test_embedded_runbooks_load(void **state)
{
    size_t count = 0;
    (void)state;
    for (const struct embedded_file *file = embedded_files; file->name != NULL; file++) {
        size_t len = strlen(file->name);
        if (len < 5 || strcmp(file->name + len - 5, ".yaml") != 0 ||
            strchr(file->name, '/') != NULL)
            continue;
        CLEANUP(free_pointer) char *problems = problems_of(file->text);
        if (problems[0] != '\0')
            fail_msg("%s:\n%s", file->name, problems);
        count++;
    }
    assert_true(count > 0);
}

static void test_durations_have_one_spelling(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"0s", 0},
                {"250ms", 250000},
                {"90s", 90000000},
                {"20m", 1200000000},
                {"24h", INT64_C(86400000000)},
                {"14d", INT64_C(1209600000000)}};
    static const char *const bad[] = {"",
                                      "5",
                                      "h",
                                      "1.5h",
                                      "-1h",
                                      "1 h",
                                      "1H",
                                      "1min",
                                      "1h30m",
                                      "999999999999999d",
                                      "99999999999999999999s"};
    int64_t us;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(runbook_duration(good[i].text, &us));
        assert_true(us == good[i].us);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (runbook_duration(bad[i], &us))
            fail_msg("\"%s\" was accepted", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_lands_in_its_place),
        cmocka_unit_test(test_what_is_left_out_has_its_default),
        cmocka_unit_test(test_guards_may_name_a_limit),
        cmocka_unit_test(test_what_the_tables_do_not_allow_is_refused_in_its_place),
        cmocka_unit_test(test_all_problems_are_found_at_once),
        cmocka_unit_test(test_the_first_problem_is_the_error),
        cmocka_unit_test(test_more_problems_than_fit_are_counted),
        cmocka_unit_test(test_what_is_no_runbook_at_all_is_refused),
        cmocka_unit_test(test_embedded_runbooks_load),
        cmocka_unit_test(test_durations_have_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
