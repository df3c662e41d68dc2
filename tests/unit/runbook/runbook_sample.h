/* A small runbook that is right, and what becomes of it when a piece of it is replaced. */
#ifndef RUNBOOK_SAMPLE_H
#define RUNBOOK_SAMPLE_H

#include "base/cleanup.h"
#include "base/macros.h"
#include "runbook/problems.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char sample[] =
    "apiVersion: mainstay/v1\n" /* 1 */
    "kind: Runbook\n"
    "metadata: {name: sample, version: \"1.2.3\", title: A sample, owner: lead, reviewed_on: "
    "\"2026-11-01\"}\n"
    "owners: {lead: Leads., comms: Writes.}\n"
    "params:\n" /* 5 */
    "  carrier: {type: enum, values: [ups, dhl], required: true}\n"
    "  since: {type: timestamp}\n"
    "  lookback: {type: duration, default: 24h, min: 1h, max: 14d}\n"
    "limits: {max_tickets: 100, max_notices: 50}\n"
    "selections:\n" /* 10 */
    "  hit:\n"
    "    of: tickets\n"
    "    where: t.is_open AND t.created_at > :since - :lookback\n"
    "    exclude: {tags: [\"incident:*\"]}\n"
    "    segments:\n" /* 15 */
    "      - {name: named, mentions: [\"{{ params.carrier }}\"]}\n"
    "      - {name: rest}\n"
    "  buyers: {of: customers}\n"
    "steps:\n"
    "  - {id: look, uses: assess, selections: [hit], expect: [{when: count(hit) < 5, then: stop, "
    "say: Too few.}]}\n" /* 20 */
    "  - {id: mark, uses: tag, from: hit, add: [\"a:{{ params.carrier }}\", \"b:{{ row.segment "
    "}}\"]}\n"
    "  - {id: ask, uses: task, ask: Switch?, choices: [yes, no], default: {after: 30m, choice: "
    "no}}\n"
    "  - {id: gate, uses: approval, role: comms}\n"
    "  - {id: tell, uses: notice, to: buyers, template: late, channels: [email, sms], "
    "expires_after: 12h, quiet_hours: {from: \"20:00\", to: \"09:00\"}}\n"
    "  - {id: over, uses: wait, signal: over, for: 72h}\n" /* 25 */
    "recover:\n"
    "  - {id: unmark, uses: untag, from: hit, remove: [\"a:{{ params.carrier }}\"]}\n"
    "  - {id: post, uses: status, component: shipping, state: resolved, template: done}\n"
    "exit: [{text: Over., zero: hit}, {text: Sent., drained: true}]\n"
    "templates:\n" /* 30 */
    "  late:\n"
    "    purpose: delay\n"
    "    facts: {new_date: unknown, refund: true, reply: true}\n"
    "    en: {subject: \"{{ orders }} late\", text: \"Dear {{ customer.name }}\"}\n"
    "    de: {subject: \"{{ orders }} kommt\", text: \"Hallo {{ customer.name }}\"}\n" /* 35 */
    "  done: {purpose: status, en: {subject: Over, text: \"Over for {{ params.carrier }}\"}}\n"
    "undo: {tags: allowed, notices: refused, reason: They are told.}\n"
    "tests:\n"
    "  - name: works\n"
    "    fixture: tests/sample.sql\n" /* 40 */
    "    params: {carrier: ups}\n"
    "    clock: \"2026-11-01T10:00:00Z\"\n"
    "    expect: {hit: 3, hit/named: 1, tagged: 3}\n";

/* The text with the first `from` replaced by `to`. The caller frees it. */
static inline char *text_with(const char *whole, const char *from, const char *to)
{
    const char *at = strstr(whole, from);
    if (at == NULL)
        fail_msg("the text has no \"%s\"", from);
    char *text = malloc(strlen(whole) + strlen(to) + 1);
    assert_non_null(text);
    int len = (int)(at - whole);
    (void)sprintf(text, "%.*s%s%s", len, whole, to, at + strlen(from));
    return text;
}

static inline char *sample_with(const char *from, const char *to)
{
    return text_with(sample, from, to);
}

/* Every problem as "line:column: text | hint" lines. The caller frees it. */
static inline char *problems_of(const char *text)
{
    struct error err;
    struct runbook *runbook = NULL;
    struct runbook_problems *problems = calloc(1, sizeof *problems);
    char *all = calloc(1, 64 * 1024);
    assert_non_null(problems);
    assert_non_null(all);
    if (!runbook_load_all(text, strlen(text), "t.yaml", problems, &runbook, &err))
        fail_msg("%s", err.text);
    if ((runbook == NULL) != (problems->error_count > 0))
        fail_msg("%zu errors, but %s", problems->error_count, runbook == NULL ? "none" : "one");
    size_t len = 0;
    for (size_t i = 0; i < problems->count; i++)
        len += (size_t)sprintf(all + len, "%d:%d: %s%s%s\n", problems->items[i].line,
                               problems->items[i].column, problems->items[i].text,
                               problems->items[i].hint[0] == '\0' ? "" : " | ",
                               problems->items[i].hint);
    runbook_free(runbook);
    free(problems);
    return all;
}

struct refused_case {
    const char *from;
    const char *to;
    const char *problem; /* the first one begins so */
};

/* Looks at all of them before it fails. */
static inline void assert_refused(const struct refused_case *cases, size_t count)
{
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        CLEANUP(free_pointer) char *text = sample_with(cases[i].from, cases[i].to);
        CLEANUP(free_pointer) char *problems = problems_of(text);
        if (strncmp(problems, cases[i].problem, strlen(cases[i].problem)) == 0)
            continue;
        failed++;
        print_message("\"%s\":\n%sdoes not begin with \"%s\"\n\n", cases[i].to, problems,
                      cases[i].problem);
    }
    assert_int_equal(failed, 0);
}

#endif
