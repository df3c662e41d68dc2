/* The words that all reports share, and the report for CI servers. */
#include "drill_report_internal.h"

#include "base/cleanup.h"
#include "document/markup.h"

#include <inttypes.h>
#include <stdio.h>

enum { FACT_MAX_BYTES = 4096 };

const char *drill_report_duration(int64_t us, char out[TEXT_SIZE])
{
    if (us < 0)
        (void)snprintf(out, TEXT_SIZE, "not known");
    else
        (void)text_duration_us(us, out);
    return out;
}

void drill_report_put_measure(int64_t us, int64_t goal_us, struct buf *out)
{
    char text[TEXT_SIZE];
    buf_printf(out, "%s", drill_report_duration(us, text));
    if (goal_us > 0)
        buf_printf(out, ", goal %s", text_duration_us(goal_us, text));
}

const char *drill_report_outcome(enum drill_check_outcome outcome)
{
    static const char *const names[] = {[DRILL_CHECK_PASSED] = "passed",
                                        [DRILL_CHECK_FAILED] = "failed",
                                        [DRILL_CHECK_SKIPPED] = "skipped"};
    return names[outcome];
}

size_t drill_report_count(const struct drill_proof *proof, enum drill_check_outcome outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < proof->check_count; i++)
        count += proof->checks[i].outcome == outcome;
    return count;
}

/* --- facts ------------------------------------------------------------------------------------ */

struct facts {
    drill_report_fact_fn visit;
    void *context;
    struct buf text;
};

static void give(struct facts *facts, const char *name)
{
    const char *text = buf_text(&facts->text);
    if (text != NULL && *text != '\0')
        facts->visit(facts->context, name, text);
    buf_clear(&facts->text);
}

static void give_target(struct facts *facts, const struct drill_proof *proof)
{
    char text[TEXT_SIZE];
    buf_printf(&facts->text, "%s%s%s", proof->target_kind, *proof->target_value == '\0' ? "" : " ",
               proof->target_value);
    if (proof->seed != 0)
        buf_printf(&facts->text, " (seed %" PRIu64 ")", proof->seed);
    give(facts, "Target");
    if (proof->reached_lsn != 0)
        buf_printf(&facts->text, "%s on timeline %" PRIu32, text_lsn(proof->reached_lsn, text),
                   proof->timeline);
    give(facts, "Reached");
    if (proof->reached_us >= 0)
        buf_printf(&facts->text, "%s", text_time_us(proof->reached_us, text));
    give(facts, "Last transaction");
}

static void give_sizes(struct facts *facts, const struct drill_proof *proof)
{
    char total[TEXT_SIZE];
    char fetched[TEXT_SIZE];
    char wal[TEXT_SIZE];
    buf_printf(&facts->text, "%s, of which %s were fetched", text_bytes(proof->bytes_total, total),
               text_bytes(proof->bytes_fetched, fetched));
    give(facts, "Data directory");
    buf_printf(&facts->text, "%s", text_bytes(proof->wal_bytes, wal));
    give(facts, "WAL replayed");
}

void drill_report_each_fact(const struct drill_proof *proof, drill_report_fact_fn visit,
                            void *context)
{
    char text[TEXT_SIZE];
    struct facts facts = {.visit = visit, .context = context};
    buf_init(&facts.text, FACT_MAX_BYTES);
    buf_printf(&facts.text, "%s", text_time_us(proof->started_us, text));
    give(&facts, "Started");
    drill_report_put_measure(proof->rto_us, proof->rto_goal_us, &facts.text);
    give(&facts, "RTO");
    drill_report_put_measure(proof->rpo_us, proof->rpo_goal_us, &facts.text);
    give(&facts, "RPO");
    buf_printf(&facts.text, "%s", proof->snapshot_id);
    if (*proof->snapshot_id != '\0')
        buf_printf(&facts.text, ", of %s", text_time_us(proof->snapshot_started_us, text));
    give(&facts, "Snapshot");
    give_target(&facts, proof);
    give_sizes(&facts, proof);
    buf_printf(&facts.text, "%" PRIu64, proof->system_identifier);
    give(&facts, "System identifier");
    buf_printf(&facts.text, "%s", proof->server_version);
    give(&facts, "PostgreSQL");
    buf_printf(&facts.text, "%s", proof->host);
    give(&facts, "Machine");
    buf_printf(&facts.text, "%s", proof->program_version);
    give(&facts, "Mainstay");
    buf_printf(&facts.text, "%s", proof->repository_id);
    give(&facts, "Repository");
    buf_printf(&facts.text, "%s", proof->kept);
    give(&facts, "Kept");
    buf_printf(&facts.text, "%s", proof->id);
    give(&facts, "Drill");
    buf_release(&facts.text);
}

/* --- JUnit ------------------------------------------------------------------------------------ */

static void put_attribute(const char *name, const char *value, struct buf *out)
{
    buf_printf(out, " %s=\"", name);
    markup_put(value, out);
    buf_printf(out, "\"");
}

static void put_seconds(const char *name, int64_t us, struct buf *out)
{
    buf_printf(out, " %s=\"%.3f\"", name, us < 0 ? 0.0 : (double)us / 1e6);
}

static void put_property(void *context, const char *name, const char *value)
{
    struct buf *out = context;
    buf_printf(out, "      <property");
    put_attribute("name", name, out);
    put_attribute("value", value, out);
    buf_printf(out, "/>\n");
}

static void put_failure(const struct drill_check *check, struct buf *out)
{
    CLEANUP(buf_release) struct buf message;
    buf_init(&message, FACT_MAX_BYTES);
    buf_printf(&message, "expected %s, found %s", check->expected, check->found);
    const char *text = buf_text(&message);
    buf_printf(out, "      <failure");
    put_attribute("message", text == NULL ? "" : text, out);
    put_attribute("type", "promise", out);
    buf_printf(out, ">");
    markup_put(check->detail, out);
    buf_printf(out, "</failure>\n");
}

static void put_case(const struct drill_check *check, struct buf *out)
{
    buf_printf(out, "    <testcase");
    put_attribute("classname", "mainstay.drill", out);
    put_attribute("name", check->name, out);
    put_seconds("time", check->duration_us, out);
    buf_printf(out, ">\n");
    if (check->outcome == DRILL_CHECK_FAILED)
        put_failure(check, out);
    if (check->outcome == DRILL_CHECK_SKIPPED) {
        buf_printf(out, "      <skipped");
        put_attribute("message", check->detail, out);
        buf_printf(out, "/>\n");
    }
    if (check->outcome == DRILL_CHECK_PASSED && *check->detail != '\0') {
        buf_printf(out, "      <system-out>");
        markup_put(check->detail, out);
        buf_printf(out, "</system-out>\n");
    }
    buf_printf(out, "    </testcase>\n");
}

bool drill_report_junit(const struct drill_proof *proof, struct buf *out, struct error *err)
{
    char time[TEXT_SIZE];
    size_t failures = drill_report_count(proof, DRILL_CHECK_FAILED);
    /* It can end before the first check: no suite may look good then. */
    bool ended_early = !proof->passed && failures == 0;
    (void)text_time_us(proof->started_us, time);
    buf_printf(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
               "  <testsuite name=\"restore drill\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\" "
               "skipped=\"%zu\" timestamp=\"%.19s\"",
               proof->check_count + (ended_early ? 1 : 0), failures, ended_early ? 1 : 0,
               drill_report_count(proof, DRILL_CHECK_SKIPPED), time);
    put_seconds("time", proof->finished_us - proof->started_us, out);
    buf_printf(out, ">\n    <properties>\n");
    drill_report_each_fact(proof, put_property, out);
    buf_printf(out, "    </properties>\n");
    for (size_t i = 0; i < proof->check_count; i++)
        put_case(&proof->checks[i], out);
    if (ended_early) {
        buf_printf(out,
                   "    <testcase classname=\"mainstay.drill\" name=\"drill\" time=\"0.000\">\n"
                   "      <error");
        put_attribute("message", proof->broken, out);
        buf_printf(out, "/>\n    </testcase>\n");
    }
    buf_printf(out, "  </testsuite>\n</testsuites>\n");
    return buf_check(out, "the JUnit report", err);
}
