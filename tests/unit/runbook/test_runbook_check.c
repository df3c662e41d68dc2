#include "runbook_sample.h"

static void test_the_sample_is_right(void **state)
{
    CLEANUP(free_pointer) char *problems = problems_of(sample);
    (void)state;
    assert_string_equal(problems, "");
}

static void test_names_that_do_not_exist_are_refused(void **state)
{
    static const struct refused_case cases[] = {
        {"owner: lead", "owner: leads",
         "3:68: there is no owner \"leads\" | Did you mean \"lead\"?"},
        {"selections: [hit]", "selections: [hot]",
         "20:43: there is no selection \"hot\" | Did you mean \"hit\"?"},
        {"count(hit) < 5", "count(hits) < 5", "20:65: there is no selection \"hits\""},
        {"uses: tag, from: hit", "uses: tag, from: nobody", "21:33: there is no selection"},
        {"choice: no}", "choice: nope}",
         "22:91: there is no choice \"nope\" | Did you mean \"no\"?"},
        {"role: comms", "role: com", "23:38: there is no owner \"com\""},
        {"template: late", "template: later", "24:52: there is no template \"later\""},
        {"zero: hit", "zero: hid", "29:28: there is no selection \"hid\""},
        {"{carrier: ups}", "{carier: ups}",
         "41:13: runbook \"sample\" has no parameter \"carier\" | Did you mean \"carrier\"?"},
        {"{carrier: ups}", "{carrier: fedex}", "41:13: parameter \"carrier\" cannot be \"fedex\""},
        {"    params: {carrier: ups}\n", "",
         "39:11: runbook \"sample\" needs a parameter: carrier"},
        {"hit/named: 1", "hit/nemed: 1", "43:22: there is no count \"hit/nemed\""},
        {"expires_after: 12h", "expires_after: 12h, only_after: done",
         "24:114: no step before this one queues \"done\""},
    };
    (void)state;
    assert_refused(cases, ARRAY_LEN(cases));
}

static void test_conditions_keep_their_place_and_know_their_names(void **state)
{
    static const struct refused_case cases[] = {
        {"t.is_open AND", "t.is_open) OR (",
         "13:12: \")\" closes nothing (character 10 of the condition)"},
        {"t.is_open AND", "true; DELETE FROM tickets; SELECT", "13:12: \";\" is not allowed"},
        {":lookback", ":look_back",
         "13:12: there is no parameter \"look_back\" (:look_back) | Did you mean \"lookback\"?"},
        {"{name: rest}", "{name: rest, where: \"t.a = 'x\"}", "17:29: a quote is not closed"},
        {"exclude: {", "exclude: {where: \"a = $1\", ", "14:22: \"$\" is not allowed here"},
    };
    (void)state;
    assert_refused(cases, ARRAY_LEN(cases));
}

static void test_texts_know_their_names(void **state)
{
    static const struct refused_case cases[] = {
        {"[\"{{ params.carrier }}\"]", "[\"{{ params.carier }}\"]",
         "16:34: there is no parameter \"carier\" (params.carier)"},
        {"[\"{{ params.carrier }}\"]", "[\"{{ row.segment }}\"]",
         "16:34: {{ row.segment }} is not known here | Known are params.NAME, now, runbook.name, "
         "runbook.title."},
        {"b:{{ row.segment }}", "b:{{ customer.name }}",
         "21:70: {{ customer.name }} is not known here | Known are params.NAME, now, "
         "runbook.name, runbook.title, row.segment."},
        {"Dear {{ customer.name }}", "Dear {{ customer.nam }}",
         "34:46: {{ customer.nam }} is not known here | Known are params.NAME, now, "
         "runbook.name, runbook.title, customer.name, orders, order_count, ticket.ref."},
        {"Dear {{ customer.name }}", "Dear {{ customer.name", "34:46: \"{{\" is not closed"},
        {"Over for {{ params.carrier }}", "Over for {{ customer.name }}",
         "36:53: {{ customer.name }} is not known here | Known are params.NAME, now, runbook.name, "
         "runbook.title."},
        {"new_date: unknown", "new_date: \"{{ params.when }}\"",
         "33:23: there is no parameter \"when\""},
        {"ask: Switch?", "ask: \"Switch {{ params.carrier }}?\"",
         "22:32: \"ask\" is no template: \"{{\" would stay as it is"},
        {"kind: Runbook", "kind: Runbook\nconcurrency: {group: \"x/{{ row.segment }}\"}",
         "3:22: {{ row.segment }} is not known here"},
    };
    (void)state;
    assert_refused(cases, ARRAY_LEN(cases));
}

static void test_parameters_contradict_nothing(void **state)
{
    static const struct refused_case cases[] = {
        {"{type: timestamp}", "{type: timestamp}\n  now: {type: text}",
         "8:3: :now is the time of the plan"},
        {"type: enum, values: [ups, dhl]", "type: enum", "6:19: an enum needs \"values\""},
        {"type: timestamp", "type: timestamp, values: [a]", "7:17: only an enum has \"values\""},
        {"required: true}", "required: true, default: ups}",
         "6:70: a parameter that is required has no \"default\""},
        {"default: 24h", "default: 24",
         "8:39: parameter \"lookback\" cannot be \"24\": it must be"},
        {"default: 24h", "default: 15d",
         "8:39: parameter \"lookback\" cannot be \"15d\": the greatest"},
        {"min: 1h", "min: one", "8:49: \"one\" is not of the parameter's type"},
        {"type: enum,", "type: enum, max: 5,", "6:30: a parameter of this type has no least"},
        {"type: timestamp", "type: int, pattern: x",
         "7:31: only a text or a list has a \"pattern\""},
        {"type: timestamp", "type: text, pattern: \"(\"",
         "7:32: \"(\" is not a regular expression"},
    };
    (void)state;
    assert_refused(cases, ARRAY_LEN(cases));
}

static void test_selections_and_steps_contradict_nothing(void **state)
{
    static const struct refused_case cases[] = {
        {"{of: customers}", "{of: orders}",
         "18:16: a selection of orders needs the capability \"orders\""},
        {"{of: customers}", "{of: customers, segments: [{name: x, mentions: [y]}]}",
         "18:59: only tickets have messages"},
        {"{of: customers}", "{of: customers, exclude: {tags: [y]}}",
         "18:44: only tickets have tags"},
        {"{of: customers}", "{of: customers, orders_by_customer: true}",
         "18:16: \"orders_by_customer\" is for tickets"},
        {"      - {name: rest}", "      - {name: rest}\n      - {name: more}",
         "18:16: segment \"more\" is never reached"},
        {"{name: rest}", "{name: named}", "17:16: segment \"named\" is there twice"},
        {"{id: mark, ", "{id: look, ", "21:10: step \"look\" is there twice"},
        {"{id: unmark, ", "{id: look, ", "27:10: step \"look\" is there twice"},
        {"uses: tag, from: hit", "uses: tag, from: buyers",
         "21:33: only tickets have tags, \"buyers\" is not of tickets"},
        {"remove: [\"a:{{ params.carrier }}\"]", "remove: [a]",
         "27:51: no step before this one adds \"a\" to \"hit\""},
        {"template: late", "template: done", "24:52: \"done\" has the purpose status"},
        {"template: done", "template: late", "28:78: \"late\" is for customers"},
        {"max_notices: 50", "max_notices: 0", "24:34: limits.max_notices is 0"},
        {"expires_after: 12h", "expires_after: 12h, not_before: 12h",
         "24:97: the notice would expire before it may be sent"},
        {"{id: over, ",
         "{id: again, uses: notice, to: hit, template: late, channels: [sms], expires_after: 1h}\n "
         " - "
         "{id: over, ",
         "25:50: step \"tell\" queues \"late\" already"},
        {"signal: over, for: 72h", "for: 72h, remind: 1h", "25:46: a wait without a signal"},
    };
    (void)state;
    assert_refused(cases, ARRAY_LEN(cases));
}

static void test_notices_of_delay_say_what_the_law_wants(void **state)
{
    static const struct refused_case cases[] = {
        {"    facts: {new_date: unknown, refund: true, reply: true}\n", "",
         "31:3: delay notice \"late\" does not offer a refund"},
        {"new_date: unknown, ", "", "31:3: delay notice \"late\" does not say the new date"},
        {"refund: true, ", "", "31:3: delay notice \"late\" does not offer a refund"},
        {"reply: true", "reply: false", "31:3: delay notice \"late\" names no free way to answer"},
    };
    (void)state;
    assert_refused(cases, ARRAY_LEN(cases));
}

static void test_clock_and_undo_are_whole(void **state)
{
#define CLOCK "kind: Runbook\nclock: {first_update_within: 5m, update_every: 20m, on_breach: lead"
    static const struct refused_case cases[] = {
        {"kind: Runbook", CLOCK ", long_after: 2h}",
         "3:82: \"long_after\" and \"update_every_long\" belong together"},
        {"kind: Runbook", CLOCK ", update_every_long: 2h}",
         "3:89: \"long_after\" and \"update_every_long\" belong together"},
        {"kind: Runbook", CLOCK ", long_after: 2h, update_every_long: 10m}",
         "3:105: \"update_every_long\" must not be shorter"},
        {"kind: Runbook", "kind: Runbook\nclock: {first_update_within: 5m, update_every: 20m}",
         "3:8: clock has no \"on_breach\""},
        {", reason: They are told.", "", "37:32: undo is refused without a \"reason\""},
    };
    (void)state;
    assert_refused(cases, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sample_is_right),
        cmocka_unit_test(test_names_that_do_not_exist_are_refused),
        cmocka_unit_test(test_conditions_keep_their_place_and_know_their_names),
        cmocka_unit_test(test_texts_know_their_names),
        cmocka_unit_test(test_parameters_contradict_nothing),
        cmocka_unit_test(test_selections_and_steps_contradict_nothing),
        cmocka_unit_test(test_notices_of_delay_say_what_the_law_wants),
        cmocka_unit_test(test_clock_and_undo_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
