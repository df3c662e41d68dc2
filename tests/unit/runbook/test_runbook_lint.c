#include "runbook_sample.h"

#include "base/embedded.h"
#include "base/text.h"
#include "runbook/runbook_lint.h"

/* The sample is made so that only these are left. */
static const char *const sample_warnings[] = {
    "warning 0:the file of runbook \"sample\" should be sample.yaml",
    "warning 21:step \"mark\" writes without a restore point before it",
};

static char *lint_at(const char *text, const char *now)
{
    int64_t now_us;
    struct error err;
    struct runbook *runbook = NULL;
    struct runbook_problems *problems = calloc(1, sizeof *problems);
    char *all = calloc(1, 64 * 1024);
    assert_non_null(problems);
    assert_non_null(all);
    assert_true(text_to_time_us(now, &now_us));
    if (!runbook_load(text, strlen(text), "t.yaml", &runbook, &err))
        fail_msg("%s\n%s", err.text, text);
    assert_true(runbook_lint(runbook, now_us, problems, &err));
    size_t len = 0;
    for (size_t i = 0; i < problems->count; i++)
        len += (size_t)sprintf(all + len, "%s %d:%s\n",
                               problems->items[i].warning ? "warning" : "error",
                               problems->items[i].line, problems->items[i].text);
    runbook_free(runbook);
    free(problems);
    return all;
}

/* The sample's texts as they should be. */
static char *good_with(const char *from, const char *to)
{
    static const struct {
        const char *from;
        const char *to;
    } texts[] = {
        {"text: \"Dear {{ customer.name }}\"",
         "text: \"Dear {{ customer.name }}, we do not know the new date yet. Reply to cancel for a "
         "full refund.\""},
        {"text: \"Hallo {{ customer.name }}\"",
         "text: \"Hallo {{ customer.name }}, das neue Datum ist noch nicht bekannt. Antworten Sie: "
         "wir erstatten den vollen Preis.\""},
        {"done: {purpose: status, ",
         "done: {purpose: status, de: {subject: Ende, text: \"Ende für {{ "
         "params.carrier }}\"}, "},
    };
    char *text = strdup(sample);
    assert_non_null(text);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char *next = text_with(text, texts[i].from, texts[i].to);
        free(text);
        text = next;
    }
    char *changed = from == NULL ? strdup(text) : text_with(text, from, to);
    free(text);
    return changed;
}

/* What lint says of the good text besides the warnings of the sample. */
static char *lint_of(const char *from, const char *to)
{
    CLEANUP(free_pointer) char *text = good_with(from, to);
    char *all = lint_at(text, "2026-11-20T00:00:00Z");
    for (size_t i = 0; i < ARRAY_LEN(sample_warnings); i++) {
        char *at = strstr(all, sample_warnings[i]);
        if (at != NULL)
            memmove(at, strchr(at, '\n') + 1, strlen(strchr(at, '\n') + 1) + 1);
    }
    return all;
}

static void test_a_good_runbook_has_nothing_to_say_about(void **state)
{
    CLEANUP(free_pointer) char *problems = lint_of(NULL, NULL);
    (void)state;
    assert_string_equal(problems, "");
}

static void test_the_sample_warns_of_what_it_lacks(void **state)
{
    CLEANUP(free_pointer) char *text = good_with(NULL, NULL);
    CLEANUP(free_pointer) char *all = lint_at(text, "2026-11-20T00:00:00Z");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sample_warnings); i++)
        assert_non_null(strstr(all, sample_warnings[i]));
}

static void test_a_review_grows_old(void **state)
{
    CLEANUP(free_pointer) char *text = good_with(NULL, NULL);
    CLEANUP(free_pointer) char *fresh = lint_at(text, "2027-04-30T00:00:00Z"); /* 180 days */
    CLEANUP(free_pointer) char *old = lint_at(text, "2027-05-01T00:00:00Z");
    CLEANUP(free_pointer) char *early = lint_at(text, "2026-10-01T00:00:00Z");
    (void)state;
    assert_null(strstr(fresh, "reviewed"));
    assert_non_null(
        strstr(old, "warning 0:nobody has reviewed it since 2026-11-01, that is 181 days"));
    assert_non_null(strstr(early, "lies in the future"));
}

static void test_each_rule_is_kept(void **state)
{
    static const struct refused_case cases[] = {
        {"Reply to cancel", "20 % off: reply to cancel",
         "error 34:template \"late\" is a delay notice and has the promotional \"% off\""},
        {"Reply to cancel", "Use\\n code NOW10! Reply to cancel",
         "error 34:template \"late\" is a delay notice and has the promotional \"use code\""},
        {"\"{{ orders }} kommt\"", "\"{{ orders }}: SCHN\xc3\x84PPCHEN\"",
         "error 35:template \"late\" is a delay notice and has the promotional "
         "\"schn\xc3\xa4ppchen\""},
        {"for a full refund", "it",
         "error 34:template \"late\": the text in en does not say that the order can be cancelled"},
        {"wir erstatten den vollen Preis", "schade",
         "error 35:template \"late\": the text in de does not say that the order can be cancelled"},
        {"Reply to cancel", "Cancel",
         "error 34:template \"late\": the text in en does not say how to answer"},
        {"we do not know the new date yet. ", "",
         "error 34:template \"late\": the text in en does not say that the new date is not known"},
        {"new_date: unknown", "new_date: \"{{ params.since }}\"",
         "error 34:template \"late\": the text in en does not have the new date {{ params.since "
         "}}"},
        {"Hallo {{ customer.name }}", "Hallo",
         "error 35:template \"late\": de does not have {{ customer.name }}, en has it"},
        {"Ende f\xc3\xbcr {{ params.carrier }}", "Ende",
         "error 36:template \"done\": de does not have {{ params.carrier }}, en has it"},
        {"  done: {purpose: status, de: {subject: Ende, text: \"Ende f\xc3\xbcr {{ params.carrier "
         "}}\"}, ",
         "  done: {purpose: status, ",
         "warning 36:template \"done\" has no text in de, as \"late\" has"},
        {"  since: {type: timestamp}", "  since: {type: timestamp}\n  sinc: {type: int}",
         "warning 8:parameter \"sinc\" is never used"},
        {"  buyers: {of", "  idle: {of: tickets}\n  buyers: {of",
         "warning 18:selection \"idle\" is never used"},
        {"  done: {purpose",
         "  idle: {purpose: status, en: {subject: s, text: t}, de: {subject: s, text: t}}\n"
         "  done: {purpose",
         "warning 36:template \"idle\" is never used"},
        {"  - {id: look, uses: assess, selections: [hit], expect: [{when: count(hit) < 5, then: "
         "stop, "
         "say: Too few.}]}\n",
         "", "warning 20:step \"mark\" tags before anybody has seen the counts"},
        {"  - {id: gate, uses: approval, role: comms}\n", "",
         "warning 23:step \"tell\" writes to customers without an approval"},
        {", quiet_hours: {from: \"20:00\", to: \"09:00\"}", "",
         "warning 24:step \"tell\" sends text messages at night"},
        {"state: resolved", "state: monitoring",
         "warning 0:the status is opened and never resolved"},
    };
    size_t failed = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_pointer) char *problems = lint_of(cases[i].from, cases[i].to);
        if (strncmp(problems, cases[i].problem, strlen(cases[i].problem)) == 0)
            continue;
        failed++;
        print_message("\"%s\":\n%sdoes not begin with \"%s\"\n\n", cases[i].to, problems,
                      cases[i].problem);
    }
    assert_int_equal(failed, 0);
}

static char *good_with_purpose(const char *purpose, const char *undo)
{
    CLEANUP(free_pointer) char *text = good_with("purpose: delay", purpose);
    CLEANUP(free_pointer) char *linked = text_with(text, "Reply to cancel", "https://x.example");
    CLEANUP(free_pointer)
    char *whole = text_with(linked, "undo: {tags: allowed, notices: refused", undo);
    return lint_at(whole, "2026-11-20T00:00:00Z");
}

static void test_grave_notices_have_their_own_rules(void **state)
{
    CLEANUP(free_pointer)
    char *safety = good_with_purpose("purpose: safety", "undo: {tags: refused, notices: allowed");
    CLEANUP(free_pointer)
    char *security = good_with_purpose("purpose: security",
                                       "undo: {tags: allowed, notices: refused");
    CLEANUP(free_pointer)
    char *kept = good_with_purpose("purpose: security", "undo: {tags: refused, notices: allowed");
    (void)state;
    assert_non_null(
        strstr(safety, "error 31:template \"late\" is a safety notice, which undo must not"));
    assert_non_null(strstr(
        safety,
        "warning 34:template \"late\": the subject in en does not say that it is about safety"));
    assert_non_null(strstr(safety, "warning 24:step \"tell\" is about safety and should not wait"));
    assert_non_null(
        strstr(security, "error 31:template \"late\" is a security notice: undo must not"));
    assert_non_null(
        strstr(security, "warning 34:template \"late\": a security notice in en has a link"));
    assert_null(strstr(kept, "error"));
}

static void test_the_embedded_runbooks_have_no_errors(void **state)
{
    (void)state;
    for (const struct embedded_file *file = embedded_files; file->name != NULL; file++) {
        size_t len = strlen(file->name);
        if (len < 5 || strcmp(file->name + len - 5, ".yaml") != 0 ||
            strchr(file->name, '/') != NULL)
            continue;
        CLEANUP(free_pointer) char *problems = lint_at(file->text, "2026-12-01T00:00:00Z");
        if (strstr(problems, "error") != NULL)
            fail_msg("%s:\n%s", file->name, problems);
    }
}

static void test_innocent_words_are_no_promotion(void **state)
{
    static const char *const innocent[] = {
        "We offer to cancel your order for a full refund.",
        "We have stopped the sale of lot AB1234.",
        "Order nowhere else; promotes.",
        "Nous vous informons de la remise de votre colis.",
        "Wir bieten Ihnen die Erstattung an.",
        "Kontaktieren Sie uns.",
        "",
    };
    static const struct {
        const char *text;
        const char *word;
    } guilty[] = {
        {"PROMO: today", "promo"},
        {"20% off", "% off"},
        {"Shop\n  now", "shop now"},
        {"Nur f\xc3\xbcr kurze Zeit", "nur f\xc3\xbcr kurze zeit"},
        {"R\xc3\x89"
         "DUCTION",
         "r\xc3\xa9"
         "duction"},
        {"con el c\xc3\x93"
         "digo X",
         "con el c\xc3\xb3"
         "digo"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(innocent); i++)
        if (lint_promotional(innocent[i]) != NULL)
            fail_msg("\"%s\" has \"%s\"", innocent[i], lint_promotional(innocent[i]));
    for (size_t i = 0; i < ARRAY_LEN(guilty); i++) {
        const char *word = lint_promotional(guilty[i].text);
        if (word == NULL)
            fail_msg("\"%s\" is not seen", guilty[i].text);
        assert_string_equal(word, guilty[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_runbook_has_nothing_to_say_about),
        cmocka_unit_test(test_the_sample_warns_of_what_it_lacks),
        cmocka_unit_test(test_a_review_grows_old),
        cmocka_unit_test(test_each_rule_is_kept),
        cmocka_unit_test(test_grave_notices_have_their_own_rules),
        cmocka_unit_test(test_the_embedded_runbooks_have_no_errors),
        cmocka_unit_test(test_innocent_words_are_no_promotion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
